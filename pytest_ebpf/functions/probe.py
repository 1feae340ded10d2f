"""The calls that probes told of, as a sequence that can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf import failures
from pytest_ebpf._values import Verdict
from pytest_ebpf.explanations import Found, Query, search
from pytest_ebpf.functions.call import FunctionCall
from pytest_ebpf.functions.evidence import Scope
from pytest_ebpf.functions.query import FunctionQuery
from pytest_ebpf.functions.text import function_row, line
from pytest_ebpf.quiet import quiet
from pytest_ebpf.report import cut_to, printable
from pytest_ebpf.sequences import Sequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Sequence as AbstractSequence

    from pytest_ebpf.functions.arming import Arming
    from pytest_ebpf.window import Window

__all__ = ["FunctionSequence", "Probe", "calls_of"]

_BRIEF = 60


def calls_of(armings: Iterable[Arming], window: Window) -> list[FunctionCall]:
    """Return the calls that some probes told of in a window, by time; learns of them first."""
    window.update()
    met: set[int] = set()
    found = []
    for arming in armings:
        for group, raw in arming.calls(window):
            # Two questions that read the same are one probe for the kernel.
            if id(raw) not in met:
                met.add(id(raw))
                found.append(FunctionCall(arming.definition, group, raw, window))
    return sorted(found, key=lambda call: call.time_ns)


def _found(armings: Iterable[Arming], window: Window) -> Found[FunctionCall]:
    calls = calls_of(armings, window)
    doubtful = [call for call in calls if call.passed is not Verdict.YES]
    return Found([call for call in calls if call.passed is Verdict.YES] if doubtful else calls, doubtful)


class _Domain:
    def __init__(self, armings: AbstractSequence[Arming], of: str) -> None:
        self._armings = armings
        self.noun = f"call{of}"
        self.plural = f"calls{of}"

    def query(self, window: Window, subject: Any, criteria: Mapping[str, Any], /) -> Query[FunctionCall]:
        return FunctionQuery(window, self._armings, subject, criteria)

    def search(self, items: AbstractSequence[FunctionCall], query: Query[FunctionCall], /) -> Found[FunctionCall]:
        return search(items, query)

    def brief(self, item: FunctionCall, _width: int, /) -> str:
        return cut_to(printable(line(item)), _BRIEF)

    def row(self, item: FunctionCall, /) -> str:
        return function_row(item)


@quiet("_window.history.session")
class FunctionSequence(Sequence[FunctionCall]):
    """Function calls, by the time when they were entered."""

    _scope: Scope

    @property
    def armings(self) -> tuple[Arming, ...]:
        """The probes; for this package's own."""
        return self._scope.armings

    @property
    def described(self) -> str:
        """Which they are, as messages say it. For this package's own."""
        return self._words(1)

    def nearest(self) -> list[str]:
        """Show those that came nearest to being among them. For this package's own."""
        return [] if self._query is None else failures.closest(self._found.rejected, self._query, function_row)

    @classmethod
    def of(cls, armings: AbstractSequence[Arming], window: Window) -> FunctionSequence:
        """Return the calls of a window that some probes told of."""
        return cls._made(_found(armings, window), window, Scope(tuple(armings), by_name=True))

    @classmethod
    def proved(
        cls, matched: AbstractSequence[FunctionCall], armings: Iterable[Arming], window: Window, asked: str
    ) -> FunctionSequence:
        """Return those that an assertion has found to be all."""
        return cls._made(Found(matched), window, Scope(tuple(armings), proved=True), f"where {asked}" if asked else "")

    @classmethod
    def _made(
        cls,
        found: Found[FunctionCall],
        window: Window,
        scope: Scope,
        title: str = "",
        query: FunctionQuery | None = None,
    ) -> FunctionSequence:
        made = cls(
            found,
            window=window,
            domain=_Domain(scope.armings, scope.of),
            gaps=lambda: scope.gaps(window),
            title=title,
            query=query,
        )
        made._scope = scope
        return made

    def where(  # type: ignore[override]  # an option, which the base takes for a criterion
        self,
        subject: Any = None,
        /,
        *,
        allow_unmapped: bool = False,
        allow_inlined: bool = False,
        **criteria: Any,
    ) -> FunctionSequence:
        """Return those that match.

        Args:
            subject: A function's name, a pattern, or a predicate on the call.
            allow_unmapped: As of `pytest_ebpf.Trace.assert_not_called`.
            allow_inlined: Likewise.
            **criteria: Arguments and other fields, and what they are to be (the reference lists them).

        Raises:
            UsageError: There is no such argument or field, or it cannot have such a value.
        """
        query = FunctionQuery(self._window, self._scope.armings, subject, criteria)
        was = self._found
        found = search(was.matched, query)
        doubtful = search(was.doubtful, query)
        found.doubtful = [*found.doubtful, *doubtful.matched, *doubtful.doubtful]
        title = self._title
        if query.asked:
            title = f"{title} {'where' if self._query is None else 'and'} {query.asked}".lstrip()
        scope = self._scope.narrowed(query, allow_unmapped=allow_unmapped, allow_inlined=allow_inlined)
        return FunctionSequence._made(found, self._window, scope, title, query)


@quiet("_window.history.session", but=("arming", "armings"))
class Probe(FunctionSequence):
    """A probe, and the calls that it has told of until now: it grows while its window is open."""

    def __init__(self, arming: Arming) -> None:
        """Made by `Trace.uprobe` and the others only."""
        self.arming = arming
        self._scope = scope = Scope((arming,))
        window = arming.window
        self._seen: Found[FunctionCall] = Found()
        self._until = -1
        super().__init__(
            self._seen,
            window=window,
            domain=_Domain(scope.armings, scope.of),
            gaps=lambda: scope.gaps(window),
        )

    @property
    def _found(self) -> Found[FunctionCall]:
        """What is there now."""
        if self._window.first < self._window.history.floor:
            return self._seen  # of an earlier test: as it was asked last
        self._window.update()
        taken = self._window.history.functions.store.taken
        if taken != self._until:
            self._until = taken
            self._seen = _found([self.arming], self._window)
        return self._seen

    @_found.setter
    def _found(self, found: Found[FunctionCall]) -> None:
        self._seen = found

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the functions that it is on."""
        return tuple(dict.fromkeys(self.arming.definition.functions))

    @property
    def path(self) -> str:
        """The file that they are in; empty of the kernel."""
        return self.arming.definition.path
