"""A user's program as the host holds it: loaded, attached, and whoever uses it."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pytest_ebpf.host.outputs import Outputs

if TYPE_CHECKING:
    import mmap
    from collections.abc import Mapping

    from pytest_ebpf.host.maps import Map
    from pytest_ebpf.host.messages import Packet

__all__ = ["Holder", "Instance", "LoadRequest"]

_numbers = itertools.count(os.getpid() << 8)
"""Others than of a host before this one: the tests' processes may outlive both."""


class Holder(Protocol):
    """Who uses a program."""

    session: int


@dataclass(slots=True)
class LoadRequest:
    """What a client asks to be loaded."""

    packet: Packet
    session: int
    """The client's."""
    shared: Mapping[str, int]
    """Descriptors of the engine's maps by name: ``members``, ``slots``, ``rings``, ``controls``."""


class Instance:
    """One program of a user's, in the kernel. What is special to objects and to BCC derives from this."""

    kept = False
    """Whether it stays when nobody holds it, for who asks for the same next."""

    def __init__(self) -> None:
        self.number = next(_numbers)
        """Never used twice."""
        self.maps: dict[str, Map] = {}
        """What the clients can read and write."""
        self.outputs = Outputs()
        self.memory: dict[str, mmap.mmap] = {}
        """By section, the global variables."""
        self.description: dict[str, Any] = {}
        """What else the client is told of it: ``attached``, how many of its programs are; types."""
        self._holders: dict[Holder, int] = {}
        self._lock = threading.Lock()

    # Of those who use it -------------------------------------------------------------------------------------

    def hold(self, client: Holder, waker: int) -> None:
        """Note that a client uses it.

        Args:
            client: Who.
            waker: An eventfd of the client's, which is written to when there are new events.
        """
        with self._lock:
            self._holders[client] = waker

    def release(self, client: Holder) -> bool:
        """Note that a client no longer uses it; return whether it is of no use to anybody any more."""
        with self._lock:
            self._holders.pop(client, None)
            return not self._holders and not self.kept

    def wake(self) -> None:
        """Tell all clients that there are new events."""
        with self._lock:
            for waker in self._holders.values():
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_write(waker, 1)

    # Of itself -----------------------------------------------------------------------------------------------

    def missed(self) -> int:
        """Return how often the kernel skipped one of its programs."""
        raise NotImplementedError

    def detach(self) -> None:
        """Detach it, and wait until no CPU runs it; safe to call again."""
        raise NotImplementedError

    def close(self) -> None:
        """Detach it and free it; takes a tenth of a second, in which the kernel waits for the programs to end."""
        self.detach()
        self.outputs.close()
