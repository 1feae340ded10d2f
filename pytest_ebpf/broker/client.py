"""pytest's side of the socket. No privilege, no thread, no signal."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_ebpf.broker import protocol
from pytest_ebpf.errors import BrokerDied, BrokerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Client", "Opened", "Status", "last_words"]

_TIMEOUT = 60.0
"""Seconds. An answer takes milliseconds; a loaded virtual machine without KVM, seconds."""

_ADDRESS_LIMIT = 107
"""Bytes of a socket's path (``struct sockaddr_un``, with its zero)."""

_LAST_BYTES = 8192
_LAST_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A new session's descriptors, the receiver's to close."""

    session: int
    ring_fd: int
    control_fd: int
    spill_fd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a broker says of itself."""

    missed: int
    """How often the kernel skipped one of its programs, since it began."""
    pid: int
    programs: int
    """Attached, however many sessions there are."""
    sessions: int
    version: int
    """Of the protocol."""


class Client:
    """A connection to a broker, and one session at most. Its process's own: of no use after a fork."""

    def __init__(self, connection: socket.socket, path: Path, log: Path | None = None) -> None:
        """Take over a connected socket.

        Args:
            connection: To the broker.
            path: Of the broker's socket, for messages.
            log: Where its last words are, if it is not an administrator's.
        """
        self.path = path
        self._socket = connection
        self._socket.settimeout(_TIMEOUT)
        self._log = log
        self._pid = os.getpid()
        self._over: BrokerError | None = None

    @classmethod
    def connect(cls, path: Path, log: Path | None = None) -> Client:
        """Connect to the broker that listens at `path`.

        Raises:
            OSError: Nobody does (ECONNREFUSED, ENOENT), or it lets nobody in (EACCES).
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            _connect(connection, path)
        except BaseException:
            connection.close()
            raise
        return cls(connection, path, log)

    def fileno(self) -> int:
        """Return a descriptor that is readable when the broker has closed, or ended the session."""
        return self._socket.fileno()

    def open(self, ring_size: int, *, calls: bool = False) -> Opened:
        """Open the session: from now on this process and what descends from it is traced.

        Args:
            ring_size: Bytes, a power of two.
            calls: Whether the session may want system calls: attaches the programs that record them.

        Raises:
            BrokerError: It refuses, and says why.
            BrokerDied: It is gone.
        """
        request = {"op": "open", "ring": ring_size, "calls": calls, "version": protocol.VERSION}
        answer = self._ask(request, descriptors=True)
        try:
            ring_fd, control_fd, spill_fd = answer.descriptors
        except ValueError:
            for descriptor in answer.descriptors:
                os.close(descriptor)
            # The kernel hands over as many as the process may open (scm_detach_fds(), net/core/scm.c).
            raise BrokerError(
                f"pytest-ebpf: a session has 3 descriptors, and {len(answer.descriptors)} of them arrived from the "
                f"broker at {self.path}\n"
                "  try     a higher limit on this process's open files: ulimit -n"
            ) from None
        return Opened(session=int(answer.body["session"]), ring_fd=ring_fd, control_fd=control_fd, spill_fd=spill_fd)

    def status(self) -> Status:
        """Ask the broker how it is.

        Raises:
            BrokerError: It refuses.
            BrokerDied: It is gone.
        """
        body = self._ask({"op": "status"}).body
        return Status(**{name: int(body[name]) for name in Status.__slots__})

    def missed(self) -> int:
        """Ask how often the kernel skipped a program.

        Raises:
            BrokerDied: It is gone.
        """
        return self.status().missed

    def snapshot(self) -> None:
        """Have the session's calls that have not returned written to its ring.

        Raises:
            BrokerError: The session has no programs that record calls.
            BrokerDied: It is gone.
        """
        self._ask({"op": "calls"})

    def attach(
        self, kind: str, name: str, descriptors: Sequence[int], *, task: int | None = None, loading: int = 0
    ) -> tuple[int, bool]:
        """Attach a probe for the session.

        Args:
            kind: ``uprobe``, ``tracepoint``, ``raw_tracepoint`` or ``kprobe``.
            name: Of the tracepoint, or of the kernel's function.
            descriptors: Of a uprobe's file, open for reading; of the table (`pytest_ebpf.engine.specs`), sealed.
            task: Which argument of a raw tracepoint is the task that it is about.
            loading: Which loading of its module a function of the kernel's is of.

        Returns:
            Its id, and whether it was attached already, for another session.

        Raises:
            BrokerError: It refuses, or the kernel; says why.
            BrokerDied: It is gone.
        """
        asked = {"op": "probe", "kind": kind, "name": name, "task": task, "loading": loading}
        body = self._ask(asked, sent=descriptors).body
        return int(body["probe"]), bool(body["shared"])

    def format(self, tracepoint: str) -> str:
        """Ask for the lines that describe the fields of a tracepoint of the kernel.

        Raises:
            BrokerError: There is none of that name, or the kernel does not say.
            BrokerDied: It is gone.
        """
        return str(self._ask({"op": "format", "name": tracepoint}).body["format"])

    def traceable(self) -> bytes:
        """Ask which functions of the kernel can be traced: one a line, those of modules followed by the module.

        Raises:
            BrokerError: The kernel does not say.
            BrokerDied: It is gone.
        """
        (descriptor,) = self._ask({"op": "traceable"}, descriptors=True).descriptors
        with os.fdopen(descriptor, "rb") as file:
            file.seek(0)  # the broker has written it
            return file.read()

    def returns_filtered(self) -> bool:
        """Ask whether a seccomp filter can answer the system call that return probes work by, on this kernel.

        Raises:
            BrokerDied: It is gone.
        """
        return bool(self._ask({"op": "returns"}).body["filtered"])

    def detach(self, probe: int) -> None:
        """Let go of a probe.

        Raises:
            BrokerError: The session does not hold it.
            BrokerDied: It is gone.
        """
        self._ask({"op": "unprobe", "probe": probe})

    def programs(self) -> socket.socket:
        """Ask for a way to the process that holds users' programs; its messages are `pytest_ebpf.host.messages`.

        Returns:
            A socket, the caller's to close.

        Raises:
            BrokerError: It refuses, and says why.
            BrokerDied: It is gone.
        """
        (descriptor,) = self._ask({"op": "programs"}, descriptors=True).descriptors
        return socket.socket(fileno=descriptor)

    def last_words(self) -> str:
        """Return the end of the broker's log, which is the host's too."""
        return last_words(self._log)

    def stop(self) -> None:
        """End the broker. When this returns, its run directory is gone.

        Raises:
            BrokerError: It takes that from its owner and from root only.
            BrokerDied: It is gone already.
        """
        self._ask({"op": "stop"})

    def raise_if_dead(self) -> None:
        """Find out, without a word to the broker, whether session and broker still live.

        Raises:
            BrokerError: The broker has ended the session, and said why.
            BrokerDied: It is gone; with its last words.
        """
        self._check_usable()
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if poll.poll(0):
            # Nothing was asked, so this is the end or the notice of it.
            self._fail(self._receive(descriptors=False).body)

    def close(self) -> None:
        """End the session; safe to call again."""
        self._socket.close()

    def _check_usable(self) -> None:
        if self._over:
            raise self._over
        if self._pid != os.getpid():
            raise BrokerError(
                f"pytest-ebpf: this connection to the broker belongs to process {self._pid}, and this is its "
                f"child {os.getpid()}: ask there, or open a session of your own"
            )
        if self._socket.fileno() < 0:
            raise BrokerError("pytest-ebpf: the session is closed")

    def _ask(
        self, request: Mapping[str, Any], *, sent: Sequence[int] = (), descriptors: bool = False
    ) -> protocol.Message:
        self._check_usable()
        # A broker that is gone (EPIPE) may have left a notice; it is read below.
        with contextlib.suppress(ConnectionError):
            protocol.send(self._socket, request, sent)
        answer = self._receive(descriptors=descriptors)
        if answer.body.get("ok") is not True:
            if answer.body.get("ended"):
                self._fail(answer.body)
            raise BrokerError(f"pytest-ebpf: the broker refused: {answer.body.get('error')}")
        return answer

    def _receive(self, *, descriptors: bool) -> protocol.Message:
        try:
            return protocol.receive(self._socket, descriptors=descriptors)
        except protocol.Closed:
            self._over = BrokerDied(f"pytest-ebpf: the broker died ({self.path})\n{last_words(self._log)}")
            raise self._over from None
        except protocol.Malformed as error:
            self._over = BrokerError(f"pytest-ebpf: what listens at {self.path} is no broker: {error}")
            raise self._over from error
        except TimeoutError:
            # Its answer may still come and would be taken for that to the next question.
            self._over = BrokerError(
                f"pytest-ebpf: the broker at {self.path} has not answered within {_TIMEOUT:.0f} s\n"
                f"{last_words(self._log)}"
            )
            raise self._over from None
        except OSError as error:
            self._over = BrokerError(f"pytest-ebpf: the connection to the broker broke: {error}")
            raise self._over from error

    def _fail(self, body: Mapping[str, Any]) -> None:
        self._over = BrokerError(f"pytest-ebpf: the broker closed the connection: {body.get('error')}")
        raise self._over


def _connect(connection: socket.socket, path: Path) -> None:
    if len(os.fsencode(path)) <= _ADDRESS_LIMIT:
        connection.connect(str(path))
        return
    # A deep TMPDIR.
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


def last_words(log: Path | None) -> str:
    """Return the end of a broker's log, as the second part of a message."""
    if log is None:
        return "  try     its own log: where an administrator runs it, often `journalctl -u pytest-ebpf`"
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return f"  its log cannot be read: {error}"
    said = [f"    {line}" for line in lines[-_LAST_LINES:] if line.strip()]
    if not said:
        return "  it said nothing"
    return "\n".join(["  its last words:", *said])
