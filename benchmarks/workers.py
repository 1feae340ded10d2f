"""What a process outside of the trace pays while others trace, with one xdist worker and with eight.

The outsider is this process, which no session contains: pytest is its child. It measures a loop of
``getppid(2)``, the cheapest call there is, by its own CPU time, and spawning ``/bin/true`` by the clock, while
all the workers hold their windows open and sleep.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import time
from collections import deque
from itertools import islice
from statistics import median
from typing import TYPE_CHECKING

import harness
import spawner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = 3
CALLS = 2_000_000
SPAWNS = 500
WORKERS = (0, 1, 8)
AIM = 1.02
"""Times what it is with one worker. It is to be the same; the rest is what such a measurement can tell apart."""

_START_TIMEOUT = 120.0


def main() -> None:
    """Measure and print."""
    calls: dict[int, list[float]] = {count: [] for count in WORKERS}
    spawns: dict[int, list[float]] = {count: [] for count in WORKERS}
    with harness.folder() as folder:
        for number in range(ROUNDS):
            for count in WORKERS[number % len(WORKERS) :] + WORKERS[: number % len(WORKERS)]:
                call, spawn = _with_workers(count, folder) if count else _measure()
                calls[count].append(call)
                spawns[count].append(spawn)
    rows = [("an outsider, by workers", "getppid", "ratio", "spawn", "ratio")]
    for count in WORKERS:
        call_ratio = harness.median_ratio(calls[count], calls[0])
        spawn_ratio = harness.median_ratio(spawns[count], spawns[0])
        name = f"{count} workers" if count else "nobody traces"
        call, spawn = median(calls[count]), median(spawns[count]) / 1000
        rows.append((name, f"{call:.0f} ns", f"{call_ratio:.2f}", f"{spawn:.0f} us", f"{spawn_ratio:.2f}"))
    harness.table(rows)
    harness.verdict("getppid, 8 workers over 1", harness.median_ratio(calls[8], calls[1]), AIM, "times")
    harness.verdict("spawn, 8 workers over 1", harness.median_ratio(spawns[8], spawns[1]), AIM, "times")


def _measure() -> tuple[float, float]:
    """Return the nanoseconds of one call and of one spawn; the least of some, since all else only adds."""
    best = min(_call() for _ in range(5))
    return best, min(spawner.spawn(SPAWNS) for _ in range(2))


def _call() -> float:
    start = time.thread_time_ns()
    deque(islice(iter(os.getppid, None), CALLS // 5), maxlen=0)  # a loop without bytecode
    return (time.thread_time_ns() - start) / (CALLS // 5)


def _with_workers(count: int, folder: Path) -> tuple[float, float]:
    with holding(count, folder):
        return _measure()


@contextlib.contextmanager
def holding(count: int, folder: Path) -> Iterator[None]:
    """Have that many workers hold a window open, which wait for a lock that this process holds."""
    gate = folder / "gate"
    with gate.open("w", encoding="utf-8") as lock, (folder / "output").open("w+", encoding="utf-8") as output:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = harness.pytest_command("test_workers.py", "--ebpf=require", "--dist=each", f"--tx={count}*popen")
        with subprocess.Popen(
            command, env=harness.environment(gate=gate), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as pytest:
            try:
                _wait_for(count, folder, pytest)
                yield
            finally:
                fcntl.flock(lock, fcntl.LOCK_UN)
            code = pytest.wait()
        output.seek(0)
        if code:
            raise SystemExit(f"{' '.join(command)}: exit code {code}\n{output.read()}")
    for path in folder.glob("ready-*"):
        path.unlink()


def _wait_for(count: int, folder: Path, pytest: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while len(list(folder.glob("ready-*"))) < count:
        if pytest.poll() is not None or time.monotonic() > deadline:
            return  # the run ends by itself, once the lock is free, and its exit code tells
        time.sleep(0.05)
    time.sleep(0.3)  # what the last worker did on its way to the lock is over
