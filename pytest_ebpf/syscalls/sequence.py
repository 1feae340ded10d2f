"""The system calls of a window, as a sequence that can be asked."""

from __future__ import annotations

import array
from typing import TYPE_CHECKING, Any

from pytest_ebpf.explanations import Found, Query
from pytest_ebpf.quiet import quiet
from pytest_ebpf.report import cut_to, offset, printable
from pytest_ebpf.sequences import Sequence
from pytest_ebpf.syscalls.asking import CallQuery
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.syscalls.places import Places, calls_of, search
from pytest_ebpf.syscalls.scope import Scope
from pytest_ebpf.syscalls.summary import Summary
from pytest_ebpf.syscalls.text import line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence as AbstractSequence

    from pytest_ebpf.window import Window

__all__ = ["CallSequence", "call_row"]

_WIDTH = 110
_BRIEF = 60


def call_row(call: Syscall) -> str:
    """Write a call as a line of a message."""
    pid = call.process.raw("pid") or f"host:{call.raw_call.host_pid}"
    flags = [name for name in ("denied", "unfinished", "in_progress") if getattr(call, name)]
    notes = f"   ({', '.join(flags).replace('_', ' ')})" if flags else ""
    return f"{offset(call.time_ns, call.scope)}  {pid} {cut_to(printable(line(call)), _WIDTH)}{notes}"


class _Domain:
    noun = "system call"
    plural = "system calls"

    def query(self, window: Window, subject: Any, criteria: Mapping[str, Any], /) -> Query[Syscall]:
        return CallQuery(window, subject, criteria)

    def search(self, items: AbstractSequence[Syscall], query: Query[Syscall], /) -> Found[Syscall]:
        assert isinstance(query, CallQuery)  # noqa: S101 - as `query` makes them
        return search(items, query)

    def brief(self, item: Syscall, _width: int, /) -> str:
        return cut_to(printable(line(item)), _BRIEF)

    def row(self, item: Syscall, /) -> str:
        return call_row(item)


@quiet("_window.history.session")
class CallSequence(Sequence[Syscall]):
    """System calls, by the time when they were entered."""

    _scope: Scope

    @classmethod
    def of(cls, window: Window) -> CallSequence:
        """Return those of a window that its setting has recorded."""
        return cls._made(Found(calls_of(window)), window, Scope())

    @classmethod
    def proved(cls, matched: AbstractSequence[Syscall], window: Window, asked: str) -> CallSequence:
        """Return those that an assertion has found to be all."""
        made = cls(Found(matched), window=window, domain=_Domain(), gaps=tuple, title=f"where {asked}")
        made._scope = Scope(allow_io_uring=True)
        return made

    @classmethod
    def _made(
        cls, found: Found[Syscall], window: Window, scope: Scope, title: str = "", query: CallQuery | None = None
    ) -> CallSequence:
        made = cls(found, window=window, domain=_Domain(), gaps=lambda: scope.gaps(window), title=title, query=query)
        made._scope = scope
        return made

    def where(  # type: ignore[override]  # an option, which the base takes for a criterion
        self, subject: Any = None, /, *, allow_io_uring: bool = False, **criteria: Any
    ) -> CallSequence:
        """Return those that match.

        Args:
            subject: A name, a pattern, a group, a family, several of these in a list, what `call` made, or a
                predicate on the call.
            allow_io_uring: Whether to leave aside what is done through an io_uring, which is no system call.
            **criteria: Arguments and other fields, and what they are to be (the reference lists them).

        Raises:
            UsageError: There is no such call or field, or it cannot have such a value.
        """
        query = CallQuery(self._window, subject, criteria)
        found = search(self._found.matched, query)
        doubtful = search(self._found.doubtful, query)
        unsure = (found.doubtful, doubtful.matched, doubtful.doubtful)
        places = array.array("I", (place for calls in unsure for place in _places(calls)))
        found.doubtful = Places(self._window, places)
        title = self._title
        if query.asked:
            title = f"{title} {'where' if self._query is None else 'and'} {query.asked}".lstrip()
        scope = self._scope.narrowed(query, allow_io_uring=allow_io_uring)
        return self._made(found, self._window, scope, title, query)

    def summary(self) -> Summary:
        """Count them, their errors and their time, as ``strace -c`` does; its text is a table.

        Where evidence is missing, the text says what was seen, and asking for numbers raises `TraceIncomplete`.
        """
        self._window.check_kept(calls=True)
        counts = self._window.history.calls.count_places(_places(self._found.matched))
        # To ask for the length is what raises if there may be more.
        return Summary.of(counts, self.__len__)


def _places(calls: AbstractSequence[Syscall]) -> AbstractSequence[int]:
    return calls.places if isinstance(calls, Places) else array.array("I")
