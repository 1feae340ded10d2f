"""The client's way to the process that holds users' programs (`pytest_ebpf.host`)."""

from __future__ import annotations

import contextlib
import os
import time
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
_PATIENCE = 1.0
"""Seconds, for what was not answered in time: a test would rather hear of it."""
_WORDS = {
    "hello": "begin",
    "load_object": "load a program",
    "load_bcc": "have BCC compile and load {name}",
    "drain": "tell what a program wrote",
    "map": "look into the map {map}, or change it",
    "variable": "read a variable, or set it",
    "detach": "detach a program",
    "unload": "let go of a program",
}


class _NotAskedError(BrokerError):
    """It was not even asked: it has not answered what it was asked before."""


class Host:
    """A connection to the host."""

    def __init__(self, connection: socket.socket, last_words: Callable[[], str]) -> None:
        """Take over a connected socket, and wait for nothing: the host may be about to start.

        Args:
            connection: To the host.
            last_words: Returns the end of its log.
        """
        self._socket = connection
        self._last_words = last_words
        self._pid = os.getpid()
        self._over: BrokerError | None = None
        self._owed: list[tuple[str, str]] = []
        """What it was asked and has not answered, in this order: the request, and that in words."""
        self._late_since: float | None = None
        """When the first of them was asked, if it did not answer in time."""
        self._left: list[int] = []
        """Programs that it has yet to be told to let go of."""
        self.waker = -1
        """An eventfd that is readable when there are new events, once anything was answered."""
        self.pid_namespace = 0
        """Inode of the pid namespace whose pids the host tells, likewise."""
        with contextlib.suppress(OSError):  # it is heard at the first question
            self._send(Packet({"op": "hello"}))

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
            BrokerError: It does not answer in time.
        """
        if self._over:
            raise self._over
        if self._pid != os.getpid():
            raise BrokerError(
                f"pytest-ebpf: the programs belong to process {self._pid}, and this is its child {os.getpid()}:"
                " ask there"
            )
        words = _WORDS[request].format(**body)
        try:
            self._catch_up(words)
            began = time.monotonic()
            try:
                self._send(Packet({"op": request, **body}, payload, descriptors))
                answer = self._receive()
            except TimeoutError:
                self._late_since = began
                raise BrokerError(
                    f"pytest-ebpf: asked to {words}, the process that holds BPF programs did not answer in"
                    f" {_TIMEOUT:g} s\n"
                    "  now     it may do it yet; until it answers, all else that it is asked is refused\n"
                    "  try     again later: a program that is loaded too late is let go of"
                ) from None
        except (protocol.Closed, OSError, protocol.Malformed) as error:
            why = f" ({error})" if str(error) else ""
            self._over = BrokerDied(
                f"pytest-ebpf: the process that holds BPF programs is gone{why}\n{self._last_words()}"
            )
            raise self._over from None
        if answer.body.get("ok") is not True:
            raise ProgramError(str(answer.body.get("error")), log=answer.payload.decode(errors="replace"))
        return answer

    def _send(self, packet: Packet) -> None:
        self._socket.settimeout(_TIMEOUT)
        messages.send(self._socket, packet)
        request = packet.body["op"]
        self._owed.append((request, _WORDS[request].format(**packet.body)))

    def _receive(self) -> Packet:
        answer = messages.receive(self._socket)
        del self._owed[0]
        return answer

    def _catch_up(self, words: str) -> None:
        """Take the answers that nobody waits for any more, and tell what follows from them.

        Args:
            words: What it is to be asked next.

        Raises:
            _NotAskedError: They have not come.
        """
        try:
            while self._owed or self._left:
                if not self._owed:
                    self._send(Packet({"op": "unload", "program": self._left[0]}))
                    del self._left[0]
                self._socket.settimeout(_TIMEOUT if self._late_since is None else _PATIENCE)
                (request, _), answer = self._owed[0], self._receive()
                if request == "hello":
                    (self.waker,), self.pid_namespace = answer.descriptors, int(answer.body["pid_namespace"])
                    continue
                for descriptor in answer.descriptors:
                    os.close(descriptor)
                if request in {"load_object", "load_bcc"} and answer.body.get("ok") is True:
                    self._left.append(answer.body["program"])
        except TimeoutError:
            self._late_since = self._late_since or time.monotonic() - _TIMEOUT
            busy = self._owed[0][1] if self._owed else _WORDS["unload"]
            raise _NotAskedError(
                f"pytest-ebpf: the process that holds BPF programs was not asked to {words}: it was asked to"
                f" {busy} {time.monotonic() - self._late_since:.0f} s ago, and has not answered yet\n"
                "  try     again later; where it hangs, another run of pytest has another one, unless the broker is an"
                " administrator's: then that has to be started anew"
            ) from None
        self._late_since = None

    def let_go(self, program: int) -> None:
        """Have a program detached and forgotten, now or when it answers again."""
        try:
            self.ask("unload", program=program)
        except _NotAskedError:
            self._left.append(program)
        except BrokerError:  # it was asked to, or is gone, and with it went the program
            pass

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
            BrokerError: It does not answer in time; they come the next time.
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
            self._host.let_go(self.number)
