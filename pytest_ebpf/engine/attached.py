"""A session's probes, as its client sees them: asked for once, switched on by a store, counted by the kernel."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_ebpf import sealed
from pytest_ebpf.engine.specs import pack, pack_functions, pack_places
from pytest_ebpf.probes.spec import MAX_PROBES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_ebpf.engine.control import Control
    from pytest_ebpf.probes.spec import Place, Spec

__all__ = ["AttachedProbe", "AttachedProbes", "ProbeRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRequest:
    """A probe to attach."""

    spec: Spec
    kind: str = "uprobe"
    """``uprobe``, ``tracepoint``, ``raw_tracepoint`` or ``kprobe``."""
    target: str | os.PathLike[str] | int | None = None
    """Of a uprobe the file, by path or by a descriptor that is open for reading."""
    places: tuple[Place, ...] = ()
    """In the file."""
    name: str = ""
    """Of the tracepoint (``sched:sched_switch``; a raw one without its system)."""
    functions: tuple[str, ...] = ()
    """Of the kernel."""
    loading: int = 0
    """Of functions of the kernel's: which loading of its module it is of, as any number; one of another is another."""
    task: int | None = None
    """Of a raw tracepoint, which argument is the ``struct task_struct *`` that it is about, 0 to 3: it is told to that
    thread's session, as that thread's, whichever runs. None: it is told of the thread that passes it."""


class Connection(Protocol):
    """The way to the broker (`pytest_ebpf.broker.client`)."""

    def attach(
        self, kind: str, name: str, descriptors: Sequence[int], *, task: int | None = None, loading: int = 0
    ) -> tuple[int, bool]:
        """Attach a probe; its id, and whether it was attached already."""

    def detach(self, probe: int) -> None:
        """Let go of one."""


class AttachedProbe:
    """A probe that a session holds. At first it tells nothing: set `wanted`."""

    def __init__(self, number: int, request: ProbeRequest, control: Control, *, shared: bool) -> None:
        self.id = number
        """What `ProbeHit.spec` says; never used twice by a broker."""
        self.request = request
        self.shared = shared
        """Whether it was attached already, for another session."""
        self._control = control
        self._slot = number % MAX_PROBES
        self._before = control.probe_counts(self._slot)

    @property
    def wanted(self) -> bool:
        """Whether it is told when it is hit in a window, by one of the session's threads."""
        return self._control.probe_wanted(self._slot)

    @wanted.setter
    def wanted(self, on: bool) -> None:
        self._control.want_probe(self._slot, on=on)

    @property
    def hits(self) -> int:
        """Hits since it was attached, of those it was wanted for, which passed its filters; without returns."""
        return self._control.probe_counts(self._slot)[0] - self._before[0]

    @property
    def told(self) -> int:
        """How many of them have a record, or had one that was lost."""
        return self._control.probe_counts(self._slot)[1] - self._before[1]


class AttachedProbes:
    """All probes of a session. Asking again for one that is there costs no request."""

    def __init__(self, connection: Connection, control: Control) -> None:
        self._connection = connection
        self._control = control
        self._held: dict[tuple[object, ...], AttachedProbe] = {}

    def attach(self, request: ProbeRequest) -> AttachedProbe:
        """Return the probe that is asked for, attached.

        Raises:
            ValueError: It has more of something than fits.
            OSError: The file cannot be opened.
            BrokerError: The broker refuses, or the kernel; says why.
            BrokerDied: Nobody is there to do it.
        """
        with _opened(request.target) as target:
            status = os.fstat(target[0]) if target else None
            file = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) if status else ()
            where = (request.kind, request.name, request.functions, request.places)
            key = (file, *where, request.spec, request.task, request.loading)
            held = self._held.get(key)
            if held is None:
                places = pack_places(request.places) if target else pack_functions(request.functions)
                with sealed.written("probe", pack(request.spec), places) as table:
                    number, shared = self._connection.attach(
                        request.kind, request.name, [*target, table], task=request.task, loading=request.loading
                    )
                held = self._held[key] = AttachedProbe(number, request, self._control, shared=shared)
        return held

    def detach(self, probe: AttachedProbe) -> None:
        """Let go of a probe for good; safe to call again."""
        key = next((key for key, each in self._held.items() if each is probe), None)
        if key is None:
            return
        probe.wanted = False
        del self._held[key]
        self._connection.detach(probe.id)


@contextlib.contextmanager
def _opened(target: str | os.PathLike[str] | int | None) -> Iterator[list[int]]:
    if target is None or isinstance(target, int):
        yield [] if target is None else [target]
        return
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield [descriptor]
    finally:
        os.close(descriptor)
