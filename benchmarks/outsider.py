"""What a process outside of the trace pays for each of its system calls while others trace.

The outsider is a loop of ``getppid(2)``, the cheapest call there is, measured by its own CPU time. It runs while
nothing is attached, while two empty programs are attached to both ends of every system call, and while a test
holds its window open and records every call of its own processes. The quietest of many short rounds counts: all
else only adds. What cannot be undercut is what the kernel takes for calling two programs.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import harness
from programs import compiled
from workers import holding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 5
LOOPS = 5
CALLS = 1_000_000
AIM = 1.25
"""Times what the two empty programs add."""


def main() -> None:
    """Measure and print."""
    with harness.folder() as name:
        folder = compiled(Path(name))
        kinds: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
            "nothing attached": contextlib.nullcontext,
            "two empty programs": lambda: _attached(folder / "attach", folder / "empty.o"),
            "libbpf, the least": lambda: _attached(folder / "attach", folder / "floor-getppid.o"),
            "ebpf_trace, of another process": lambda: holding(1, folder),
        }
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for number in range(ROUNDS):
            for kind in harness.rotated(list(kinds), number):
                with kinds[kind]():
                    times[kind].append(min(_loop(folder) for _ in range(LOOPS)))
    base = min(times["nothing attached"])
    empty = min(times["two empty programs"]) - base
    rows = [("an outsider's getppid", "quietest", "median", "added", "ratio")]
    for kind, values in times.items():
        added = min(values) - base
        rows.append(
            (kind, f"{min(values):.0f} ns", f"{median(values):.0f} ns", f"{added:.0f} ns", f"{added / empty:.2f}")
        )
    harness.table(rows)
    ours = min(times["ebpf_trace, of another process"]) - base
    harness.verdict("added to an outsider's call, over two empty programs", ours / empty, AIM, "times")


def _loop(folder: Path) -> float:
    """Return the nanoseconds of CPU that one call takes."""
    result = folder / "result"
    subprocess.run([folder / "loop", "getppid", str(CALLS), result], check=True)
    return float(result.read_text(encoding="utf-8").split()[1])


@contextlib.contextmanager
def _attached(attach: Path, program: Path) -> Iterator[None]:
    """Hold an object's programs attached."""
    with subprocess.Popen([attach, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None  # noqa: S101 - it is a pipe
        if holder.stdout.readline() != b"ready\n":
            raise SystemExit(f"{program.name} cannot be attached")
        yield
        assert holder.stdin is not None  # noqa: S101 - likewise
        holder.stdin.close()
