"""What is claimed of the events of a program of the test's own, and the sequence that they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.explanations import Found
from pytest_ebpf.report import brief_event
from pytest_ebpf.sequences import Sequence
from pytest_ebpf.syscalls.claims import check_somebody
from pytest_ebpf.user_programs.event import ProgramEvent
from pytest_ebpf.user_programs.query import ProgramQuery
from pytest_ebpf.verdicts import Claim

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence as AbstractSequence

    from pytest_ebpf._values import Gap
    from pytest_ebpf.explanations import Query
    from pytest_ebpf.user_programs.program import Program
    from pytest_ebpf.window import Window

__all__ = ["ProgramClaim", "sequence_of"]


def _gaps(program: Program, *, of_session: bool) -> tuple[Gap, ...]:
    """Say what is missing of a program's events.

    Args:
        program: Whose.
        of_session: Whether what the session lost matters: what the program emitted, and who its processes are.
    """
    return (*(program.window.gaps() if of_session else ()), *program.gaps(program.window))


class ProgramClaim(Claim[ProgramEvent]):
    """What is claimed of a program's events."""

    __slots__ = ("_asked", "_program")

    noun = "program event"
    plural = "program events"

    def __init__(self, program: Program, query: ProgramQuery, prefix: str = "") -> None:
        """Take what is claimed; what the program wrote is learnt.

        Args:
            program: Of whose events.
            query: What of them.
            prefix: Of messages.
        """
        self._asked = query
        query.asked = ", ".join(filter(None, [program.name, query.asked]))
        super().__init__(program.window, query, program.found(), "written", brief_event, prefix)
        self._program = program

    def find(self) -> Found[ProgramEvent]:
        """Judge all events."""
        return self._asked.search(self.pool)

    def gaps(self, *, negative: bool) -> tuple[Gap, ...]:
        """Say what the evidence lacks.

        Raises:
            UsageError: Nobody goes by the name whose events it is about, so it would hold whatever happened.
        """
        who = self._asked.who
        found = _gaps(self._program, of_session=who is not None or bool(self._program.types.emitted()))
        if negative and not found and who is not None:
            check_somebody(who)
        return found


class _Domain:
    def __init__(self, program: Program) -> None:
        self._program = program
        self.noun = f"event of {program.name}"
        self.plural = f"events of {program.name}"

    def query(self, _window: Window, subject: Any, criteria: Mapping[str, Any], /) -> Query[ProgramEvent]:
        return self._program.query(subject, criteria)

    def search(self, items: AbstractSequence[ProgramEvent], query: Query[ProgramEvent], /) -> Found[ProgramEvent]:
        assert isinstance(query, ProgramQuery)  # noqa: S101 - as `query` makes them
        return query.search(items)

    def brief(self, item: ProgramEvent, _width: int, /) -> str:
        return brief_event(item)

    def row(self, item: ProgramEvent, /) -> str:
        return brief_event(item)


def sequence_of(
    program: Program, events: AbstractSequence[ProgramEvent], *, proved: bool = False
) -> Sequence[ProgramEvent]:
    """Return events of a program as a sequence.

    Args:
        program: Whose.
        events: By time.
        proved: Whether an assertion has found that there are no more.
    """

    def gaps() -> tuple[Gap, ...]:
        return () if proved else _gaps(program, of_session=True)

    return Sequence(Found(events), window=program.window, domain=_Domain(program), gaps=gaps)
