"""What queries return: sequences that know whether they are all there is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as AbstractSequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar, overload

from pytest_ebpf import failures
from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.quiet import quiet

if TYPE_CHECKING:
    from pytest_ebpf._values import Gap
    from pytest_ebpf.events import Event
    from pytest_ebpf.explanations import Found, Query
    from pytest_ebpf.window import Window

__all__ = ["Domain", "Sequence"]

T = TypeVar("T")
E = TypeVar("E", bound="Event")

_EXPLAINED = 500
_REPR_ITEMS = 4
_REPR_WIDTH = 36


class Domain(Protocol[T]):
    """What a sequence has to know of its kind of items."""

    noun: str
    plural: str

    def query(self, window: Window, subject: Any, criteria: Mapping[str, Any], /) -> Query[T]:
        """Make what `Sequence.where` asks."""

    def search(self, items: AbstractSequence[T], query: Query[T], /) -> Found[T]:
        """Judge all items."""

    def brief(self, item: T, width: int, /) -> str:
        """Write an item in one line."""

    def row(self, item: T, /) -> str:
        """Write an item as a line of a message."""


@quiet("_window.history.session")
class Sequence(AbstractSequence[T], Generic[T]):
    """Processes or events, in the order of time.

    It never lets a plain ``assert`` pass on evidence that is not whole: where records were lost, or a
    field that was asked for is not known, then its length, its being empty and the end of its iteration
    raise `TraceIncomplete`. What was seen can always be had from `seen`.
    """

    def __init__(  # noqa: PLR0913 - only queries call it, by name
        self,
        found: Found[T],
        *,
        window: Window,
        domain: Domain[T],
        gaps: Callable[[], tuple[Gap, ...]],
        title: str = "",
        query: Query[T] | None = None,
    ) -> None:
        """Made by queries only.

        Args:
            found: The items that are in it, may be, and are not.
            window: Whose evidence it is.
            domain: What kind of items these are.
            gaps: Tells what the evidence lacks.
            title: What of the items these are: ``where comm='sh'``.
            query: What tells by what the rejected ones differ.
        """
        self._found = found
        self._window = window
        self._domain = domain
        self._gaps = gaps
        self._title = title
        self._query = query

    @overload
    def where(self, subject: type[E], /, **criteria: Any) -> Sequence[E]: ...
    @overload
    def where(self, subject: Any = None, /, **criteria: Any) -> Sequence[T]: ...
    def where(self, subject: Any = None, /, **criteria: Any) -> Sequence[Any]:
        """Return those that match.

        Args:
            subject: Of processes a name, a pattern, a pid, a process or a predicate; of events a class
                or a predicate.
            **criteria: Fields and what they are to be (the reference lists them).

        Raises:
            UsageError: There is no such field, or it cannot have such a value.
        """
        query = self._domain.query(self._window, subject, criteria)
        found = self._domain.search(self._found.matched, query)
        doubtful = self._domain.search(self._found.doubtful, query)
        found.doubtful = [*found.doubtful, *doubtful.matched, *doubtful.doubtful]
        title = self._title
        if query.asked:
            title = f"{title} {'where' if self._query is None else 'and'} {query.asked}".lstrip()
        return type(self)(
            found,
            window=self._window,
            domain=self._domain,
            gaps=self._gaps_of(query),
            title=title,
            query=query,
        )

    def _gaps_of(self, query: Query[T]) -> Callable[[], tuple[Gap, ...]]:
        """Return what tells what the evidence lacks for those that match; a subclass may know better."""
        del query
        return self._gaps

    def one(self) -> T:
        """Return the only item.

        Raises:
            AssertionError: There is none, or more than one.
            TraceIncomplete: There may be another.
        """
        __tracebackhide__ = True
        matched = self._found.matched
        if len(matched) < 2:  # noqa: PLR2004 - more than one
            self._check_complete()
        if len(matched) == 1:
            return matched[0]
        return self._fail(f"expected exactly one {self._words(1)}")

    @property
    def first(self) -> T:
        """The first item.

        Raises:
            AssertionError: There is none.
            TraceIncomplete: There is none, but there may be.
        """
        __tracebackhide__ = True
        if not self._found.matched:
            self._check_complete()
            self._fail(f"expected at least one {self._words(1)}")
        return self._found.matched[0]

    def seen(self) -> tuple[T, ...]:
        """Return what was seen, whether or not that is all."""
        return tuple(self._found.matched)

    def evidence(self) -> tuple[Found[T], tuple[Gap, ...]]:
        """Return what is in it, may be, and why that may not be all; for this package's own."""
        return self._found, self._gaps()

    def _fail(self, headline: str) -> NoReturn:
        __tracebackhide__ = True
        rows = failures.matches(self._found.matched, self._domain.row, "found")
        if not rows and self._query is not None:
            rows = failures.closest(self._found.rejected, self._query, self._domain.row)
        counted = failures.counted(len(self._found.matched), len(self._found))
        raise AssertionError(failures.failure(f"{headline}   {counted}", rows, self._window))

    def _words(self, count: int) -> str:
        noun = self._domain.noun if count == 1 else self._domain.plural
        return f"{noun} {self._title}".rstrip()

    def _check_complete(self) -> None:
        """Raise `TraceIncomplete` unless what was seen is all there is."""
        __tracebackhide__ = True
        gaps = self._gaps()
        doubts: list[str] = []
        if self._query is not None:
            doubts = failures.doubts(self._found.doubtful, self._query, self._domain.row)
        elif self._found.doubtful:
            doubts = failures.rows("may be", [self._domain.row(each) for each in self._found.doubtful])
        if not gaps and not doubts:
            return
        count = len(self._found.matched)
        seen = f"only {count} {'was' if count == 1 else 'were'} seen" if count else "none was seen"
        headline = f"cannot tell how many {self._words(2)} there are: {seen}"
        raise TraceIncomplete(failures.incomplete(headline, gaps, doubts, self._window))

    def __bool__(self) -> bool:
        __tracebackhide__ = True
        if not self._found.matched:
            self._check_complete()
        return bool(self._found.matched)

    def __len__(self) -> int:
        __tracebackhide__ = True
        self._check_complete()
        return len(self._found.matched)

    def __iter__(self) -> Iterator[T]:
        __tracebackhide__ = True
        yield from self._found.matched
        # Whoever comes to the end has been told "that is all".
        self._check_complete()

    def __contains__(self, item: object) -> bool:
        __tracebackhide__ = True
        if item in self._found.matched:
            return True
        self._check_complete()
        return False

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        __tracebackhide__ = True
        if isinstance(index, int) and 0 <= index < len(self._found.matched):
            return self._found.matched[index]
        self._check_complete()
        if isinstance(index, slice):
            return tuple(self._found.matched[index])
        return self._found.matched[index]

    def __eq__(self, other: object) -> bool:
        __tracebackhide__ = True
        if isinstance(other, Sequence | list | tuple):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as the language has it

    def __repr__(self) -> str:
        matched, domain = self._found.matched, self._domain
        total = len(self._found)
        count = f"{len(matched)}" if self._query is None else f"{len(matched)} of {total}"
        text = f"{count} {self._words(2 if len(matched) != 1 or self._query else 1)}"
        items = matched
        if matched:
            text += ": "
        elif self._query is not None and (near := self._nearest()):
            return f"<{text}; closest: {near}{self._doubt()}>"
        text += "; ".join(domain.brief(item, _REPR_WIDTH) for item in items[:_REPR_ITEMS])
        if len(items) > _REPR_ITEMS:
            text += f"; and {len(items) - _REPR_ITEMS} more"
        return f"<{text}{self._doubt()}>"

    def _nearest(self) -> str:
        if self._query is None or not self._found.rejected:
            return ""
        explained = [(self._query.explain(item), item) for item in itertools.islice(self._found.rejected, _EXPLAINED)]
        explanation, item = min(explained, key=lambda pair: pair[0].distance)
        what = ", ".join(f"{each.field} is {each.actual}" for each in explanation.differences)
        return f"{self._domain.brief(item, _REPR_WIDTH)} ({what})"

    def _doubt(self) -> str:
        number = len(self._found.doubtful)
        return f"; {number} more may be" if number else ""

    def __str__(self) -> str:
        return "\n".join(self._domain.row(item) for item in self._found.matched) or repr(self)
