"""Runs a command and writes what it took: ``timed.py COUNT RESULT WORD...``. Run by `work`.

Each time a word ``{new}`` in the command is a folder that is not there yet; it is removed afterwards. The result is
the quickest run's nanoseconds by the clock, and the least of CPU time.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def cpu() -> float:
    """Return the nanoseconds of CPU that ended children took."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1e9


def once(command: list[str], new: Path) -> tuple[float, float]:
    """Return what one run took, by the clock and of CPU."""
    start, before = time.perf_counter_ns(), cpu()
    subprocess.run([word.replace("{new}", str(new)) for word in command], check=True, stdout=subprocess.DEVNULL)
    taken = time.perf_counter_ns() - start, cpu() - before
    shutil.rmtree(new)
    return taken


if __name__ == "__main__":
    count, result, *words = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        runs = [once(words, Path(folder, "new")) for _ in range(int(count))]
    by_clock, of_cpu = map(min, zip(*runs, strict=True))
    Path(result).write_text(f"{by_clock} {of_cpu}", encoding="utf-8")
