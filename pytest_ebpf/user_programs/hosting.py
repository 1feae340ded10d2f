"""The client's way to the process that holds users' programs (`pytest_ebpf.host`)."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from pytest_ebpf.broker import protocol
from pytest_ebpf.errors import BrokerDied, BrokerError, ProgramError
from pytest_ebpf.host import messages
from pytest_ebpf.host.messages import Packet

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Host", "Hosted"]

_TIMEOUT = 600.0
"""Seconds. A program of BCC's takes some to compile, a minute where the processor is emulated, or more."""


class Host:
    """A connection to the host."""

    def __init__(self, connection: socket.socket, last_words: Callable[[], str]) -> None:
        """Take over a connected socket, and wait for nothing: the host may be about to start.

        Args:
            connection: To the host.
            last_words: Returns the end of its log.
        """
        self._socket = connection
        self._socket.settimeout(_TIMEOUT)
        self._last_words = last_words
        self._pid = os.getpid()
        self._over: BrokerError | None = None
        self.waker = -1
        """An eventfd that is readable when there are new events, once anything was answered."""
        self.pid_namespace = 0
        """Inode of the pid namespace whose pids the host tells, likewise."""
        with contextlib.suppress(OSError):  # it is heard at the first question
            messages.send(self._socket, Packet({"op": "hello"}))

    def ask(self, request: str, payload: bytes = b"", descriptors: Sequence[int] = (), /, **body: Any) -> Packet:
        """Ask for something, and wait for the answer.

        Args:
            request: Its name, of `pytest_ebpf.host.server.Server.REQUESTS`.
            payload: Bytes that go with it.
            descriptors: Likewise; they stay the caller's.
            body: What else it says.

        Raises:
            ProgramError: The host does not do it, and says why.
            BrokerDied: It is gone.
        """
        if self._over:
            raise self._over
        if self._pid != os.getpid():
            raise BrokerError(
                f"pytest-ebpf: the programs belong to process {self._pid}, and this is its child {os.getpid()}:"
                " ask there"
            )
        try:
            if self.waker < 0:
                hello = messages.receive(self._socket)
                (self.waker,), self.pid_namespace = hello.descriptors, int(hello.body["pid_namespace"])
            messages.send(self._socket, Packet({"op": request, **body}, payload, descriptors))
            answer = messages.receive(self._socket)
        except (protocol.Closed, OSError, protocol.Malformed) as error:
            why = f" ({error})" if str(error) else ""
            self._over = BrokerDied(
                f"pytest-ebpf: the process that holds BPF programs is gone{why}\n{self._last_words()}"
            )
            raise self._over from None
        if answer.body.get("ok") is not True:
            raise ProgramError(str(answer.body.get("error")), log=answer.payload.decode(errors="replace"))
        return answer

    @property
    def gone(self) -> bool:
        """Whether it has ended, and all programs with it."""
        return self._over is not None

    def forget_wakeups(self) -> None:
        """Make `waker` readable only by what comes from now on."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.waker)

    def close(self) -> None:
        """Let go of all programs; safe to call again."""
        if self._socket.fileno() >= 0:
            self._socket.close()
            if self.waker >= 0:
                os.close(self.waker)


class Hosted:
    """One program in the host, as its client holds it."""

    def __init__(self, host: Host, answer: Packet) -> None:
        """Take it over.

        Args:
            host: Where it is.
            answer: To the request that loaded it.
        """
        self._host = host
        self.pid_namespace = host.pid_namespace
        """See `Host.pid_namespace`."""
        self.number: int = answer.body["program"]
        """Never used twice by a host."""
        self.description = answer.body
        """All that the host says of it."""
        self.maps: dict[str, Mapping[str, Any]] = {each["name"]: each for each in answer.body["maps"]}
        """What kind they are, and how large."""
        self.outputs: tuple[str, ...] = tuple(answer.body["outputs"])
        """Names of the maps that are perf buffers or rings, by the number that records carry."""
        (self._file,) = answer.descriptors
        self.loaded: Mapping[str, Any] = answer.body
        """What `drain` said when it was loaded."""
        self._at: int = answer.body["drained"]["bytes"]
        self.open = True

    @property
    def gone(self) -> bool:
        """See `Host.gone`."""
        return self._host.gone

    @property
    def waker(self) -> int:
        """See `Host.waker`."""
        return self._host.waker

    def forget_wakeups(self) -> None:
        """See `Host.forget_wakeups`."""
        self._host.forget_wakeups()

    def ask(self, request: str, payload: bytes = b"", /, **body: Any) -> Packet:
        """Ask for something that concerns this program; see `Host.ask`."""
        return self._host.ask(request, payload, program=self.number, **body)

    def take(self) -> tuple[bytes, Mapping[str, Any]]:
        """Return the records that were written since the last time, all of them, and what the host says of them.

        Raises:
            BrokerDied: It is gone.
        """
        told = self.ask("drain").body
        data = os.pread(self._file, told["drained"]["bytes"] - self._at, self._at)
        self._at += len(data)
        return data, told

    def close(self) -> None:
        """Let go of it; safe to call again."""
        if self.open:
            self.open = False
            os.close(self._file)
            with contextlib.suppress(BrokerDied):  # and with it went the program
                self.ask("unload")
