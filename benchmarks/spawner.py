"""Spawns /bin/true and writes what one spawn took: ``spawner.py COUNT RESULT``. Run by `spawn` and `workers`."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path


def spawn(count: int) -> float:
    """Return the nanoseconds from one spawn to its end being waited for."""
    nothing: dict[str, str] = {}
    start = time.perf_counter_ns()
    for _ in range(count):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], nothing), 0)
    return (time.perf_counter_ns() - start) / count


def cpu() -> float:
    """Return the nanoseconds of CPU that this process and its ended children took."""
    whos = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, whos)) * 1e9


if __name__ == "__main__":
    number, before = int(sys.argv[1]), cpu()
    by_clock = spawn(number)
    Path(sys.argv[2]).write_text(f"{by_clock} {(cpu() - before) / number}", encoding="utf-8")
