"""How long a BPF program of the user's own takes to compile: clang alone, by us, and when it was compiled before.

The three take turns. Each round's macro makes it another text, which no cache knows.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from unittest import mock

import harness

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 11
AIM_MORE = 50.0
"""Milliseconds over clang's own time."""
SOURCE = Path(__file__).parent / "programs/emits.bpf.c"


def main() -> None:
    """Measure and print."""
    with harness.folder() as folder, mock.patch.dict(os.environ, XDG_CACHE_HOME=str(folder)):
        # Not at the top: what it imports looks for the cache.
        from pytest_ebpf.headers.vmlinux import vmlinux_directory  # noqa: PLC0415
        from pytest_ebpf.user_programs.compiling import INCLUDE, object_of  # noqa: PLC0415

        command = ["clang", "-target", "bpf", "-g", "-O2", "-mcpu=v3", "-D__TARGET_ARCH_x86"]
        command += [f"-I{vmlinux_directory()}", f"-I{INCLUDE}", "-c", str(SOURCE), "-o", str(folder / "object")]
        kinds: dict[str, Callable[[int], object]] = {
            "clang": lambda number: subprocess.run([*command, f"-DROUND={number}"], check=True),
            "compiled by us": lambda number: object_of(SOURCE, {"ROUND": number}),
            "compiled before": lambda number: object_of(SOURCE, {"ROUND": number}),
        }
        times: dict[str, list[float]] = {name: [] for name in kinds}
        # The first round fills the page cache, and does not count.
        for number in range(ROUNDS + 1):
            for name, compiled in kinds.items():
                start = time.perf_counter()
                compiled(number)
                if number:
                    times[name].append((time.perf_counter() - start) * 1000)
        vmlinux_directory.cache_clear()  # the folder goes
    alone, ours, before = times.values()
    rows = [("a .bpf.c to its object", "median", "more", "ratio")]
    for name, values in times.items():
        more = f"{harness.median_difference(values, alone):+.1f} ms"
        rows.append((name, f"{median(values):.1f} ms", more, f"{harness.median_ratio(values, alone):.3f}"))
    harness.table(rows)
    harness.verdict("over clang alone", harness.median_difference(ours, alone), AIM_MORE, "ms")
    harness.verdict("compiled before, over clang", harness.median_ratio(before, alone), 0.1, "times")
