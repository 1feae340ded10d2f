"""One run of a program, told by us and by strace: strace runs inside the traced tree."""

from __future__ import annotations

import collections
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

import strace_lines
from strace_causes import without_causes, without_pairs

from pytest_ebpf.syscalls import text
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_ebpf.tracer import Tracer

__all__ = ["Beside", "run"]

_SECONDS = 120  # that a program may take
_NEWER_THAN_STRACE = 451  # the first number that strace 6.1 has no name for: calls added since Linux 6.2


class Beside(NamedTuple):
    """The calls that only one of the two told of."""

    ours: collections.Counter[strace_lines.Line]
    theirs: collections.Counter[strace_lines.Line]
    both: int

    def report(self) -> str:
        """Put the differing lines below each other."""
        lines = [f"{self.both} calls are the same"]
        lines += [f"only ours   {line}" for line in sorted(self.ours.elements(), key=lambda line: line[1:])]
        lines += [f"only strace {line}" for line in sorted(self.theirs.elements(), key=lambda line: line[1:])]
        return "\n".join(sorted(lines[1:], key=lambda line: line.split(" ", 2)[-1].split(" ", 1)[-1]) + lines[:1])


def run(tracer: Tracer, command: Sequence[str], output: Path, **how: Any) -> Beside:
    """Run a command under strace in a window; both must tell of the same calls."""
    history = tracer.history(64 << 20)
    session = tracer.session
    session.want_calls(None)
    session.data_limit = 16384
    with Trace(history) as trace:
        command = ["strace", "-f", "-s", "16384", "-o", str(output), *command]
        strace = subprocess.Popen(command, start_new_session=True, **how)
        try:
            strace.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            # strace alone would leave what it traces behind.
            os.killpg(strace.pid, signal.SIGKILL)
            raise
        window = trace.window
        window.update()
        assert not trace.losses, trace.losses
        with output.open(encoding="utf-8", errors="surrogateescape") as lines:
            theirs = list(strace_lines.parse(lines))
        calls = [Syscall(index, window) for index in history.calls.select(window.first, window.last)]
        ours = [_line(call) for call in _traced(calls, {os.getpid(), strace.pid}, theirs[0].tid)]
    one = collections.Counter(without_causes(line, "ours") for line in ours)
    other = collections.Counter(without_causes(line, "strace") for line in theirs)
    both = (one & other).total()
    one, other = one - other, other - one
    without_pairs(one, other)
    return Beside(+one, +other, both)


def _traced(calls: Iterable[Syscall], outside: set[int], first: int) -> Iterator[Syscall]:
    """Leave out what strace does itself: its own calls, its helpers', its child's before that runs the command.

    Args:
        calls: By time.
        outside: Pids of the test and of strace.
        first: The thread that runs the command.
    """
    began = False
    for call in calls:
        process = call.process
        if process.pid in outside or (process.ppid in outside and process.host_pid != first):
            continue
        began = began or (call.host_tid == first and call.name == "execve")
        if began:
            yield call


def _line(call: Syscall) -> strace_lines.Line:
    """Write a call; one that strace has no name for as it does ("Calls that strace 6.1 does not know")."""
    if call.abi == "native" and call.number >= _NEWER_THAN_STRACE:
        words = ", ".join(hex(word) if word else "0" for word in call.raw_args)
        return strace_lines.Line(call.host_tid, f"syscall_{call.number:#x}", words, text.outcome(call))
    return strace_lines.Line(call.host_tid, call.name, text.arguments(call), text.outcome(call))
