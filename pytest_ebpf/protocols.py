"""What the model needs of the rest, so that it can be used, and tested, without a kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pytest_ebpf.engine.attached import ProbeRequest
    from pytest_ebpf.user_programs.hosting import Host

__all__ = ["AttachedProbe", "Decode", "Fields", "Record", "Session"]

Fields: TypeAlias = Mapping[str, Any]
"""The fields of one record, by the names in ``bpf/events.h``; identities are nested."""

Record: TypeAlias = tuple[str, Fields]
"""A record's name (``fork``, ``exec``, …) and its fields."""

Decode: TypeAlias = Callable[[bytes], Iterable[Record]]


class AttachedProbe(Protocol):
    """A probe that the broker holds for a session."""

    id: int
    """As its records name it."""

    @property
    def hits(self) -> int:
        """How often it fired in members of the session while it was wanted and a window open, and passed `where`."""

    @property
    def told(self) -> int:
        """How many records of it were written, or were to be and did not fit."""

    wanted: bool
    """Whether it is on."""


class Session(Protocol):
    """The client's end of a session (`pytest_ebpf.engine.session`)."""

    pid: int
    """``os.getpid()`` of the process that opened the session."""
    ring_size: int
    """Bytes."""

    children_only: bool
    """Whether the system calls of this very process are left out."""

    @property
    def window(self) -> int:
        """The number with which the kernel stamps records; 0: no window is open."""

    @window.setter
    def window(self, number: int) -> None: ...

    def pieces(self) -> Iterable[bytes]:
        """Take all records since the last call, in pieces of whole ones."""

    def counters(self) -> Mapping[str, int]:
        """Return what was lost since the session began, by kind."""

    def missed(self) -> int:
        """Return how many runs of the programs the kernel skipped; asks the broker."""

    def snapshot(self) -> None:
        """Have the calls that have not returned written, to be pulled."""

    def muted(self) -> AbstractContextManager[None]:
        """Leave out the system calls that this thread enters within."""

    def apart(self) -> AbstractContextManager[None]:
        """Leave out the processes that this thread starts within, and all that they start."""

    def attach(self, request: ProbeRequest, /) -> AttachedProbe:
        """Have a probe attached for the session; it is off."""

    def format(self, tracepoint: str, /) -> str:
        """Return the lines that describe the fields of a tracepoint of the kernel; asks the broker."""

    def traceable(self) -> bytes:
        """Return the functions of the kernel that can be traced, one a line; asks the broker."""

    def returns_filtered(self) -> bool:
        """Tell whether a seccomp filter can answer the system call that return probes work by; asks the broker."""

    def host(self) -> Host:
        """Return the way to the process that holds programs of users' own; asks the broker for it, once."""

    def wait(self, timeout: float, /, *others: int) -> bool:
        """Block until there is something to pull (True), a descriptor is readable or `timeout` seconds are over."""
