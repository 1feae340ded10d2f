"""What ``pytest-ebpf trace --syscalls`` shows: a command's system calls, each when it has returned."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ebpf.engine.calls import Span
from pytest_ebpf.events import Exit, ThreadExit, make_event
from pytest_ebpf.functions.call import FunctionCall
from pytest_ebpf.functions.text import line as function_line
from pytest_ebpf.report import printable
from pytest_ebpf.syscalls import text
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.syscalls.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from pytest_ebpf.history import History
    from pytest_ebpf.lives import Life
    from pytest_ebpf.trace import Trace
    from pytest_ebpf.window import Window

__all__ = ["Calls", "Choice", "Ending", "Endings", "Lines", "is_own", "summary", "told_ns"]

Ending = Exit | ThreadExit

_COLUMN = 39  # where strace(1) writes the result, unless -a says otherwise
_NO_RETURN = {"exit", "exit_group"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What of a command's system calls to show, and how."""

    wanted: Mapping[str, AbstractSet[int]] | None = None
    """By ABI, which of them; None: all."""
    times: bool = False
    """When each was entered, and how long it took."""
    paths: bool = False
    """What the descriptors are."""
    summary: bool = False
    """Counts and times, and not the calls."""


def told_ns(item: Syscall | FunctionCall | Ending) -> int:
    """Return when something was told of: of a call that is when it returned."""
    if isinstance(item, FunctionCall):
        return item.told_ns
    return item.raw_call.time_ns if isinstance(item, Syscall) else item.time_ns


class Calls:
    """The calls of a command and its descendants, and the ends of their threads: each is told once."""

    def __init__(self, trace: Trace, wanted: Mapping[str, AbstractSet[int]] | None) -> None:
        """Begin with the trace's window.

        Args:
            trace: Of the process that runs the command, whose own calls are left out.
            wanted: By ABI, which of them; None: all.
        """
        self._window = trace.window
        self._history = trace.window.history
        self._wanted = wanted
        self._endings = Endings(trace)
        self._calls = 0

    def take(self) -> Iterator[Syscall | Ending]:
        """Return what is new, in the order in which it returned or ended; made as it is asked for."""
        self._window.update()
        # Each of the two is in that order as it came.
        return heapq.merge(self._take_calls(), self._endings.take(), key=told_ns)

    def _take_calls(self) -> Iterator[Syscall]:
        first, self._calls = self._calls, len(self._history.calls)
        inside: dict[tuple[int, int], Syscall] = {}
        for place in range(first, self._calls):
            call = Syscall(place, self._window)
            raw = call.raw_call
            if self._wanted is not None and raw.number not in self._wanted.get(raw.abi, ()):
                continue
            if is_own(self._history, self._history.life_of((raw.host_pid, raw.start_ns)), raw.time_ns):
                continue
            # Of one that returned while it was looked for, the record of the return comes later.
            inside.pop((raw.host_tid, raw.entered_ns), None)
            if raw.in_progress:
                inside[raw.host_tid, raw.entered_ns] = call
            else:
                yield call
        for call in inside.values():
            yield call


class Endings:
    """The ends of a command's threads, and of its descendants': each is told once."""

    def __init__(self, trace: Trace, *, killed: bool = False) -> None:
        """Begin with the trace's window.

        Args:
            trace: Of the process that runs the command.
            killed: Only those of processes that a signal ended.
        """
        self._window = trace.window
        self._killed = killed
        self._seen = 0

    def take(self) -> Iterator[Ending]:
        """Return what is new, as far as it was learnt, in the order in which it ended."""
        history = self._window.history
        happenings = history.told(self._window.first, self._seen)
        self._seen += len(happenings)
        for happening in happenings:
            if happening.kind == "exit" and not is_own(history, happening.life, happening.time_ns):
                event = make_event(happening, self._window)
                assert isinstance(event, Exit | ThreadExit)  # noqa: S101 - such happenings become nothing else
                if not self._killed or (isinstance(event, Exit) and event.signal is not None):
                    yield event


def is_own(history: History, life: Life, time_ns: int) -> bool:
    """Whether something is of this process, or of its child before that executed the command."""
    root = history.root
    if root is None or life is root:
        return life is root
    return life.creator is root and (not life.executed or time_ns < life.executed[0].time_ns)


def summary(trace: Trace, wanted: Mapping[str, AbstractSet[int]] | None) -> Summary:
    """Count the calls that `Calls` would tell of."""
    window = trace.window
    window.update()
    pairs = None if wanted is None else [(abi, number) for abi, numbers in wanted.items() for number in numbers]
    spans = [span for life in window.history.lives.values() if (span := _span(life, window)) is not None]
    return Summary.of(window.history.calls.count(window.first, window.last, pairs, spans))


def _span(life: Life, window: Window) -> Span | None:
    """Return when a process does what the command wants; None: it is this tool itself."""
    store, root = window.history.calls, window.history.root
    if life is root or (life.creator is root and not life.executed):
        return None
    if life.creator is not root:
        return Span(*life.key)
    began_ns = life.executed[0].time_ns
    before = store.select(window.first, window.last, None, [Span(*life.key, 0, began_ns)])
    # The execve(2) of the command is the last one that was entered before.
    last = store.call(before[-1]) if before else None
    return Span(*life.key, began_ns if last is None or last.time_ns < began_ns else last.entered_ns)


class Lines:
    """Writes calls and ends of threads as ``strace -f`` does, a line each.

    Whose a line is, it says from the second thread's first line on.
    """

    def __init__(self, trace: Trace, choice: Choice) -> None:
        """Prepare it."""
        self._choice = choice
        self._first: object = None
        self._several = False
        # What the wall clock is ahead of the kernel's monotonic one.
        self._ahead = time.time_ns() - trace.window.history.now()

    def write(self, item: Syscall | FunctionCall | Ending) -> str:
        """Write a line."""
        who = item.tid or f"host:{item.host_tid}"
        self._first = self._first or who
        self._several = self._several or who != self._first
        head = f"{who:<5} " if self._several else ""
        if self._choice.times:
            head += self._clock(item.time_ns)
        if isinstance(item, FunctionCall):
            return self._function(head, item)
        return self._call(head, item) if isinstance(item, Syscall) else head + _ending(item)

    def _function(self, head: str, call: FunctionCall) -> str:
        line = head + printable(function_line(call))
        return f"{line} <{call.duration:.6f}>" if self._choice.times and call.duration is not None else line

    def _clock(self, time_ns: int) -> str:
        seconds, nanoseconds = divmod(time_ns + self._ahead, 1_000_000_000)
        return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{nanoseconds // 1000:06} "

    def _call(self, head: str, call: Syscall) -> str:
        abi = "" if call.abi == "native" else f"[{call.abi}] "
        inside = call.in_progress or (call.unfinished and call.name not in _NO_RETURN)
        arguments = text.arguments(call, paths=self._choice.paths) + (" <unfinished ...>" if inside else "")
        if call.in_progress:
            return f"{head}{abi}{call.name}({arguments}"
        line = f"{head}{abi}{call.name}({arguments})".ljust(_COLUMN)
        line += f" = {text.outcome(call, paths=self._choice.paths)}"
        if self._choice.times and call.duration is not None:
            line += f" <{call.duration:.6f}>"
        return line


def _ending(event: Ending) -> str:
    if event.signal is None:
        return f"+++ exited with {event.exit_code} +++"
    name = getattr(event.signal, "name", f"signal {event.signal}")
    dumped = " (core dumped)" if isinstance(event, Exit) and event.core_dumped else ""
    return f"+++ killed by {name}{dumped} +++"
