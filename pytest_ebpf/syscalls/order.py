"""Deciding that system calls, and calls of functions, were made in a certain order."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_ebpf import failures
from pytest_ebpf._values import Verdict
from pytest_ebpf.errors import TraceIncomplete, UsageError
from pytest_ebpf.functions.call import FunctionCall
from pytest_ebpf.syscalls.asking import Asked, CallQuery
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.syscalls.identity import BINDING, MOVING, Files
from pytest_ebpf.syscalls.places import Places, calls_of, search
from pytest_ebpf.syscalls.scope import Scope
from pytest_ebpf.syscalls.selection import chosen
from pytest_ebpf.syscalls.steps import CallStep, Functions, FunctionStep, check_by, row, step_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_ebpf._values import Gap
    from pytest_ebpf.window import Window

__all__ = ["prove_sequence"]

_BY = {"file": "on the same file", "process": "by the same process", "thread": "by the same thread", None: ""}
_NEAR = 2000
_SHOWN = 3


@dataclass(eq=False)
class _Track:
    """Calls among which all steps are to be found, each with the steps that it can be."""

    name: str = ""
    entries: list[tuple[int, bool]] = field(default_factory=list)
    """Numbers of calls, and whether each is on the directory only."""


@dataclass
class _Attempt:
    """How far one gets on a track."""

    track: _Track
    found: list[int]
    """Numbers of the calls that are the first steps."""
    between: int | None = None
    """Of a call that stands where the next step should."""


class _Order:
    """Steps, the calls of a window, and which call is which step."""

    def __init__(
        self, window: Window, steps: Sequence[Any], by: str | None, criteria: Mapping[str, Any], *, strict: bool
    ) -> None:
        self.window = window
        self.steps = [step_of(window, each) for each in steps]
        check_by(self.steps, by)
        self._strict = strict
        self.base: CallQuery | None = None
        """What is asked of all system calls; None: no step is one."""
        self.functions: Functions | None = None
        """None: no step is a call of a function."""
        self.doubtful_calls = 0
        self.calls: Sequence[Syscall | FunctionCall] = ()
        self._take_calls(by, criteria)
        self._take_functions(criteria)
        self._verdicts: dict[tuple[int, int], Verdict] = {}
        self._entered: list[int] = []
        self._ended: list[float] = []
        self.unknown: list[int] = []
        self.tracks = self._by_file() if by == "file" else self._by_thread(by)

    def _take_calls(self, by: str | None, criteria: Mapping[str, Any]) -> None:
        steps = [step for step in self.steps if isinstance(step, CallStep)]
        if not steps:
            return
        self.base = CallQuery(self.window, None, criteria)
        found = search(calls_of(self.window), self.base)
        assert isinstance(found.matched, Places)  # noqa: S101 - as `search` returns
        self.calls = found.matched if self._strict else self._relevant(found.matched, steps, by)
        self.doubtful_calls += len(found.doubtful)

    def _take_functions(self, criteria: Mapping[str, Any]) -> None:
        steps = [step for step in self.steps if isinstance(step, FunctionStep)]
        if not steps:
            return
        self.functions = Functions(self.window, steps, criteria)
        self.calls = sorted([*self.calls, *self.functions.calls], key=lambda call: call.time_ns)
        self.doubtful_calls += self.functions.doubtful

    @property
    def asked(self) -> str:
        """What is asked of all calls."""
        return next(each.asked for each in (self.base, self.functions) if each is not None)

    def gaps(self, *, negative: bool, allow_io_uring: bool) -> tuple[Gap, ...]:
        """Say what the evidence lacks; `negative`: for that there are no more calls than these."""
        found: list[Gap] = []
        if self.base is not None:
            found += Scope((), allow_io_uring).narrowed(self.base).gaps(self.window, negative=negative)
        if self.functions is not None:
            found += self.functions.gaps(negative=negative)
        return tuple(dict.fromkeys(found))

    def _relevant(self, calls: Places, steps: Sequence[CallStep], by: str | None) -> Places:
        numbers = [step.query.numbers for step in steps]
        if any(each is None for each in numbers):
            return calls
        wanted = frozenset(pair for each in numbers for pair in each or ())
        wanted |= frozenset(pair for step in steps for pair in step.query.hidden)
        if by == "file":
            binding = chosen(sorted(BINDING))
            wanted |= binding.numbers if binding else frozenset()
        return Places(self.window, self.window.history.calls.narrow(calls.places, wanted))

    def _numbered(self) -> Iterator[tuple[int, Syscall | FunctionCall]]:
        for number, call in enumerate(self.calls):
            self._entered.append(call.time_ns)
            self._ended.append(_passed_ns(call))
            yield number, call

    def _by_thread(self, by: str | None) -> list[_Track]:
        tracks: dict[Any, _Track] = {}
        for number, call in self._numbered():
            process, tid = _who_made(call)
            key = {"process": process, "thread": (*process, tid), None: None}[by]
            tracks.setdefault(key, _Track()).entries.append((number, False))
        return list(tracks.values())

    def _by_file(self) -> list[_Track]:
        files = Files()
        for number, call in self._numbered():
            if isinstance(call, Syscall):
                files.take(number, call)
        self.unknown = files.unknown
        of_directory = any(step.of_directory for step in self.steps)
        tracks = []
        for each in files.all:
            entries = [(number, False) for number in each.about]
            if of_directory:
                entries = sorted([*entries, *((number, True) for number in each.in_directory)])
            tracks.append(_Track(str(each), entries))
        return tracks

    def verdict(self, step: int, number: int) -> Verdict:
        """Tell whether a call is a step."""
        key = (step, number)
        if key not in self._verdicts:
            self._verdicts[key] = self.steps[step].judge(self.calls[number])
        return self._verdicts[key]

    def is_step(self, step: int, entry: tuple[int, bool], least: Verdict) -> bool:
        """Tell whether an entry of a track is a step, at least as surely."""
        number, on_directory = entry
        return on_directory is self.steps[step].of_directory and self.verdict(step, number) >= least

    def is_early(self, number: int, attempt: _Attempt) -> bool:
        """Tell whether a call was entered before the last step that was found was over."""
        found = attempt.found
        return bool(found) and number not in found and self._entered[number] < self._ended[found[-1]]

    def attempt(self, track: _Track, least: Verdict = Verdict.YES) -> _Attempt:
        """Find as many steps as there are, one after the other."""
        return self._strictly(track, least) if self._strict else self._loosely(track, least)

    def _loosely(self, track: _Track, least: Verdict) -> _Attempt:
        found: list[int] = []
        ended = -1.0
        while len(found) < len(self.steps):
            following = [
                entry[0]
                for entry in track.entries
                if self._entered[entry[0]] >= ended and self.is_step(len(found), entry, least)
            ]
            if not following:
                break
            # Of those that can be the step, the one that returns first leaves most for the others.
            found.append(min(following, key=self._ended.__getitem__))
            ended = self._ended[found[-1]]
        return _Attempt(track, found)

    def _strictly(self, track: _Track, least: Verdict) -> _Attempt:
        best = _Attempt(track, [])
        for start in range(len(track.entries)):
            found: list[int] = []
            ended = -1.0
            for entry in track.entries[start : start + len(self.steps)]:
                number = entry[0]
                if self._entered[number] < ended or not self.is_step(len(found), entry, least):
                    break
                found.append(number)
                ended = self._ended[number]
            if len(found) > len(best.found):
                after = start + len(found)
                between = track.entries[after][0] if after < len(track.entries) else None
                best = _Attempt(track, found, between)
        return best


def _passed_ns(call: Syscall | FunctionCall) -> float:
    """Return when the next step may begin: what a function does belongs to it, and comes after its entry."""
    if isinstance(call, FunctionCall):
        return call.time_ns + 1
    return math.inf if call.in_progress or call.unfinished else call.raw_call.time_ns


def _who_made(call: Syscall | FunctionCall) -> tuple[tuple[int, int], int]:
    if isinstance(call, FunctionCall):
        return call.raw_call.process, call.host_tid
    raw = call.raw_call
    return (raw.host_pid, raw.start_ns), raw.host_tid


def prove_sequence(  # noqa: PLR0913 - all by name
    window: Window,
    steps: Sequence[Any],
    criteria: Mapping[str, Any],
    *,
    by: str | None,
    strict: bool,
    allow_io_uring: bool,
) -> list[Syscall | FunctionCall]:
    """Find the calls that are the steps, each entered when the one before had returned, or was a function's entry.

    Args:
        window: Of which time.
        steps: Names, patterns, families, what `call` made, and calls of functions that have probes.
        criteria: ``process``, or nothing.
        by: What all steps have in common: ``"file"``, ``"process"``, ``"thread"``; None: nothing.
        strict: Whether no other call of the same file, process or thread may lie between.
        allow_io_uring: With `strict`, whether what is done through an io_uring is left aside.

    Raises:
        AssertionError: There are none.
        TraceIncomplete: It cannot be told.
        UsageError: What is asked cannot be.
    """
    __tracebackhide__ = True
    if isinstance(steps, str | Asked) or not isinstance(steps, list | tuple) or not steps:
        raise UsageError(f"a sequence is a list of steps, such as ['write', 'fsync'], not {steps!r}")
    if by not in _BY:
        raise UsageError(f"by is 'file', 'process', 'thread' or None, not {by!r}")
    if by == "file":
        _check_moving_recorded(window)
    order = _Order(window, steps, by, criteria, strict=strict)
    about = ", ".join(part for part in (order.asked, _BY[by], "with no call between" if strict else "") if part)
    noun = "system calls" if order.functions is None else "calls"
    headline = f"{noun} in this order{f' ({about})' if about else ''}: {', '.join(s.text for s in order.steps)}"
    attempts = [order.attempt(track) for track in order.tracks]
    best = max(attempts, key=lambda each: len(each.found), default=_Attempt(_Track(), []))
    if len(best.found) == len(order.steps):
        gaps = order.gaps(negative=True, allow_io_uring=allow_io_uring) if strict else ()
        if gaps:
            raise TraceIncomplete(failures.incomplete(f"cannot tell whether there were {headline}", gaps, [], window))
        return [order.calls[number] for number in best.found]
    return _fail(order, best, headline, order.gaps(negative=False, allow_io_uring=allow_io_uring))


def _check_moving_recorded(window: Window) -> None:
    moving = chosen(sorted(MOVING))
    missing = window.recorded.lacks(moving)
    if missing:
        raise UsageError(
            f"by='file' follows files through their renames, and {', '.join(sorted(missing))} is not recorded:"
            f" {window.recorded.said}"
        )


def _fail(order: _Order, best: _Attempt, headline: str, gaps: tuple[Gap, ...]) -> NoReturn:
    __tracebackhide__ = True
    window, found = order.window, best.found
    unsure = [order.attempt(track, Verdict.UNKNOWN) for track in order.tracks]
    maybe = next((each for each in unsure if len(each.found) == len(order.steps)), None)
    nobody = [
        number
        for number in order.unknown
        if any(order.verdict(step, number) for step in range(len(found), len(order.steps)))
    ]
    counted = f"   ({len(found)} of {len(order.steps)} steps found)"
    if gaps or maybe or nobody or order.doubtful_calls:
        shown = maybe.found if maybe else nobody[:_SHOWN]
        lines = [row(order.calls[number]) for number in shown]
        doubts = failures.rows("may be", lines, limit=len(lines))
        raise TraceIncomplete(
            failures.incomplete(f"cannot tell whether there were {headline}{counted}", gaps, doubts, window)
        )
    evidence = failures.rows("file" if best.track.name else "", [best.track.name] if best.track.name and found else [])
    evidence += failures.rows("found", [row(order.calls[number]) for number in found], limit=len(found))
    evidence += _missing(order, best)
    raise AssertionError(failures.failure(f"expected {headline}{counted}", evidence, window))


def _missing(order: _Order, best: _Attempt) -> list[str]:
    """Say which step was not found, and what comes nearest to it."""
    at = len(best.found)
    step = order.steps[at]
    lines = failures.rows("missing", [f"{step.text}" + (f" after {order.steps[at - 1].text}" if at else "")])
    if best.between is not None:
        return lines + failures.rows("between", [row(order.calls[best.between])])
    here = {number for number, _ in best.track.entries}
    same = [entry[0] for entry in best.track.entries if order.is_step(at, entry, Verdict.YES)]
    early = [number for number in same if order.is_early(number, best)]
    if early:
        return lines + failures.rows("too early", [row(order.calls[number]) for number in early], _SHOWN)
    elsewhere = [
        number
        for number in range(min(len(order.calls), _NEAR))
        if number not in here and order.verdict(at, number) is Verdict.YES
    ]
    if elsewhere:
        return lines + failures.rows("elsewhere", [row(order.calls[number]) for number in elsewhere], _SHOWN)
    if isinstance(step, FunctionStep):
        return lines + step.nearest()
    near = [order.calls[number] for number in sorted(here or range(min(len(order.calls), _NEAR)))[:_NEAR]]
    return lines + failures.closest([each for each in near if isinstance(each, Syscall)], step.query, row)
