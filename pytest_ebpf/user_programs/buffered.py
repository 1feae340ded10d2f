"""What a program writes to its own perf buffers and rings: taken from its host, and put into the windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ebpf._values import Gap
from pytest_ebpf.errors import BrokerError, UsageError
from pytest_ebpf.probes.types import Opaque
from pytest_ebpf.processes import Process
from pytest_ebpf.user_programs.event import ProgramEvent
from pytest_ebpf.user_programs.losses import gaps_of
from pytest_ebpf.user_programs.records import records_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_ebpf.history import History
    from pytest_ebpf.lives import Life
    from pytest_ebpf.probes.types import Type
    from pytest_ebpf.user_programs.hosting import Hosted
    from pytest_ebpf.user_programs.records import BufferRecord
    from pytest_ebpf.user_programs.types import TypeSource
    from pytest_ebpf.window import Window

__all__ = ["Buffered"]

_ENDING_NS = 1_000_000_000
"""In which a process may still tell of its end after we did: its pid is another's only after thousands of births."""
_INITIAL = 0xEFFFFFFC
"""Inode of the initial pid namespace (``PROC_PID_INIT_INO``, ``linux/proc_ns.h``)."""


class _Taken(NamedTuple):
    window: int
    record: BufferRecord


class Buffered:
    """The records of one program's own buffers."""

    def __init__(self, history: History, hosted: Hosted, types: TypeSource, name: str) -> None:
        """Begin with what is written from now on.

        Args:
            history: Of the session.
            hosted: The program.
            types: Tells what is written.
            name: Of the program.
        """
        self._history = history
        self._hosted = hosted
        self._types = types
        self._name = name
        self._taken: list[_Taken] = []
        self._told: Mapping[str, Any] = hosted.loaded
        self._broken: BrokerError | None = None
        """Why the last of them is not there."""

    def update(self) -> None:
        """Take in what was written until now, all of it."""
        if not self._hosted.open or self._hosted.gone:
            return
        try:
            data, self._told = self._hosted.take()
        except BrokerError as error:
            self._broken = error  # what came before is there, and the rest is a gap
            return
        self._broken = None
        number = self._history.number
        for record in records_of(data):
            # A ring does not tell when: it is taken whenever a window opens or closes.
            self._taken.append(_Taken(number if record.of_ring else self._history.window_at(record.time_ns), record))

    def gaps(self) -> tuple[Gap, ...]:
        """Say what is missing."""
        found = [*gaps_of(self._name, self._hosted.loaded, self._told)]
        if self._broken is not None:
            lost = "lost" if self._hosted.gone or not self._hosted.open else "not known yet"
            found.append(Gap(f"what {self._name} wrote last is {lost}: {str(self._broken).splitlines()[0]}"))
        return tuple(found)

    def outputs(self) -> dict[str, Type]:
        """Return what can be written, by output.

        Raises:
            UsageError: Of an output nothing tells that.
        """
        return {name: self._types.of_output(name) for name in self._hosted.outputs}

    def events(self, window: Window, *, strict: bool) -> Iterator[ProgramEvent]:
        """Return what was written in a window.

        Args:
            window: In which time.
            strict: Whether the types have to be known; if not, the values of others are.

        Raises:
            UsageError: They are not.
        """
        taken = [each for each in self._taken if each.window in window]
        types = {each.record.output: self._type(each.record.output, strict=strict) for each in taken}
        lives = self._lives() if any(not each.record.of_ring for each in taken) else {}
        for each in taken:
            record = each.record
            life = _life_at(lives.get(record.pid, []), record.time_ns)
            initial = self._hosted.pid_namespace == _INITIAL
            yield ProgramEvent(
                process=None if life is None else Process(life, window),
                time_ns=None if record.of_ring else record.time_ns,
                window=each.window,
                host_tid=record.tid if initial and not record.of_ring else None,
                program=self._name,
                output=self._hosted.outputs[record.output],
                data=record.data,
                type=types[record.output],
                taken_ns=record.time_ns,
                outsider=life is None and not record.of_ring and bool(lives),
            )

    def _type(self, output: int, *, strict: bool) -> Type:
        name = self._hosted.outputs[output]
        try:
            return self._types.of_output(name)
        except UsageError as error:
            if strict:
                raise
            return Opaque(name, 0, str(error))

    def _lives(self) -> dict[int, list[Life]]:
        """Return the processes of the session by their pids as the host counts; none if it counts as nobody here."""
        namespace = self._hosted.pid_namespace
        found: dict[int, list[Life]] = {}
        for life in self._history.lives.values():
            if namespace == _INITIAL:
                found.setdefault(life.key[0], []).append(life)
            elif namespace == Path("/proc/self/ns/pid").stat().st_ino:
                found.setdefault(life.pid_in("pid"), []).append(life)
        return found


def _life_at(lives: list[Life], time_ns: int) -> Life | None:
    """Return the process that lived at a time; its pid can have been another's before and after."""
    born = max((life for life in lives if life.key[1] <= time_ns), key=lambda life: life.key[1], default=None)
    if born is None or born.exit is None or time_ns < born.exit["time_ns"] + _ENDING_NS:
        return born
    return None
