"""The parts of `pytest_ebpf.engine` that the broker uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pytest_ebpf.engine.probes import Asked

__all__ = ["Control", "Engine", "EngineSession", "Ring"]


class Ring(Protocol):
    """The part of `pytest_ebpf.engine.ring.Ring` that the broker uses."""

    @property
    def filled(self) -> float:
        """How full it is, 0 to 1."""

    def drain(self) -> bytes:
        """Take all finished records."""


class Control(Protocol):
    """The part of `pytest_ebpf.engine.control.Control` that the broker uses."""

    @property
    def wake(self) -> bool:
        """Whether the client is waiting at the ring itself."""


class EngineSession(Protocol):
    """The part of `pytest_ebpf.engine.loader.EngineSession` that the broker uses."""

    @property
    def id(self) -> int:
        """Never used again."""

    @property
    def ring_fd(self) -> int:
        """Readable when a quarter of the ring is full."""

    @property
    def control_fd(self) -> int:
        """Of the control page."""

    @property
    def ring(self) -> Ring:
        """The reading end."""

    @property
    def control(self) -> Control:
        """The page that client and kernel share."""


class Engine(Protocol):
    """The part of `pytest_ebpf.engine.loader.Engine` that the broker uses."""

    def open_session(self, pid: int, uid: int, *, confined: bool, ring_size: int, calls: bool) -> EngineSession:
        """Make a ring and a control page, and enter a process with all that descends from it."""

    def snapshot(self, session_id: int) -> None:
        """Write the calls of a session that have not returned to its ring."""

    def attach(self, session_id: int, asked: Asked) -> tuple[int, bool]:
        """Attach a probe for a session; its id, and whether others have it too."""

    def detach(self, session_id: int, probe: int) -> bool:
        """Let go of a probe; False: the session does not hold it."""

    def format(self, tracepoint: str) -> str:
        """Return the lines that describe the fields of a tracepoint."""

    def traceable(self) -> bytes:
        """Return the functions of the kernel that can be traced, one a line."""

    def close_session(self, session_id: int) -> None:
        """End a session."""

    def shared_maps(self) -> dict[str, int]:
        """Return the descriptors of the maps that programs of users' own may use, by name."""

    def missed(self) -> int:
        """Return how often the kernel skipped a program."""

    def programs(self) -> list[str]:
        """Return the names of the attached programs."""

    def close(self) -> None:
        """Detach everything."""
