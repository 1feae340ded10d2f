"""The two kinds of sequences: processes and events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_ebpf.event_queries import EventQuery
from pytest_ebpf.events import Event, make_event
from pytest_ebpf.explanations import Found, Query, search
from pytest_ebpf.processes import Process
from pytest_ebpf.queries import ProcessQuery
from pytest_ebpf.report import brief, brief_event, offset
from pytest_ebpf.sequences import Sequence
from pytest_ebpf.user_programs.event import ProgramEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Sequence as AbstractSequence

    from pytest_ebpf._values import Gap
    from pytest_ebpf.lives import Life
    from pytest_ebpf.window import Window

__all__ = ["event_gaps", "events_of", "process_row", "processes_of", "program_rows"]


def process_row(process: Process) -> str:
    """Write a process as a line of a message."""
    return f"{offset(process.life.birth_ns, process.scope)}  {brief(process)}"


_OTHERS = "ask for the others by their class, such as events.where(Exec), which do not lack this"


class _Processes:
    noun = "process"
    plural = "processes"

    def query(self, window: Window, subject: Any, criteria: Mapping[str, Any], /) -> Query[Process]:
        return ProcessQuery(window, subject, criteria)

    def search(self, items: AbstractSequence[Process], query: Query[Process], /) -> Found[Process]:
        return search(items, query)

    def brief(self, item: Process, width: int, /) -> str:
        return brief(item, width)

    def row(self, item: Process, /) -> str:
        return process_row(item)


class _Events:
    noun = "event"
    plural = "events"

    def query(self, _window: Window, subject: Any, criteria: Mapping[str, Any], /) -> Query[Event]:
        return EventQuery(subject, criteria)

    def search(self, items: AbstractSequence[Event], query: Query[Event], /) -> Found[Event]:
        return search(items, query)

    def brief(self, item: Event, _width: int, /) -> str:
        return f"{item.kind} {brief_event(item)}"

    def row(self, item: Event, /) -> str:
        return f"{item.kind} {brief_event(item)}"


def processes_of(
    lives: Iterable[Life],
    window: Window,
    gaps: Callable[[], tuple[Gap, ...]],
    title: str = "",
    doubtful: Iterable[Life] = (),
) -> Sequence[Process]:
    """Return processes as a sequence.

    Args:
        lives: Whose.
        window: From where they are seen.
        gaps: Tells what the evidence lacks.
        title: What of them these are.
        doubtful: Those that may belong to them.
    """
    found = Found(
        matched=[Process(life, window) for life in lives],
        doubtful=[Process(life, window) for life in doubtful],
    )
    return Sequence(found, window=window, domain=_Processes(), gaps=gaps, title=title)


def program_rows(window: Window) -> list[str]:
    """Write the events of programs of the user's own, each as a line."""
    return [brief_event(event) for event in _events(window) if isinstance(event, ProgramEvent)]


def _events(window: Window) -> list[Event]:
    happenings = [(each.time_ns, make_event(each, window)) for each in window.happenings()]
    buffered = [(each.moment, each) for each in window.history.programs.buffered(window)]
    return [event for _, event in sorted([*happenings, *buffered], key=lambda pair: pair[0])]


class _EventSequence(Sequence[Event]):
    def _gaps_of(self, query: Query[Event]) -> Callable[[], tuple[Gap, ...]]:
        if isinstance(query, EventQuery) and query.tells_programs_apart:
            return lambda: event_gaps(self._window, query)
        return self._gaps


def events_of(window: Window) -> Sequence[Event]:
    """Return the events of a window as a sequence."""
    found = Found(matched=_events(window))
    return _EventSequence(found, window=window, domain=_Events(), gaps=lambda: event_gaps(window))


def event_gaps(window: Window, query: EventQuery | None = None) -> tuple[Gap, ...]:
    """Say what the evidence of a window's events lacks.

    Args:
        window: In which time.
        query: Which of them are asked for; None: all.
    """
    programs = window.history.programs
    if query is not None and query.tells_programs_apart:
        return (*window.gaps(), *programs.gaps(window, query.is_about_program))
    remedies = [(gap, f"{gap.remedy}; or " if gap.remedy else "") for gap in programs.gaps(window)]
    return (*window.gaps(), *(replace(gap, remedy=f"{before}{_OTHERS}") for gap, before in remedies))
