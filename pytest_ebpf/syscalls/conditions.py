"""What is asked of a call beside which one it is, and how each one answers: of system calls, and of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pytest_ebpf._values import Gap, Verdict
from pytest_ebpf.explanations import Difference, Explanation, guarded
from pytest_ebpf.matching import compare, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_ebpf.lives import Key
    from pytest_ebpf.processes import Process
    from pytest_ebpf.syscalls.who import Who

__all__ = ["Conditions"]


class _Call(Protocol):
    @property
    def process(self) -> Process:
        """Who made it."""


T = TypeVar("T", bound=_Call)
T_contra = TypeVar("T_contra", contravariant=True)


class _Criterion(Protocol[T_contra]):
    """One field, and what it is compared with."""

    field: str
    expected: Any

    @property
    def late(self) -> bool:
        """Whether it is the author's code that judges."""

    def judge(self, call: T_contra, /) -> Verdict:
        """Tell whether a call matches."""

    def gap(self, call: T_contra, /) -> Gap:
        """Return why it cannot be told whether a call matches."""

    def show(self, call: T_contra, /) -> str:
        """Write what a call has instead."""

    def similarity(self, call: T_contra, /) -> float:
        """Tell how near a call comes, 0 to 1."""


class Conditions(Generic[T]):
    """Whose call it has to be, what its fields have to be, and what the author's own code says of it."""

    def __init__(
        self, who: Who | None, criteria: Iterable[_Criterion[T]], predicate: Callable[[T], object] | None
    ) -> None:
        self.who = who
        # The author's code should see only what the rest lets through.
        self._criteria = sorted(criteria, key=lambda each: each.late)
        self._predicate = predicate

    @property
    def only_whose(self) -> bool:
        """Whether nothing is asked but whose call it is."""
        return not self._criteria and self._predicate is None

    def judge_who(self, process: Key, time_ns: int) -> Verdict:
        """Tell whether what a process did at that time counts."""
        return Verdict.YES if self.who is None else self.who.judge(process, time_ns)

    def judge(self, item: T, verdict: Verdict) -> Verdict:
        """Tell whether a call matches of which `verdict` is known already; whose it is is not asked."""
        for each in self._criteria:
            if not verdict:
                return verdict
            verdict = min(verdict, each.judge(item))
        if verdict and self._predicate is not None:
            verdict = min(verdict, compare(self._predicate, item))
        return verdict

    def explain(self, item: T, whose: Verdict, result: Explanation) -> None:
        """Add by what a call differs; `whose` is what `judge_who` says of it."""
        if whose is Verdict.NO and self.who is not None:
            actual = f"pid {item.process.raw('pid')}"
            result.differences.append(Difference("process", self.who.asked.partition("=")[2], actual))
        elif whose is Verdict.UNKNOWN:
            result.gaps.append(("process", Gap("whether it goes by that name is not known")))
        for each in self._criteria:
            verdict = guarded(each.judge, item)
            if verdict is Verdict.UNKNOWN:
                result.gaps.append((each.field, each.gap(item)))
            elif verdict is Verdict.NO:
                result.differences.append(Difference(each.field, show(each.expected), each.show(item)))
                result.similarity += each.similarity(item)
        if self._predicate is not None and not guarded(compare, self._predicate, item):
            result.differences.append(Difference(show(self._predicate), "true", "false"))
