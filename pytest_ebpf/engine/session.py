"""The client's end of a session: reads records, opens windows. Needs no privilege, starts no thread.

Why no thread drains the ring: one more thread in the test's process would make ``unshare(CLONE_NEWUSER)``
and ``setns(2)`` fail there with EINVAL (``unshare(2)``, ``setns(2)``) and Python warn at ``os.fork()``.
The broker drains a ring that fills up, into the spill; the client drains it when it is asked a question.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import select
import threading
import time
from typing import TYPE_CHECKING, Protocol

from pytest_ebpf.engine.control import Control
from pytest_ebpf.engine.ring import Ring, whole_records

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pytest_ebpf.engine.attached import AttachedProbe, AttachedProbes, ProbeRequest
    from pytest_ebpf.user_programs.hosting import Host

__all__ = ["Connection", "Session"]

_AS_IT_IS = contextlib.nullcontext()

_PIECE = 1 << 20
"""Bytes to take at once; no record has more."""


class Connection(Protocol):
    """The way to the broker (`pytest_ebpf.broker.client`)."""

    def fileno(self) -> int:
        """Descriptor that is readable when the broker has closed."""

    def missed(self) -> int:
        """Ask how often the kernel skipped a program; raises `BrokerDied`."""

    def snapshot(self) -> None:
        """Ask for records of the calls that have not returned; raises `BrokerDied`."""

    def attach(
        self, kind: str, name: str, descriptors: Sequence[int], *, task: int | None = None, loading: int = 0
    ) -> tuple[int, bool]:
        """Attach a probe; return its id, and whether it was attached already."""

    def detach(self, probe: int) -> None:
        """Let go of a probe."""

    def format(self, tracepoint: str) -> str:
        """Ask for the fields of a tracepoint."""

    def traceable(self) -> bytes:
        """Ask which functions of the kernel can be traced."""

    def returns_filtered(self) -> bool:
        """Ask whether a seccomp filter can answer the system call that return probes work by."""

    def programs(self) -> socket.socket:
        """Ask for a way to the process that holds users' programs."""

    def last_words(self) -> str:
        """Return the end of the broker's log."""

    def raise_if_dead(self) -> None:
        """Raise `BrokerDied`, with the broker's last words, if it is gone."""

    def close(self) -> None:
        """End the session."""


class Session:
    """A ring, a control page and a spill, shared with the kernel and the broker."""

    def __init__(self, ring_fd: int, control_fd: int, spill_fd: int, ring_size: int, connection: Connection) -> None:
        """Take over the three descriptors.

        Args:
            ring_fd: Of the ring buffer map.
            control_fd: Of the mappable array with the control page.
            spill_fd: Of the file into which the broker drains; ``flock(2)`` on it says who drains.
            ring_size: Bytes.
            connection: To the broker that made them.
        """
        self.pid = os.getpid()
        self._connection = connection
        self._spill_fd = spill_fd
        self._spill_at = 0
        self._fds: tuple[int, ...] = (ring_fd, control_fd, spill_fd)
        self._ring = Ring(ring_fd, ring_size)
        self._control = Control(control_fd)
        self.ring_size = ring_size
        self._muted: dict[int, int] = {}
        self._probes: AttachedProbes | None = None
        self._host: Host | None = None

    @property
    def window(self) -> int:
        """The number that records carry now; 0: no window is open."""
        return self._control.window

    @window.setter
    def window(self, number: int) -> None:
        self._control.window = number

    @property
    def capture_environ(self) -> bool:
        """Whether the environment is copied at exec."""
        return self._control.capture_environ

    @capture_environ.setter
    def capture_environ(self, on: bool) -> None:
        self._control.capture_environ = on

    @property
    def argv_limit(self) -> int:
        """Bytes of argv, and of the environment, that are copied at exec."""
        return self._control.argv_limit

    @argv_limit.setter
    def argv_limit(self, limit: int) -> None:
        self._control.argv_limit = limit

    @property
    def children_only(self) -> bool:
        """Whether the system calls of this very process, all its threads, are left out."""
        return self._control.children_only

    @children_only.setter
    def children_only(self, on: bool) -> None:
        self._control.children_only = on

    @property
    def data_limit(self) -> int:
        """Bytes that are copied of what a call reads or writes; raises `ValueError` above `control.DATA_LIMIT`."""
        return self._control.data_limit

    @data_limit.setter
    def data_limit(self, limit: int) -> None:
        self._control.data_limit = limit

    def want_calls(self, numbers: Mapping[str, Iterable[int]] | None) -> None:
        """Choose the system calls that are recorded from now on; none are before the first time.

        Args:
            numbers: By ABI (``"native"``, ``"compat"``, ``"x32"``); None: all, nothing in it: none.
        """
        self._control.want_calls(numbers)

    def muted(self) -> AbstractContextManager[None]:
        """Leave out the system calls that this thread enters within; may be nested, and used by several threads."""
        if threading.get_ident() in self._muted or not self._fds:
            return _AS_IT_IS
        return self._mute()

    @contextlib.contextmanager
    def _mute(self) -> Iterator[None]:
        # Not threading.get_native_id(), which is a system call itself.
        tid, key = threading.current_thread().native_id, threading.get_ident()
        if tid is None:
            yield
            return
        slot = self._muted[key] = self._control.mute(tid)
        try:
            yield
        finally:
            del self._muted[key]
            self._control.unmute(slot)

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Leave out the processes that this thread starts within, and all that they start: they work for the tracer."""
        with self._control.apart(threading.current_thread().native_id or 0):
            yield

    def attach(self, request: ProbeRequest) -> AttachedProbe:
        """Return a probe, attached: for this session, and once for all sessions that ask for the same.

        Asking again gives the same object, and asks nobody. What it tells comes in `pieces`, while it is wanted and a
        window is open. It goes with the session.

        Raises:
            ValueError: It has more of something than fits.
            OSError: Its file cannot be opened for reading.
            BrokerError: The broker refuses, or the kernel; says why.
            BrokerDied: Nobody is there to do it.
        """
        return self._attached().attach(request)

    def format(self, tracepoint: str) -> str:
        """Return the lines that describe the fields of a tracepoint of the kernel.

        Args:
            tracepoint: ``sched:sched_process_exit``.

        Raises:
            BrokerError: There is none of that name, or the kernel does not say.
            BrokerDied: Nobody is there to answer.
        """
        return self._connection.format(tracepoint)

    def traceable(self) -> bytes:
        """Return the functions of the kernel that can be traced: one a line, those of modules followed by the module.

        Raises:
            BrokerError: The kernel does not say.
            BrokerDied: Nobody is there to answer.
        """
        return self._connection.traceable()

    def returns_filtered(self) -> bool:
        """Whether a seccomp filter can answer the system call that return probes work by: that crashes the program.

        Raises:
            BrokerDied: Nobody is there to answer.
        """
        return self._connection.returns_filtered()

    def detach(self, probe: AttachedProbe) -> None:
        """Let go of a probe before the session ends; safe to call again.

        Raises:
            BrokerDied: Nobody is there to do it.
        """
        self._attached().detach(probe)

    def _attached(self) -> AttachedProbes:
        if self._probes is None:
            from pytest_ebpf.engine.attached import AttachedProbes  # noqa: PLC0415 - most runs have no probes

            self._probes = AttachedProbes(self._connection, self._control)
        return self._probes

    def host(self) -> Host:
        """Return the way to the process that holds programs of users' own.

        Raises:
            BrokerError: The broker refuses, and says why.
            BrokerDied: Nobody is there to do it.
        """
        if self._host is None or self._host.gone:
            from pytest_ebpf.user_programs.hosting import Host  # noqa: PLC0415 - most runs have no programs

            if self._host is not None:
                self._host.close()
            self._host = Host(self._connection.programs(), self._connection.last_words)
        return self._host

    def snapshot(self) -> None:
        """Have the calls that have not returned written to the ring, before the next `pull`.

        Raises:
            BrokerDied: Nobody is there to do it.
        """
        self._connection.snapshot()

    def counters(self) -> dict[str, int]:
        """Return what was lost since the session began, by the counters' names in ``struct control``."""
        return self._control.counters()

    def missed(self) -> int:
        """Return how often the kernel skipped a program of ours since the broker started.

        Raises:
            BrokerDied: Nobody is there to answer.
        """
        return self._connection.missed()

    def pull(self) -> bytes:
        """Return all records since the last pull, whole ring records one after the other.

        What a process did before the test's ``wait(2)`` for it returned is among them: it wrote the records
        itself, before it became a zombie.

        Raises:
            BrokerDied: Nothing more comes, and what came last may be lost.
        """
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """Yield the same in pieces of whole records: a window can have made more than should be there twice.

        What was yielded is taken, and the rest is for the next call, if this one is not followed to its end.

        Raises:
            BrokerDied: As `pull`, after the last piece.
        """
        with self._draining():
            size = os.fstat(self._spill_fd).st_size
            while self._spill_at < size:
                piece = os.pread(self._spill_fd, min(_PIECE, size - self._spill_at), self._spill_at)
                whole = whole_records(piece)
                if not whole:  # a broker that was killed while it wrote; see below
                    break
                self._spill_at += whole
                yield piece[:whole]
            if size:
                os.ftruncate(self._spill_fd, 0)
                self._spill_at = 0
            yield self._ring.drain()
            # Here, where a broker that was killed while it drained has let go of the lock: what it held is lost.
            self._connection.raise_if_dead()

    @contextlib.contextmanager
    def _draining(self) -> Iterator[None]:
        fcntl.flock(self._spill_fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._spill_fd, fcntl.LOCK_UN)

    def _has_records(self) -> bool:
        # Under the lock: between the ring and the spill, records are in neither.
        with self._draining():
            return not self._ring.empty or os.fstat(self._spill_fd).st_size > 0

    def wait(self, timeout: float, *others: int) -> bool:
        """Block until the kernel has put a record into the ring.

        Args:
            timeout: Seconds; `math.inf`: as long as it takes.
            others: Descriptors that end the wait too, when they are readable.

        Returns:
            Whether there is something to pull.

        Raises:
            BrokerDied: Nothing more comes.
        """
        deadline = time.monotonic() + timeout
        poll = select.poll()
        poll.register(self._ring.fd, select.POLLIN)
        poll.register(self._connection.fileno(), select.POLLIN)
        for other in others:
            poll.register(other, select.POLLIN)
        # From here on the broker leaves the ring to us, and each record wakes.
        self._control.wake = True
        try:
            while not self._has_records():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                ready = poll.poll(None if left == math.inf else left * 1000)
                self._connection.raise_if_dead()
                if any(fd in others for fd, _ in ready):
                    return self._has_records()
            return True
        finally:
            self._control.wake = False

    def close(self) -> None:
        """End the session and unmap what it shared; safe to call again."""
        if self._fds:
            if self._host is not None:
                self._host.close()
            self._connection.close()
            self._ring.close()
            self._control.close()
            for fd in self._fds:
                os.close(fd)
            self._fds = ()
