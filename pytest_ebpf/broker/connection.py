"""Who is at the other end of a socket, and what is held for them. Runs in the broker."""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pytest_ebpf.errors import BrokerError

if TYPE_CHECKING:
    from typing import BinaryIO

    from pytest_ebpf.broker.engine import EngineSession
    from pytest_ebpf.broker.spill import Spill

    _Given: TypeAlias = socket.socket | BinaryIO

__all__ = ["Connection", "identify"]

_UCRED = struct.Struct("iII")
"""``struct ucred``: pid, uid, gid (``unix(7)``)."""

_SO_PEERPIDFD = 77
"""Kernel 6.5 (7b26952a91cf); not in Python's `socket` yet."""


@dataclass(slots=True, eq=False)
class Connection:
    """A client, from its connection to its end."""

    socket: socket.socket
    pid: int
    """As the broker's pid namespace counts."""
    uid: int
    """Effective, when it connected."""
    pidfd: int
    """Readable when the process has ended: a child that it forked may still hold the socket open."""
    session: EngineSession | None = None
    spill: Spill | None = None
    given: _Given | None = None
    """What goes to the client with the next answer, and is not kept."""
    ring_size: int = 0
    closed: bool = field(default=False)

    @property
    def memory(self) -> int:
        """Bytes that are held for this client."""
        return self.ring_size + (self.spill.size if self.spill else 0)

    def handed_over(self) -> None:
        """Close what the client has now of its own."""
        if self.spill:
            self.spill.handed_over()
        if self.given:
            self.given.close()
            self.given = None

    def close(self) -> None:
        """Close all but the engine's session."""
        self.socket.close()
        self.handed_over()
        if self.spill:
            self.spill.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def __str__(self) -> str:
        return f"process {self.pid} of uid {self.uid}"


def identify(peer: socket.socket, uid: int) -> Connection:
    """Find out who connected, and refuse all but `uid` and root.

    Raises:
        BrokerError: It is somebody else, or cannot be watched.
    """
    pid, peer_uid, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    if peer_uid not in {uid, 0}:
        raise BrokerError(f"this broker serves uid {uid}, and you are uid {peer_uid}")
    if pid == 0:
        # pid_vnr() of a process that is not in our pid namespace.
        raise BrokerError("this broker cannot see your process: it runs in a pid namespace beside or below yours")
    try:
        pidfd = _pidfd(peer, pid)
    except OSError as error:
        raise BrokerError(f"your process {pid} cannot be watched: {error.strerror}") from error
    return Connection(peer, pid, peer_uid, pidfd)


def _pidfd(peer: socket.socket, pid: int) -> int:
    try:
        return peer.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise
    # If the client has died already, its pid may be another's by now. Whoever that is has the session's
    # end tied to it, no more: the socket's own end comes first.
    return os.pidfd_open(pid)
