"""Why an item does not match, or may not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.matching import compare, show
from pytest_ebpf.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "Difference",
    "Explanation",
    "Found",
    "Query",
    "argv_differences",
    "guarded",
    "search",
    "show_actual",
]

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Difference(NamedTuple):
    """A field that is not what was asked for."""

    field: str
    expected: str
    actual: str


@dataclass(slots=True)
class Explanation:
    """Why an item does not match, or may not."""

    differences: list[Difference] = field(default_factory=list)
    gaps: list[tuple[str, Gap]] = field(default_factory=list)
    similarity: float = 0.0

    @property
    def distance(self) -> tuple[int, int, float]:
        """Sorts the nearest first."""
        return len(self.differences), len(self.gaps), -self.similarity


class Query(Protocol[T_contra]):
    """What an assertion, or `where`, asks of each item."""

    asked: str

    def judge(self, item: T_contra, /) -> Verdict:
        """Tell whether an item matches."""

    def explain(self, item: T_contra, /) -> Explanation:
        """Tell why it does not."""


@dataclass(slots=True)
class Found(Generic[T]):
    """The items of a search, each in its order."""

    matched: Sequence[T] = ()
    doubtful: Sequence[T] = ()
    rejected: Sequence[T] = ()
    others: int = 0
    """Items that were not even looked at, since what tells them apart is known beforehand."""

    def __len__(self) -> int:
        return len(self.matched) + len(self.doubtful) + len(self.rejected) + self.others


def search(items: Iterable[T], query: Query[T]) -> Found[T]:
    """Judge all items."""
    into: dict[Verdict, list[T]] = {verdict: [] for verdict in Verdict}
    for item in items:
        into[query.judge(item)].append(item)
    return Found(into[Verdict.YES], into[Verdict.UNKNOWN], into[Verdict.NO])


def guarded(judge: Callable[..., Verdict], *arguments: Any) -> Verdict:
    """Judge for a message: there, a predicate that fails on an item does not match it."""
    try:
        return judge(*arguments)
    except Exception:  # noqa: BLE001 - the author's own code, on an item it never asked for
        return Verdict.NO


def show_actual(actual: object) -> str:
    """Write a value, or why there is none."""
    if isinstance(actual, Cut):
        return f"{show(actual.value)}, cut"
    if isinstance(actual, Gap):
        return f"not known: {actual.why}"
    if isinstance(actual, Process):
        return f"pid {actual.raw('pid')}"
    return show(actual)


_SHOWN_ITEMS = 3


def argv_differences(name: str, expected: list[Any], actual: tuple[str, ...]) -> list[Difference]:
    """Say which arguments differ, where they can be told apart by their place."""
    if ... in [item for item in expected if item is ...] or len(expected) != len(actual):
        return [Difference(name, show(expected), show(actual))]
    found = [
        Difference(f"{name}[{index}]", show(wanted), repr(item))
        for index, (wanted, item) in enumerate(zip(expected, actual, strict=True))
        if not guarded(compare, wanted, item)
    ]
    if len(found) > _SHOWN_ITEMS or len(found) == len(expected) > 1:
        return [Difference(name, show(expected), show(actual))]
    return found
