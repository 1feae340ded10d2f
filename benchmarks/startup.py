"""How long it takes from the start of pytest to the body of its first test.

Three runs take turns: without the plugin; with it, in a suite that does not ask for it; and in one that
does, where the broker is started and the kernel's programs are loaded and attached.
"""

from __future__ import annotations

import time
from statistics import median

import harness

ROUNDS = 11
AIM_ASKED = 250.0
AIM_NOT_ASKED = 0.0
"""Milliseconds. The second is to be nothing, and what is left is the import of the plugin's own module."""

VARIANTS = {
    "without the plugin": ("test_first_plain.py", "-p", "no:pytest_ebpf"),
    "no test asks": ("test_first_plain.py",),
    "the first test asks": ("test_first_traced.py", "--ebpf=require"),
}


def main() -> None:
    """Measure and print."""
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    with harness.folder() as folder:
        result = folder / "time"
        # The first round fills the page cache, and does not count.
        for number in range(ROUNDS + 1):
            for name, (suite, *arguments) in VARIANTS.items():
                start = time.monotonic()
                harness.run(harness.pytest_command(suite, *arguments), result=result)
                if number:
                    times[name].append((float(result.read_text(encoding="utf-8")) - start) * 1000)
    base, not_asked, asked = times.values()
    rows = [("start to first test", "median", "more", "ratio")]
    for name, values in times.items():
        more = f"{harness.median_difference(values, base):+.1f} ms"
        rows.append((name, f"{median(values):.0f} ms", more, f"{harness.median_ratio(values, base):.2f}"))
    harness.table(rows)
    harness.verdict("the first test asks", harness.median_difference(asked, base), AIM_ASKED, "ms")
    harness.verdict("no test asks", harness.median_difference(not_asked, base), AIM_NOT_ASKED, "ms")
