"""The programs of the user's own that a session has, by the numbers that their events carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from pytest_ebpf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf._values import Gap
    from pytest_ebpf.history import History
    from pytest_ebpf.probes.btf_types import Btf
    from pytest_ebpf.probes.types import Type
    from pytest_ebpf.user_programs.event import ProgramEvent
    from pytest_ebpf.user_programs.program import Program
    from pytest_ebpf.user_programs.types import BccRequest, ObjectRequest
    from pytest_ebpf.window import Window

__all__ = ["EventSource", "EventType", "Programs", "event_type"]


class EventType(NamedTuple):
    """What an event is."""

    name: str
    """Of the structure, without ``struct``."""
    type: Type


class EventSource(Protocol):
    """A program that is loaded, as far as its events are concerned."""

    name: str
    """Of the program, for people."""

    def event_type(self, number: int, /) -> EventType:
        """Return what an event is, by the number of a type in the program's own BTF."""

    def gaps(self, window: Window, /) -> tuple[Gap, ...]:
        """Say what is missing of what this program alone had to tell in a window."""


def event_type(btf: Btf, number: int) -> EventType:
    """Return what an event is, by the number of its type in a program's own BTF.

    One that the BTF does not have is opaque: its value is a `Gap`.
    """
    from pytest_ebpf.probes.types import Opaque  # noqa: PLC0415 - most runs have no programs

    try:
        name, kind = btf.numbered(number)
    except UsageError as error:
        return EventType(f"type {number}", Opaque(f"type {number}", 0, str(error)))
    return EventType(name, kind)


class Programs:
    """All programs of one session that are remembered."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._known: dict[int, tuple[EventSource, Window]] = {}
        self._loaded: list[Program] = []

    def load_object(self, asked: ObjectRequest, window: Window) -> Program:
        """Load and attach an object, or what a text compiles to, until a window closes.

        Raises:
            UsageError: There is no such file, or something in it is not as was asked for.
            ProgramError: It does not load or attach.
            BrokerError: The broker does not load programs for this client.
        """
        from pytest_ebpf.user_programs.loading import load_object  # noqa: PLC0415 - most runs have no programs

        return self.adopt(load_object(self._history, asked, window))

    def adopt(self, program: Program) -> Program:
        """Remember a program that was loaded, and let go of it when its window closes."""
        self.add(program.hosted.number, program, program.window)
        self._loaded.append(program)
        return program

    def load_bcc(self, asked: BccRequest, window: Window) -> Program:
        """Have a text of BCC's compiled, loaded and attached, or use the one that is, until a window closes.

        Raises:
            UsageError: There is no such file, or something in it is not as was asked for.
            ProgramError: It does not compile, load or attach.
            BrokerError: The broker does not load programs for this client.
        """
        from pytest_ebpf.user_programs.bcc_loading import load_bcc  # noqa: PLC0415 - most runs have no programs

        return self.adopt(load_bcc(self._history, asked, window))

    def wakers(self) -> set[int]:
        """Return descriptors that are readable when a program may have written something; and forget that they are."""
        running = [each for each in self._loaded if each.hosted.open and not each.hosted.gone]
        for program in running:
            program.hosted.forget_wakeups()
        return {program.hosted.waker for program in running}

    def update(self) -> None:
        """Take in what the programs that run have written to their own buffers until now."""
        for program in self._loaded:
            program.update()

    def closing(self, window: Window) -> None:
        """Let go of the programs of a window, which is closed next."""
        for program in self._loaded:
            if program.window is window:
                program.end()

    def buffered(self, window: Window) -> list[ProgramEvent]:
        """Return what the programs wrote to their own buffers in a window; learns of it first."""
        self.update()
        return [event for program in self._loaded for event in program.buffered(window)]

    def add(self, number: int, source: EventSource, window: Window) -> None:
        """Remember a program as long as the window is.

        Args:
            number: What its ``ebpf_program`` was set to; never used twice in a session.
            source: What knows it.
            window: That it was asked for in.
        """
        self._known[number] = source, window

    def __contains__(self, number: int) -> bool:
        return number in self._known

    def __getitem__(self, number: int) -> EventSource:
        return self._known[number][0]

    def gaps(self, window: Window, about: Callable[[str], bool] = lambda _: True) -> tuple[Gap, ...]:
        """Say what is missing of what the programs had to tell in a window, beside what is missing of everything.

        Args:
            window: In which time.
            about: Whether a program of this name is asked.
        """
        return tuple(
            gap
            for source, of in self._known.values()
            if of.first <= window.last and window.first <= of.last and about(source.name)
            for gap in source.gaps(window)
        )

    def forget(self, floor: int) -> None:
        """Drop the programs of windows before this one.

        What one of them still writes, as it takes a moment to be detached, is none of the next test's.
        """
        if self._known:
            self._known = {number: known for number, known in self._known.items() if known[1].first >= floor}
            self._loaded = [program for program in self._loaded if program.window.first >= floor]
