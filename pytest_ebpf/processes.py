"""Processes as a test sees them."""

from __future__ import annotations

import signal as signals
from typing import TYPE_CHECKING, Any, cast

from pytest_ebpf._values import Gap
from pytest_ebpf.programs import Program
from pytest_ebpf.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_ebpf.images import Image
    from pytest_ebpf.lives import Life
    from pytest_ebpf.sequences import Sequence
    from pytest_ebpf.window import Window

__all__ = ["Execution", "Process", "parse_status", "walk"]


def parse_status(status: int) -> tuple[int | None, signals.Signals | int | None, bool]:
    """Take apart a wait status (wait(2)): the exit code, or the signal and whether core was dumped."""
    number = status & 0x7F
    if not number:
        return status >> 8 & 0xFF, None, False
    try:
        return None, signals.Signals(number), bool(status & 0x80)
    except ValueError:  # a real-time signal between the first and the last
        return None, number, bool(status & 0x80)


@quiet("scope.history.session")
class Execution(Program):
    """One program that a process executed; the same process may execute several, one after the other."""

    __slots__ = ("_its_image",)

    def __init__(self, life: Life, window: Window, image: Image) -> None:
        super().__init__(life, window)
        self._its_image = image

    def image(self) -> Image:
        """Return the program; for this package's own."""
        return self._its_image

    @property
    def process(self) -> Process:
        """Whose it is."""
        return Process(self.life, self.scope)

    @property
    def time_ns(self) -> int:
        """When it was executed (CLOCK_MONOTONIC)."""
        return self._its_image.time_ns

    @property
    def window(self) -> int:
        """In which window."""
        return self._its_image.window

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Execution):
            return NotImplemented
        return self._its_image is other._its_image

    def __hash__(self) -> int:
        return hash((self.life.key, self._its_image.time_ns))

    def __repr__(self) -> str:
        from pytest_ebpf.report import command  # noqa: PLC0415 - it draws what is defined here

        return f"<Execution {command(self._its_image)}>"


@quiet("scope.history.session")
class Process(Program):
    """A process: identified by its pid and its start, since a pid alone is reused.

    Fields of the program (`argv`, `uid`, …) are of the latest; `executions` has all of them.
    """

    __slots__ = ()

    @property
    def _key(self) -> tuple[int, int]:
        return self.life.key

    def image(self) -> Image:
        """Return the latest program; for this package's own."""
        return self.life.image

    def raw(self, field: str) -> object:
        """Return a field: its value, a `Gap` or a `Cut`. Asks the kernel nothing; for this package's own."""
        if field in _OF_LIFE:
            return _OF_LIFE[field](self)
        if field in _NUMBERS:
            identity = self.life.identity
            if identity is None:
                return Gap("the process was never seen itself, only what it created")
            return identity[field]
        return super().raw(field)

    def _get_or_none(self, field: str) -> Any:
        """Return a field that a living process does not have yet."""
        self.scope.history.update()
        value = self.raw(field)
        return None if isinstance(value, Gap) and value.pending else self._get(field)

    @property
    def pid(self) -> int:
        """The process id as the test sees it, as in ``subprocess.Popen().pid``; 0 if it cannot."""
        return cast("int", self._get("pid"))

    @property
    def host_pid(self) -> int:
        """The process id in the initial pid namespace."""
        return self.life.key[0]

    @property
    def namespace_pid(self) -> int:
        """The process id as the process sees it itself (``getpid(2)``)."""
        return cast("int", self._get("namespace_pid"))

    @property
    def ppid(self) -> int:
        """The parent's process id as the test sees it, as last seen: 1 after the parent's end."""
        return cast("int", self._get("ppid"))

    @property
    def host_ppid(self) -> int:
        """The parent's process id in the initial pid namespace."""
        return cast("int", self._get("host_ppid"))

    @property
    def namespace_ppid(self) -> int:
        """The parent's process id as the process sees it itself (``getppid(2)``)."""
        return cast("int", self._get("namespace_ppid"))

    @property
    def start_ns(self) -> int:
        """When it was born (CLOCK_MONOTONIC)."""
        return self.life.key[1]

    @property
    def window(self) -> int:
        """The number of the window it was born in; 0: in none."""
        return self.life.birth_window

    @property
    def threads(self) -> int:
        """How many threads it had in all, the first one included."""
        return cast("int", self._get("threads"))

    @property
    def executed(self) -> bool:
        """Whether it executed a program, and is not just a fork of its parent."""
        return cast("bool", self._get("executed"))

    @property
    def executions(self) -> tuple[Execution, ...]:
        """The programs it executed, in order."""
        self.scope.history.update()
        return tuple(Execution(self.life, self.scope, image) for image in self.life.executed)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return cast("bool", self._get("alive"))

    @property
    def exit_code(self) -> int | None:
        """What it passed to ``exit(3)``, 0 to 255; None while it runs, and if a signal ended it."""
        return cast("int | None", self._get_or_none("exit_code"))

    @property
    def signal(self) -> signals.Signals | int | None:
        """The signal that ended it; None while it runs, and if it ended by itself."""
        return cast("signals.Signals | int | None", self._get_or_none("signal"))

    @property
    def core_dumped(self) -> bool:
        """Whether a core dump was written at its end."""
        return bool(self._get_or_none("core_dumped"))

    @property
    def duration(self) -> float | None:
        """Seconds from birth to end; None while it runs."""
        return cast("float | None", self._get_or_none("duration"))

    @property
    def parent(self) -> Process | None:
        """The process that forked it, also after that ended; None for the one that began it all."""
        return cast("Process | None", self._get("parent"))

    @property
    def children(self) -> Sequence[Process]:
        """The processes that it forked, by birth."""
        return self._family(deep=False)

    @property
    def descendants(self) -> Sequence[Process]:
        """Its children, theirs and so on, each followed by its own."""
        return self._family(deep=True)

    def walk(self) -> Iterator[Process]:
        """Iterate over itself and its descendants, each followed by its own."""
        yield self
        yield from self.descendants

    def _family(self, *, deep: bool) -> Sequence[Process]:
        from pytest_ebpf.domains import processes_of  # noqa: PLC0415 - it queries what is defined here

        self.scope.update()
        lives = list(walk(self.life))[1:] if deep else _children(self.life)
        what = "descendants" if deep else "children"
        return processes_of(
            lives,
            self.scope,
            lambda: self.scope.gaps_of(self.life),
            f"that are {what} of pid {self.raw('pid')}",
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Process):
            return NotImplemented
        return self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        from pytest_ebpf.report import brief  # noqa: PLC0415 - it draws what is defined here

        return f"<Process {brief(self)}>"


_NUMBERS = frozenset(
    {"pid", "ppid", "host_ppid", "namespace_pid", "namespace_ppid"} | {"tid", "host_tid", "namespace_tid"}
)


def _ending(process: Process) -> Mapping[str, Any] | Gap:
    life, history = process.life, process.scope.history
    if life.exit is not None:
        return life.exit
    if life.left is not None:
        return Gap("the process left the session by a change of user; its end was not seen")
    if history.lossy() and history.is_running(life) is not True:
        return Gap("records were lost, the one of its end perhaps among them")
    return Gap("the process still runs", "wait for its end: ebpf_trace.wait_for(…)", pending=True)


def _status(process: Process, index: int) -> object:
    ending = _ending(process)
    return ending if isinstance(ending, Gap) else parse_status(ending["status"])[index]


def _duration(process: Process) -> object:
    ending = _ending(process)
    return ending if isinstance(ending, Gap) else (ending["time_ns"] - process.life.key[1]) / 1e9


def _alive(process: Process) -> object:
    ending = _ending(process)
    if not isinstance(ending, Gap):
        return False
    if ending.pending:
        return True
    running = process.scope.history.is_running(process.life)
    return ending if running is None else running


def _parent(process: Process) -> object:
    life = process.life
    if not life.forked and not life.adopted:
        return Gap("the record of its birth was lost")
    return None if life.creator is None else Process(life.creator, process.scope)


_OF_LIFE: dict[str, Callable[[Process], object]] = {
    "host_pid": lambda process: process.life.key[0],
    "start_ns": lambda process: process.life.key[1],
    "window": lambda process: process.life.birth_window,
    "threads": lambda process: process.life.threads,
    "executed": lambda process: bool(process.life.executed),
    "alive": _alive,
    "exit_code": lambda process: _status(process, 0),
    "signal": lambda process: _status(process, 1),
    "core_dumped": lambda process: _status(process, 2),
    "duration": _duration,
    "parent": _parent,
}


def _children(life: Life) -> list[Life]:
    return sorted(life.children.values(), key=lambda child: (child.birth_ns, child.key))


def walk(life: Life) -> Iterator[Life]:
    """Iterate over a life and all that descend from it, each followed by its own.

    Not by recursion: a chain of forks can be longer than Python's stack.
    """
    waiting = [life]
    met = {id(life)}
    while waiting:
        current = waiting.pop()
        yield current
        for child in reversed(_children(current)):
            if id(child) not in met:
                met.add(id(child))
                waiting.append(child)
