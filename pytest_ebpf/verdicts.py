"""Deciding an assertion: it holds, it does not, or that cannot be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from pytest_ebpf import failures
from pytest_ebpf._values import Gap
from pytest_ebpf.domains import event_gaps, events_of
from pytest_ebpf.errors import TraceIncomplete, UsageError
from pytest_ebpf.explanations import Found, search
from pytest_ebpf.matching import compare, is_plain, show
from pytest_ebpf.report import brief_event

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence as AbstractSequence

    from pytest_ebpf.event_queries import EventQuery
    from pytest_ebpf.explanations import Query
    from pytest_ebpf.processes import Process
    from pytest_ebpf.window import Window

__all__ = ["Claim", "ProcessClaim", "no_event", "no_truth", "prove", "prove_count", "refute"]

T = TypeVar("T")


@dataclass(slots=True)
class Claim(Generic[T]):
    """What is claimed of the items of a window."""

    window: Window
    query: Query[T]
    pool: AbstractSequence[T]
    verb: str
    """``spawned``, ``exited`` or ``made``."""
    row: Callable[[T], str]
    prefix: str = ""

    noun = "process"
    plural = "processes"

    @property
    def asked(self) -> str:
        """The criteria, as the author of the test wrote them."""
        return self.query.asked

    def find(self) -> Found[T]:
        """Judge all items."""
        return search(self.pool, self.query)

    def best(self) -> T | None:
        """Return the item to speak of, if any matches."""
        return self.choose(self.find().matched)

    def choose(self, matched: AbstractSequence[T]) -> T | None:
        """Return the one of those that match to speak of."""
        return next(iter(matched), None)

    def gaps(self, *, negative: bool) -> tuple[Gap, ...]:  # noqa: ARG002 - another kind of claim tells them apart
        """Say what the evidence lacks.

        Args:
            negative: Whether the claim is that something did not happen, or no more often.
        """
        return self.window.gaps()

    def only_time_tells(self, item: T) -> bool:
        """Whether waiting would tell if an item matches."""
        gaps = self.query.explain(item).gaps
        return bool(gaps) and all(gap.pending for _, gap in gaps)

    def nearest(self, found: Found[T]) -> list[str]:
        """Show what came nearest to what was asked."""
        return failures.closest(found.rejected, self.query, self.row)

    def advice(self, found: Found[T]) -> list[str]:  # noqa: ARG002 - not every kind of claim has any
        """Say what to do, where there is more to say than what differs."""
        return []

    def headline(self, what: str, found: Found[T]) -> str:
        """Write the first line of a message."""
        colon = f": {self.asked}" if self.asked else ""
        return f"{self.prefix}expected {what} {self.verb}{colon}   {failures.counted(len(found.matched), len(found))}"


class ProcessClaim(Claim["Process"]):
    """What is claimed of the processes of a window."""

    __slots__ = ()

    def choose(self, matched: AbstractSequence[Process]) -> Process | None:
        """Return the first that matches: one that executed its program before a mere fork."""
        executed = [process for process in matched if process.life.executed]
        return next(iter(executed or matched), None)

    def advice(self, found: Found[Process]) -> list[str]:
        """Say what to do about a process that has not ended yet."""
        if self.verb != "exited":
            return []
        running = [
            process for process in found.rejected if isinstance(gap := process.raw("exit_code"), Gap) and gap.pending
        ]
        named = [
            process
            for process in running
            if [each.field for each in self.query.explain(process).differences] == ["end"]
        ]
        if not named:
            return []
        return failures.rows("try", ["wait for its end: ebpf_trace.wait_for(…, alive=False), or its Popen's wait()"])


def prove(claim: Claim[T]) -> T:
    """Return the first item that matches.

    Raises:
        AssertionError: There is none.
        TraceIncomplete: There may be one, in evidence that is missing.
    """
    __tracebackhide__ = True
    found = claim.find()
    best = claim.choose(found.matched)
    if best is not None:
        return best
    gaps = claim.gaps(negative=False)
    unknown = [item for item in found.doubtful if not claim.only_time_tells(item)]
    if gaps or unknown:
        _cannot_tell(claim, found, f"a {claim.noun} {claim.verb}", gaps)
    evidence = failures.doubts(found.doubtful, claim.query, claim.row)
    evidence += claim.nearest(found)
    evidence += claim.advice(found)
    headline = claim.headline(f"a {claim.noun}", found)
    raise AssertionError(failures.failure(headline, evidence, claim.window))


def refute(claim: Claim[T]) -> None:
    """Make sure that no item matches.

    Raises:
        AssertionError: One does.
        TraceIncomplete: One may.
    """
    __tracebackhide__ = True
    found = claim.find()
    if found.matched:
        evidence = failures.matches(found.matched, claim.row)
        headline = claim.headline(f"no {claim.noun}", found)
        raise AssertionError(failures.failure(headline, evidence, claim.window))
    gaps = claim.gaps(negative=True)
    if gaps or found.doubtful:
        _cannot_tell(claim, found, f"a {claim.noun} {claim.verb}", gaps)


def prove_count(claim: Claim[T], count: Any) -> AbstractSequence[T]:
    """Return all items that match, which are as many as expected.

    Raises:
        AssertionError: They are not.
        TraceIncomplete: It cannot be told.
        UsageError: There can be no such count.
    """
    __tracebackhide__ = True
    if is_plain(count) and (isinstance(count, bool) or not isinstance(count, int) or count < 0):
        raise UsageError(f"count is a number of {claim.plural}, 0 or more, not {count!r}")
    found = claim.find()
    matched = found.matched
    exact = isinstance(count, int)
    noun = f"{show(count)} {claim.noun if count == 1 else claim.plural}"
    gaps = claim.gaps(negative=True)
    too_many = exact and len(matched) > count
    too_few = exact and not gaps and len(matched) + len(found.doubtful) < count
    if not (too_many or too_few) and (gaps or found.doubtful):
        _cannot_tell(claim, found, f"exactly {noun} {claim.verb}" if exact else f"{noun} {claim.verb}", gaps)
    if compare(count, len(matched)):
        return matched
    evidence = failures.matches(matched, claim.row)
    if exact and len(matched) < count:
        evidence += claim.nearest(found)
    raise AssertionError(failures.failure(claim.headline(noun, found), evidence, claim.window))


def _cannot_tell(claim: Claim[T], found: Found[T], what: str, gaps: tuple[Gap, ...]) -> NoReturn:
    __tracebackhide__ = True
    colon = f": {claim.asked}" if claim.asked else ""
    counted = failures.counted(len(found.matched), len(found))
    headline = f"{claim.prefix}cannot tell whether {what}{colon}   {counted}"
    doubtful = failures.doubts(found.doubtful, claim.query, claim.row)
    matched = failures.matches(found.matched, claim.row)
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

    gaps = event_gaps(window, query)
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
