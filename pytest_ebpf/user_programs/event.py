"""What a BPF program of the test's own told of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.events import Event
from pytest_ebpf.processes import Process

if TYPE_CHECKING:
    from pytest_ebpf.history import Happening
    from pytest_ebpf.probes.types import Type
    from pytest_ebpf.window import Window

__all__ = ["ProgramEvent", "emitted"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ProgramEvent(Event):
    """A BPF program of the test's own wrote an event.

    Either by ``ebpf_emit()`` of ``pytest_ebpf.bpf.h``, or to a perf buffer or ring of its own. Of the events of a perf
    buffer it is known who wrote them and when, of those of a ring neither.
    """

    kind = "program-event"
    # Wider than of the others: where it is not known is told by None.
    process: Process | None  # type: ignore[assignment]
    """Who acted; None: that is not known, or it was no process of the test's."""
    time_ns: int | None  # type: ignore[assignment]
    """When (CLOCK_MONOTONIC); None: that is not known."""
    host_tid: int | None  # type: ignore[assignment]
    """The thread that acted, in the initial pid namespace; None: that is not known."""
    program: str
    """Which program."""
    output: str
    """Where it was written to, or what: the name of the map, or of the structure that was emitted."""
    data: bytes
    """The bytes that were written."""
    type: Type = field(compare=False)
    """How they are read; for this package's own."""
    taken_ns: int = field(default=0, compare=False)
    """When it was taken out of its ring, where it is not known when it was written; for this package's own."""
    outsider: bool = False
    """Whether it was a process that is not the test's."""
    _known: list[Any] = field(default_factory=list, init=False, compare=False)

    @property
    def tid(self) -> int | None:
        """The thread's id as the test sees it; None if that is not known."""
        if self.process is None or self.host_tid is None:
            return None
        return self.process.life.tids.get(self.host_tid)

    @property
    def moment(self) -> int:
        """When, as well as that is known; for this package's own."""
        return self.taken_ns if self.time_ns is None else self.time_ns

    def raw_value(self) -> Any:
        """Return the value, or a `Gap` or a `Cut`. For this package's own."""
        if not self._known:
            from pytest_ebpf.probes.decode import Blob, decoded  # noqa: PLC0415 - most runs have no programs

            beyond = Gap(f"the program wrote {len(self.data)} bytes of {self.output}")
            self._known.append(decoded(self.type, Blob(self.data, beyond)))
        return self._known[0]

    @property
    def value(self) -> Any:
        """What was written: of a structure its fields, by attribute or by name.

        Raises:
            TraceIncomplete: It is not known what it means.
        """
        value = self.raw_value()
        if isinstance(value, Gap | Cut):
            gap = value.gap if isinstance(value, Cut) else value
            raise TraceIncomplete(f"{self.output} of {self.program} is not known: {gap.why}")
        return value

    def __getitem__(self, name: str) -> Any:
        """Return a field of the value."""
        return self.value[name]


def emitted(happening: Happening, window: Window) -> ProgramEvent:
    """Make the event of a record that ``ebpf_emit()`` wrote."""
    record = happening.record
    source = window.history.programs[record["program"]]
    event = source.event_type(record["event"])
    return ProgramEvent(
        process=Process(happening.life, window),
        time_ns=record["time_ns"],
        window=record["window"],
        host_tid=record["host_tid"],
        program=source.name,
        output=event.name,
        data=record["data"],
        type=event.type,
    )
