"""How long it takes to make header files out of the kernel's types, and to find them again.

Each is made in an empty cache, by an interpreter of its own, whose start is not counted.
"""

from __future__ import annotations

import sys
from statistics import median

import harness

ROUNDS = 7
AIM = 2.0
"""Seconds."""

MADE = {
    "vmlinux.h, for CO-RE": "from pytest_ebpf.headers.vmlinux import vmlinux_directory as make",
    "the header tree, for BCC": "from pytest_ebpf.headers.tree import bcc_tree as make",
}
SCRIPT = """
import os, pathlib, time
os.environ["XDG_CACHE_HOME"] = os.environ["BENCHMARK_CACHE"]
start = time.monotonic()
{make}
make()
pathlib.Path(os.environ["BENCHMARK_RESULT"]).write_text(str(time.monotonic() - start))
"""


def main() -> None:
    """Measure and print."""
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for name, make in MADE.items():
            command = [sys.executable, "-c", SCRIPT.format(make=make)]
            with harness.folder() as folder:
                for which in ("made", "found again"):
                    harness.run(command, cache=folder / "cache", result=folder / "time")
                    took = float((folder / "time").read_text(encoding="utf-8"))
                    times.setdefault((name, which), []).append(took)
    rows = [("", "made", "found again")]
    for name in MADE:
        rows.append((name, *(f"{median(times[name, which]) * 1000:.0f} ms" for which in rows[0][1:])))
    harness.table(rows)
    for name in MADE:
        harness.verdict(f"{name}, made", median(times[name, "made"]), AIM, "s")
