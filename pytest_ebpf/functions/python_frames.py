"""From where in Python a function was called: by the static probes (USDT) that CPython can be built with.

``function__entry`` and ``function__return`` tell when a frame begins and ends, ``line`` where it is; a thread's records
come in their order (Doc/howto/instrumentation.rst). CPython 3.11 tells of all entries only while ``line`` is probed as
well: then it runs each instruction the slow way (``OR_DTRACE_LINE``, Python/ceval.c).
"""

from __future__ import annotations

import bisect
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf._values import Cut
from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.functions.call import FunctionCall
from pytest_ebpf.functions.wanted import usdt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from pytest_ebpf.functions.arming import Arming
    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.lives import Key

    Thread = tuple[Key, int]

__all__ = ["PythonFrame", "Timeline", "probes", "python_stack"]

_ENTRY, _RETURN, _LINE = _NAMES = ("function__entry", "function__return", "line")
_PROVIDER = "python"
_VALUES = {"file": "str[1024]", "name": "str", "line": "s32"}


@dataclass(frozen=True, slots=True)
class PythonFrame:
    """One Python function on the way to a call."""

    function: str
    """Its name (``co_name``)."""
    file: str
    """As ``co_filename`` has it."""
    line: int
    """Where it is."""

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})"


def probes(target: Any) -> list[Wanted]:
    """Return what has to be asked for."""
    return [replace(usdt(target, _PROVIDER, name), values=tuple(_VALUES.items())) for name in _NAMES]


class _Event(NamedTuple):
    time_ns: int
    kind: str
    frame: PythonFrame


@dataclass
class Timeline:
    """The Python frames of a thread through time, innermost first, as far as they are known."""

    times: list[int] = field(default_factory=list)
    stacks: list[tuple[PythonFrame, ...]] = field(default_factory=list)

    def take(self, event: _Event) -> None:
        """Go on to the next event."""
        known = self.stacks[-1] if self.stacks else ()
        inside = bool(known) and (known[0].file, known[0].function) == (event.frame.file, event.frame.function)
        if event.kind == _ENTRY:
            known = (event.frame, *known)
        elif event.kind == _RETURN:
            # Of one that was not seen to begin, the callers are not known either.
            known = known[1:] if inside else ()
        else:
            known = (event.frame, *(known[1:] if inside else ()))
        self.times.append(event.time_ns)
        self.stacks.append(known)

    def at(self, time_ns: int) -> tuple[PythonFrame, ...]:
        """Return the frames at a time."""
        place = bisect.bisect_left(self.times, time_ns)
        return self.stacks[place - 1] if place else ()


def python_stack(call: FunctionCall) -> tuple[PythonFrame, ...]:
    """Return the Python functions in which a call was made, innermost first; empty if none is known.

    Raises:
        TraceIncomplete: Records are missing.
    """
    functions = call.scope.history.functions
    armings = [each for each in functions.armings if _is_ours(each) and _is_on(each, call)]
    if not armings:
        return ()
    gaps = [gap.why for gap in call.scope.gaps()]
    gaps += [
        f"{lost:,} records of {each.definition.name} did not come" for each in armings if (lost := each.missed().lost)
    ]
    if gaps:
        raise TraceIncomplete(f"in which Python functions {call.function}() was called is not known: {gaps[0]}")
    asked = (functions.store.taken, *armings)
    if functions.timelines is None or functions.timelines[0] != asked:
        functions.timelines = asked, _timelines(armings)
    timeline = functions.timelines[1].get((call.raw_call.process, call.host_tid))
    return timeline.at(call.time_ns) if timeline is not None else ()


def _is_ours(arming: Arming) -> bool:
    wanted = arming.definition.wanted
    return wanted.kind == "usdt" and wanted.provider == _PROVIDER and wanted.values == tuple(_VALUES.items())


def _is_on(arming: Arming, call: FunctionCall) -> bool:
    """Whether it was on when the call was made: what it told of before says nothing of then."""
    return arming.since_ns < call.time_ns and (arming.until_ns is None or call.time_ns < arming.until_ns)


def _timelines(armings: Sequence[Arming]) -> dict[Thread, Timeline]:
    found: dict[Thread, Timeline] = {}
    for thread, event in sorted(_events(armings), key=lambda each: each[1].time_ns):
        found.setdefault(thread, Timeline()).take(event)
    return found


def _events(armings: Sequence[Arming]) -> Iterator[tuple[Thread, _Event]]:
    met: set[int] = set()
    for arming in armings:
        # From when the last of them was switched on: before, a part was told.
        since_ns = max(each.since_ns for each in armings if each.window is arming.window)
        for group, raw in arming.calls():
            if id(raw) in met or raw.time_ns < since_ns:
                continue
            met.add(id(raw))
            call = FunctionCall(arming.definition, group, raw, arming.window)
            file, name, line = (_seen(call.raw(value)) for value in _VALUES)
            frame = PythonFrame(_text(name), _text(file), line if isinstance(line, int) else 0)
            yield (raw.process, raw.host_tid), _Event(raw.time_ns, call.function, frame)


def _seen(value: Any) -> Any:
    return value.value if isinstance(value, Cut) else value


def _text(value: Any) -> str:
    return os.fsdecode(value) if isinstance(value, bytes) else "?"
