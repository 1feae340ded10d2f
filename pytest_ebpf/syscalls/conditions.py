"""What is asked beside which one it is, and how each answers: of system calls, of functions and of programs' events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.explanations import Difference, Explanation, guarded, show_actual
from pytest_ebpf.matching import compare, is_plain, is_predicate, show
from pytest_ebpf.names import similarity_of
from pytest_ebpf.syscalls.values import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_ebpf.lives import Key
    from pytest_ebpf.processes import Process
    from pytest_ebpf.syscalls.who import Who

__all__ = ["ABSENT", "Conditions", "Expectation", "ValueCriterion"]


class _Item(Protocol):
    @property
    def process(self) -> Process | None:
        """Who did it."""


T = TypeVar("T", bound=_Item)
T_contra = TypeVar("T_contra", contravariant=True)

_NAMELESS = Gap("whether it goes by that name is not known")


class _Criterion(Protocol[T_contra]):
    """One field, and what it is compared with."""

    field: str
    expected: Any

    @property
    def late(self) -> bool:
        """Whether it is the author's code that judges."""

    def judge(self, item: T_contra, /) -> Verdict:
        """Tell whether an item matches."""

    def gap(self, item: T_contra, /) -> Gap:
        """Return why it cannot be told whether an item matches."""

    def show(self, item: T_contra, /) -> str:
        """Write what an item has instead."""

    def similarity(self, item: T_contra, /) -> float:
        """Tell how near an item comes, 0 to 1."""


class Conditions(Generic[T]):
    """Whose it has to be, what its fields have to be, and what the author's own code says of it."""

    def __init__(
        self, who: Who | None, criteria: Iterable[_Criterion[T]], predicate: Callable[[T], object] | None
    ) -> None:
        self.who = who
        # The author's code should see only what the rest lets through.
        self._criteria = sorted(criteria, key=lambda each: each.late)
        self._predicate = predicate

    @property
    def only_whose(self) -> bool:
        """Whether nothing is asked but whose it is."""
        return not self._criteria and self._predicate is None

    def judge_who(self, process: Key, time_ns: int) -> Verdict:
        """Tell whether what a process did at that time counts."""
        return Verdict.YES if self.who is None else self.who.judge(process, time_ns)

    def judge(self, item: T, verdict: Verdict) -> Verdict:
        """Tell whether an item matches of which `verdict` is known already; whose it is is not asked."""
        for each in self._criteria:
            if not verdict:
                return verdict
            verdict = min(verdict, each.judge(item))
        if verdict and self._predicate is not None:
            verdict = min(verdict, compare(self._predicate, item))
        return verdict

    def explain(self, item: T, whose: Verdict, result: Explanation, unknown: Gap = _NAMELESS) -> None:
        """Add by what an item differs.

        Args:
            item: What was asked of.
            whose: What `judge_who` says of it.
            result: What is added to.
            unknown: Why that is not known, if it is not.
        """
        if whose is Verdict.NO and self.who is not None:
            actual = "no process of the test's" if item.process is None else f"pid {item.process.raw('pid')}"
            result.differences.append(Difference("process", self.who.asked.partition("=")[2], actual))
        elif whose is Verdict.UNKNOWN:
            result.gaps.append(("process", unknown))
        for each in self._criteria:
            verdict = guarded(each.judge, item)
            if verdict is Verdict.UNKNOWN:
                result.gaps.append((each.field, each.gap(item)))
            elif verdict is Verdict.NO:
                result.differences.append(Difference(each.field, show(each.expected), each.show(item)))
                result.similarity += each.similarity(item)
        if self._predicate is not None and not guarded(compare, self._predicate, item):
            result.differences.append(Difference(show(self._predicate), "true", "false"))


class _Absent:
    """Stands for what an item does not have: a field behind a NULL pointer, or of another structure."""

    def __repr__(self) -> str:
        return "not there"


ABSENT = _Absent()


class Expectation:
    """One field, and what it is compared with."""

    def __init__(self, field: str, expected: Any) -> None:
        self.field = field
        self.expected = expected

    @property
    def late(self) -> bool:
        """Whether it is the author's code that judges."""
        return not is_plain(self.expected) and is_predicate(self.expected)


class ValueCriterion(Expectation, Generic[T_contra]):
    """One field that has one value in an item, and what it is compared with."""

    def value(self, item: T_contra) -> Any:
        """Return what is compared: a value, a `Gap`, a `Cut` or `ABSENT`."""
        raise NotImplementedError  # every kind of item has its own

    def compare(self, item: T_contra, value: Any) -> Verdict:
        """Compare with what is there."""
        raise NotImplementedError  # likewise

    def judge(self, item: T_contra) -> Verdict:
        """Tell whether an item matches."""
        value = self.value(item)
        return Verdict.NO if value is ABSENT else self.compare(item, value)

    def gap(self, item: T_contra) -> Gap:
        """Return why it cannot be told whether an item matches."""
        value = self.value(item)
        gap = value.gap if isinstance(value, Cut) else value
        return gap if isinstance(gap, Gap) else Gap(f"{self.field} is not whole")

    def show(self, item: T_contra) -> str:
        """Write what an item has instead."""
        value = self.value(item)
        if isinstance(value, Gap | Cut):
            return show_actual(value)
        return repr(value) if isinstance(value, int | float | bytes | str | None | _Absent) else written(value)

    def similarity(self, item: T_contra) -> float:
        """Tell how near an item comes, 0 to 1."""
        value = self.value(item)
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        wanted = self.expected.decode("utf-8", "replace") if isinstance(self.expected, bytes) else self.expected
        return similarity_of(wanted, [text]) if isinstance(text, str) else 0.0
