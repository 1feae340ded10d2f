"""What tracing adds to work that programs do all day: ``make`` of a C project, ``git clone`` of a local repository.

The project is the C programs of this project's own tests; the repository is this clone. All is traced that is by
default: processes, and every system call with what its arguments point to. The command times itself, so that no
tracer's start counts; the quickest of some runs in a row counts. Round by round each variant has its turn, in an
order that rotates; a ratio is the median of the rounds' ratios to the same round's untraced run.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import harness
from peers import CannotRun, found, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS = 5
RUNS = 3
AIM = 1.15
"""Times the untraced time."""

PROJECT = Path(__file__).parents[1]
TIMED = Path(__file__).with_name("timed.py")
WORK = {
    "make": ["make", "--silent", "--file", str(Path(__file__).with_name("programs") / "project.mk"), "OUT={new}"],
    "git clone": ["git", "clone", "--quiet", "--no-local", str(PROJECT), "{new}"],
}


def _untraced(command: Sequence[str], folder: Path) -> int:  # noqa: ARG001 - as the others
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    return 0


def _ours(command: Sequence[str], folder: Path) -> int:
    """Trace the command in a test of pytest; return how many calls were told of."""
    told = folder / "told"
    harness.run(harness.pytest_command("test_work.py", "--ebpf=require"), result=told, command="\n".join(command))
    return int(told.read_text(encoding="utf-8"))


def _strace(command: Sequence[str], folder: Path) -> int:
    output = folder / "strace"
    run([found("strace"), "-f", "-o", str(output), *command], folder / "stdout")
    # Neither the end of a call that others came in between of, nor of a process, nor a signal.
    others = re.compile(rb"\d+ +(<\.\.\. |\+\+\+ |--- )")
    with output.open("rb") as lines:
        return sum(not others.match(line) for line in lines)


VARIANTS: dict[str, Callable[[Sequence[str], Path], int]] = {
    "untraced": _untraced,
    "ebpf_trace": _ours,
    "strace -f": _strace,
}


def main() -> None:
    """Measure and print."""
    with harness.folder() as folder:
        for work, command in WORK.items():
            if shutil.which(command[0]) is None:
                print(f"  {work}: cannot run here: {command[0]} is not installed")
            else:
                _one(work, command, folder)


def _one(work: str, command: Sequence[str], folder: Path) -> None:
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    cpus: dict[str, list[float]] = {name: [] for name in VARIANTS}
    told = dict.fromkeys(VARIANTS, 0)
    result = folder / "result"
    timed = [sys.executable, "-I", "-S", str(TIMED), str(RUNS), str(result), *command]
    for number in range(ROUNDS):
        for name in harness.rotated(list(VARIANTS), number):
            try:
                told[name] = VARIANTS[name](timed, folder)
            except CannotRun:
                continue
            by_clock, cpu = map(float, result.read_text(encoding="utf-8").split())
            times[name].append(by_clock)
            cpus[name].append(cpu)
    rows = [(work, "median", "ratio", "quietest", "CPU", "told, of all runs")]
    for name, values in times.items():
        if values:
            ratio = harness.median_ratio(values, times["untraced"])
            least = min(values) / min(times["untraced"])
            cpu_ratio = harness.median_ratio(cpus[name], cpus["untraced"])
            ms = f"{median(values) / 1e6:.0f} ms"
            rows.append((name, ms, f"{ratio:.2f}", f"{least:.2f}", f"{cpu_ratio:.2f}", f"{told[name]:,}"))
    harness.table(rows)
    harness.verdict(
        f"{work}: over untraced", harness.median_ratio(times["ebpf_trace"], times["untraced"]), AIM, "times"
    )
