"""The host of users' BPF programs, as the broker sees it: a process that is started when the first client asks."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

from pytest_ebpf.broker import protocol
from pytest_ebpf.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf.broker.connection import Connection
    from pytest_ebpf.broker.engine import Engine

__all__ = ["ProgramHost"]


class ProgramHost:
    """At most one host, and another when that one has ended."""

    def __init__(self, engine: Engine, watch: Callable[[int], None], unwatch: Callable[[int], None]) -> None:
        """Prepare; nothing is started yet.

        Args:
            engine: Whose maps the programs may use.
            watch: Called with a descriptor that is readable when the host has ended; then `close` is to be called.
            unwatch: Called with it when it is about to be closed.
        """
        self._engine = engine
        self._watch = watch
        self._unwatch = unwatch
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._pidfd = -1

    def connect(self, connection: Connection, *, for_all: bool) -> socket.socket:
        """Return a socket that leads to the host, the caller's to close.

        Args:
            connection: Of the client that will have it.
            for_all: Whether it is for others than root: this broker is a run's own, and whoever could start one may
                load what the kernel takes; or the administrator who started it allows it.

        Raises:
            BrokerError: It is not for this client, or the host is gone or does not read.
        """
        if connection.session is None:
            raise BrokerError("this connection has no session for which programs could be loaded")
        if connection.uid != 0 and not for_all:
            raise BrokerError(
                "programs of your own are for root here, since an administrator runs this broker for all: "
                "run pytest as root, or without --ebpf-broker, or have it served with --allow-programs"
            )
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._send(connection.session.id, theirs.fileno())
            except OSError as error:
                ours.close()
                raise BrokerError(f"the process that holds programs does not answer: {error.strerror}") from error
        return ours

    def _send(self, session: int, descriptor: int) -> None:
        message = {"session": session}
        try:
            protocol.send(self._socket or self._start(), message, [descriptor])
        except BrokenPipeError:  # it has ended just now
            self.close()
            protocol.send(self._start(), message, [descriptor])

    def _start(self) -> socket.socket:
        from pytest_ebpf.broker import start  # noqa: PLC0415 - most runs have no programs

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given = {"broker": theirs.fileno(), **self._engine.shared_maps()}
        words = [str(os.getpid()), *(f"{name}={descriptor}" for name, descriptor in given.items())]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [*start.command(), "host", *words],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=list(given.values()),
                )
            except OSError as error:
                ours.close()
                raise BrokerError(f"the process that holds programs cannot be started: {error}") from error
        self._pidfd = os.pidfd_open(self._process.pid)
        self._watch(self._pidfd)
        ours.settimeout(0)
        self._socket = ours
        return ours

    def close(self) -> str:
        """End it, and with it all that it holds; safe to call again.

        Returns:
            How it ended, if it did so by itself.
        """
        if self._process is None or self._socket is None:
            return ""
        self._unwatch(self._pidfd)
        self._socket.close()
        status = self._process.poll()
        # It has nothing to tidy: the kernel detaches what it held, and is done with that when this returns.
        self._process.kill()
        self._process.wait()
        os.close(self._pidfd)
        self._process = self._socket = None
        return "" if status is None else f"status {status}" if status >= 0 else f"signal {-status}"
