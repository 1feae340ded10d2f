"""What a test that uses ``ebpf_trace`` and does nothing costs more than one that does not.

One run of pytest, in which the kinds of test take turns; a test's time is all of its setup, call, teardown
and reports.
"""

from __future__ import annotations

import json
from statistics import median

import harness

AIM = 0.5
"""Milliseconds."""


def main() -> None:
    """Measure and print."""
    with harness.folder() as folder:
        result = folder / "times.json"
        harness.run(harness.pytest_command("fixture", "--ebpf=require"), result=result)
        times: dict[str, list[float]] = json.loads(result.read_text(encoding="utf-8"))
    plain = times["test_plain"]
    rows = [("an empty test", "median", "more", "ratio")]
    for name, values in times.items():
        more = f"{harness.median_difference(values, plain):+.3f} ms"
        rows.append((name, f"{median(values):.3f} ms", more, f"{harness.median_ratio(values, plain):.2f}"))
    harness.table(rows)
    harness.verdict("ebpf_trace, per test", harness.median_difference(times["test_traced"], plain), AIM, "ms")
