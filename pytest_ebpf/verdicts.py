"""Deciding an assertion: it holds, it does not, or that cannot be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_ebpf import failures
from pytest_ebpf._values import Gap
from pytest_ebpf.domains import events_of
from pytest_ebpf.errors import TraceIncomplete, UsageError
from pytest_ebpf.explanations import Found, search
from pytest_ebpf.matching import compare, is_plain, show
from pytest_ebpf.report import brief_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf.event_queries import EventQuery
    from pytest_ebpf.processes import Process
    from pytest_ebpf.queries import ProcessQuery
    from pytest_ebpf.window import Window

__all__ = ["Claim", "no_event", "no_truth", "prove", "prove_count", "refute"]


@dataclass(slots=True)
class Claim:
    """What is claimed of the processes of a window."""

    window: Window
    query: ProcessQuery
    pool: list[Process]
    verb: str
    """``spawned`` or ``exited``."""
    row: Callable[[Process], str]
    prefix: str = ""

    @property
    def asked(self) -> str:
        """The criteria, as the author of the test wrote them."""
        return self.query.asked

    def find(self) -> Found[Process]:
        """Judge all processes."""
        return search(self.pool, self.query)

    def best(self) -> Process | None:
        """Return the first that matches: one that executed its program before a mere fork."""
        return _best(self.find().matched)

    def headline(self, what: str, found: Found[Process]) -> str:
        """Write the first line of a message."""
        colon = f": {self.asked}" if self.asked else ""
        counted = failures.counted(len(found.matched), len(found))
        return f"{self.prefix}expected {what} {self.verb}{colon}   {counted}"


def _best(matched: list[Process]) -> Process | None:
    executed = [process for process in matched if process.life.executed]
    return next(iter(executed or matched), None)


def _is_pending(claim: Claim, process: Process) -> bool:
    """Whether only time will tell if a process matches."""
    gaps = claim.query.explain(process).gaps
    return bool(gaps) and all(gap.pending for _, gap in gaps)


def prove(claim: Claim) -> Process:
    """Return the first process that matches.

    Raises:
        AssertionError: There is none.
        TraceIncomplete: There may be one, in evidence that is missing.
    """
    __tracebackhide__ = True
    found = claim.find()
    best = _best(found.matched)
    if best is not None:
        return best
    gaps = claim.window.gaps()
    unknown = [process for process in found.doubtful if not _is_pending(claim, process)]
    if gaps or unknown:
        _cannot_tell(claim, found, f"a process {claim.verb}", gaps)
    evidence = failures.doubts(found.doubtful, claim.query, claim.row)
    evidence += failures.closest(found.rejected, claim.query, claim.row)
    evidence += _advice(claim, found)
    headline = claim.headline("a process", found)
    raise AssertionError(failures.failure(headline, evidence, claim.window))


def _advice(claim: Claim, found: Found[Process]) -> list[str]:
    """Say what to do about a process that has not ended yet."""
    if claim.verb != "exited":
        return []
    running = [
        process for process in found.rejected if isinstance(gap := process.raw("exit_code"), Gap) and gap.pending
    ]
    named = [
        process for process in running if [each.field for each in claim.query.explain(process).differences] == ["end"]
    ]
    if not named:
        return []
    return failures.rows("try", ["wait for its end: ebpf_trace.wait_for(…, alive=False), or its Popen's wait()"])


def refute(claim: Claim) -> None:
    """Make sure that no process matches.

    Raises:
        AssertionError: One does.
        TraceIncomplete: One may.
    """
    __tracebackhide__ = True
    found = claim.find()
    if found.matched:
        evidence = failures.rows("matched", [claim.row(process) for process in found.matched])
        headline = claim.headline("no process", found)
        raise AssertionError(failures.failure(headline, evidence, claim.window))
    gaps = claim.window.gaps()
    if gaps or found.doubtful:
        _cannot_tell(claim, found, f"a process {claim.verb}", gaps)


def prove_count(claim: Claim, count: Any) -> list[Process]:
    """Return all processes that match, which are as many as expected.

    Raises:
        AssertionError: They are not.
        TraceIncomplete: It cannot be told.
        UsageError: There can be no such count.
    """
    __tracebackhide__ = True
    if is_plain(count) and (isinstance(count, bool) or not isinstance(count, int) or count < 0):
        raise UsageError(f"count is a number of processes, 0 or more, not {count!r}")
    found = claim.find()
    matched = found.matched
    exact = isinstance(count, int)
    noun = f"{show(count)} process{'' if count == 1 else 'es'}"
    gaps = claim.window.gaps()
    too_many = exact and len(matched) > count
    too_few = exact and not gaps and len(matched) + len(found.doubtful) < count
    if not (too_many or too_few) and (gaps or found.doubtful):
        _cannot_tell(claim, found, f"exactly {noun} {claim.verb}" if exact else f"{noun} {claim.verb}", gaps)
    if compare(count, len(matched)):
        return matched
    evidence = failures.rows("matched", [claim.row(process) for process in matched])
    if exact and len(matched) < count:
        evidence += failures.closest(found.rejected, claim.query, claim.row)
    raise AssertionError(failures.failure(claim.headline(noun, found), evidence, claim.window))


def _cannot_tell(claim: Claim, found: Found[Process], what: str, gaps: tuple[Gap, ...]) -> NoReturn:
    __tracebackhide__ = True
    colon = f": {claim.asked}" if claim.asked else ""
    counted = failures.counted(len(found.matched), len(found))
    headline = f"{claim.prefix}cannot tell whether {what}{colon}   {counted}"
    doubtful = failures.doubts(found.doubtful, claim.query, claim.row)
    matched = failures.rows("matched", [claim.row(process) for process in found.matched])
    raise TraceIncomplete(failures.incomplete(headline, gaps, doubtful, claim.window, matched))


def no_event(window: Window, query: EventQuery, prefix: str) -> NoReturn:
    """Fail for want of an event.

    Raises:
        AssertionError: It did not happen.
        TraceIncomplete: It may have.
    """
    __tracebackhide__ = True
    found = search(events_of(window).seen(), query)

    def row(event: Any) -> str:
        return f"{event.kind} {brief_event(event)}"

    gaps = window.gaps()
    counted = failures.counted(0, len(found))
    doubtful = failures.doubts(found.doubtful, query, row)
    if gaps or doubtful:
        headline = f"{prefix}cannot tell whether there was an event: {query.asked}   {counted}"
        raise TraceIncomplete(failures.incomplete(headline, gaps, doubtful, window))
    evidence = failures.closest(found.rejected, query, row)
    headline = f"{prefix}expected an event: {query.asked}   {counted}"
    raise AssertionError(failures.failure(headline, evidence, window))


def no_truth(window: Window, predicate: Callable[..., object], prefix: str) -> NoReturn:
    """Fail since a function of the trace stayed false.

    Raises:
        AssertionError: It did.
        TraceIncomplete: It may have on account of what is missing.
    """
    __tracebackhide__ = True
    gaps = window.gaps()
    if gaps:
        headline = f"{prefix}cannot tell whether {show(predicate)} would have come true"
        raise TraceIncomplete(failures.incomplete(headline, gaps, [], window))
    headline = f"{prefix}{show(predicate)} was never true"
    raise AssertionError(failures.failure(headline, [], window))
