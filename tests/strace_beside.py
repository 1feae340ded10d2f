"""One run of a program, told by us and by strace: strace runs inside the traced tree."""

from __future__ import annotations

import collections
import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import strace_lines

from pytest_ebpf.syscalls import text
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_ebpf.tracer import Tracer

__all__ = ["Beside", "run"]

_FLAGS = re.compile(r"\b[A-Z][A-Z0-9_]*(?:\|[A-Z0-9x_a-f]+)+")


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


def run(tracer: Tracer, command: Sequence[str], output: Path, **how: object) -> Beside:
    """Run a command under strace in a window; both must tell of the same calls."""
    history = tracer.history(64 << 20)
    session = tracer.session
    session.want_calls(None)
    session.data_limit = 16384
    with Trace(history) as trace:
        strace = subprocess.Popen(["strace", "-f", "-s", "16384", "-o", str(output), *command], **how)  # type: ignore[call-overload]
        strace.wait()
        window = trace.window
        window.update()
        assert not trace.losses, trace.losses
        tracer_itself = next(process for process in trace.processes.seen() if process.pid == strace.pid)
        ours: collections.Counter[strace_lines.Line] = collections.Counter()
        for index in history.calls.select(window.first, window.last):
            call = Syscall(index, window)
            if call.process not in (tracer_itself, trace.root):
                line = strace_lines.Line(call.host_tid, call.name, text.arguments(call), text.outcome(call))
                ours[_normal(line)] += 1
    with output.open(encoding="utf-8", errors="surrogateescape") as lines:
        theirs = collections.Counter(map(_normal, strace_lines.parse(lines)))
    return Beside(ours - theirs, theirs - ours, (ours & theirs).total())


def _normal(line: strace_lines.Line) -> strace_lines.Line:
    """Bring what means the same into one form; each with its cause in docs/strace.md."""

    def ordered(match: re.Match[str]) -> str:
        return "|".join(sorted(match[0].split("|")))

    return line._replace(arguments=_FLAGS.sub(ordered, line.arguments), result=_FLAGS.sub(ordered, line.result))
