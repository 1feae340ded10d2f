"""The broker's loop: one process, one thread, no request that can stop it.

The table `Server.REQUESTS` is all that a client can ask for. A client that misbehaves loses its own
session at most.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pytest_ebpf import sealed
from pytest_ebpf.broker import probing, protocol
from pytest_ebpf.broker.connection import Connection, identify
from pytest_ebpf.broker.ending import ending_by_signal
from pytest_ebpf.broker.limits import Limits
from pytest_ebpf.broker.programs import ProgramHost
from pytest_ebpf.broker.spill import Spill
from pytest_ebpf.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ebpf.broker.engine import Engine
    from pytest_ebpf.broker.place import Place

__all__ = ["Server"]

_FILLED = 0.2
"""A little below the quarter at which the kernel wakes us."""

_LOG_LINES = 1000
"""The log may lie on the user's disk."""


Answer: TypeAlias = "tuple[Mapping[str, Any], tuple[int, ...]]"


class Server:
    """Serves one uid until its owner ends, or it is told to stop."""

    def __init__(
        self, engine: Engine, place: Place, uid: int, owner: int | None = None, limits: Limits | None = None
    ) -> None:
        """Prepare; `run` serves.

        Args:
            engine: Loaded.
            place: Where clients connect.
            uid: Whom to serve, besides root.
            owner: A pid; when that process ends, so does the broker. It may also ask for the end.
            limits: Of what clients can ask for.

        Raises:
            ProcessLookupError: The owner has ended already.
        """
        self._engine = engine
        self._place = place
        self._uid = uid
        self._owner = owner
        self._limits = limits or Limits()
        self._connections: set[Connection] = set()
        self._watched: dict[int, tuple[Callable[[], None], Connection | None]] = {}
        self._epoll = select.epoll()
        self._dropped: list[Connection] = []
        self._ending = False
        self._lines_left = _LOG_LINES
        self._host = ProgramHost(engine, self._watch_host, self._unwatch)
        self._reserve = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
        self._owner_fd = -1 if owner is None else os.pidfd_open(owner)
        place.listener.settimeout(0)
        self._watch(place.listener.fileno(), self._accept)
        if owner is not None:
            self._watch(self._owner_fd, self.end)

    def run(self) -> None:
        """Serve until the end, then take the socket away and detach everything."""
        try:
            with ending_by_signal(self.end, self._watch):
                while not self._ending:
                    for descriptor, _ in self._epoll.poll():
                        self._dispatch(descriptor)
                    self._bury()
        finally:
            self._close()

    def _close(self) -> None:
        self._place.remove()
        self._place.listener.close()
        for connection in list(self._connections):
            self._drop(connection)
        self._bury()
        self._host.close()
        self._epoll.close()
        os.close(self._reserve)
        if self._owner_fd >= 0:
            os.close(self._owner_fd)
        self._engine.close()

    def end(self) -> None:
        """Make `run` return."""
        self._ending = True

    # What can be asked for -------------------------------------------------------------------------------

    def _open(self, connection: Connection, message: protocol.Message) -> Answer:
        """Open the connection's session: answers with its ring, its control page and its spill."""
        request = message.body
        if request.get("version") != protocol.VERSION:
            theirs = request.get("version")
            raise BrokerError(
                f"the broker speaks version {protocol.VERSION} of the protocol, and you version {theirs!r}: "
                "start one of the same version of pytest-ebpf"
            )
        if connection.session:
            raise BrokerError("this connection has a session already")
        size = self._limits.check_ring(request.get("ring"), self._memory())
        if len(self._sessions()) >= self._limits.sessions:
            raise BrokerError(f"the broker has {self._limits.sessions} sessions open, its limit: end some of them")
        calls = request.get("calls", False)
        if not isinstance(calls, bool):
            raise BrokerError(f"calls is true or false, and you said {calls!r:.40}")
        spill = Spill()
        try:
            session = self._engine.open_session(
                connection.pid, connection.uid, confined=connection.uid != 0, ring_size=size, calls=calls
            )
        except BaseException:
            spill.close()
            raise
        connection.session, connection.spill, connection.ring_size = session, spill, size
        self._watch(session.ring_fd, partial(self._drain, connection), connection, select.EPOLLIN | select.EPOLLET)
        return {"session": session.id}, (session.ring_fd, session.control_fd, spill.client_fd)

    def _calls(self, connection: Connection, message: protocol.Message) -> Answer:  # noqa: ARG002 - as the others
        """Write the calls of the connection's session that have not returned to its ring."""
        if connection.session is None:
            raise BrokerError("this connection has no session whose calls could be asked for")
        self._engine.snapshot(connection.session.id)
        return {}, ()

    def _probe(self, connection: Connection, message: protocol.Message) -> Answer:
        """Attach a probe for the connection's session; what it fetches, and where, comes in a memfd."""
        if connection.session is None:
            raise BrokerError("this connection has no session for which a probe could be attached")
        is_root, has_owner = connection.uid == 0, self._owner is not None
        asked = probing.parse(message.body, message.descriptors, is_root=is_root, has_owner=has_owner)
        probe, shared = self._engine.attach(connection.session.id, asked)
        return {"probe": probe, "shared": shared}, ()

    def _unprobe(self, connection: Connection, message: protocol.Message) -> Answer:
        """Let go of a probe."""
        probe = message.body.get("probe")
        session = connection.session
        if session is None or not isinstance(probe, int) or not self._engine.detach(session.id, probe):
            raise BrokerError(f"this connection's session holds no probe {probe!r:.40}")
        return {}, ()

    def _format(self, connection: Connection, message: protocol.Message) -> Answer:  # noqa: ARG002 - as the others
        """Say which fields a tracepoint of the kernel has."""
        return {"format": self._engine.format(probing.tracepoint_name(message.body.get("name")))}, ()

    def _traceable(self, connection: Connection, message: protocol.Message) -> Answer:  # noqa: ARG002 - as the others
        """Say which functions of the kernel can be traced: too many for a message."""
        with sealed.written("traceable", self._engine.traceable()) as descriptor:
            connection.given = given = os.fdopen(os.dup(descriptor), "rb")
        return {}, (given.fileno(),)

    def _returns(self, connection: Connection, message: protocol.Message) -> Answer:  # noqa: ARG002 - as the others
        """Say whether a seccomp filter can answer the call that return probes work by."""
        from pytest_ebpf.engine.uretprobe import filters_answer  # noqa: PLC0415 - a run without probes pays nothing

        return {"filtered": filters_answer()}, ()

    def _programs(self, connection: Connection, message: protocol.Message) -> Answer:  # noqa: ARG002 - as the others
        """Answer with a socket to the process that holds users' programs, which is started for the first of them."""
        for_all = self._owner is not None or self._limits.programs
        connection.given = self._host.connect(connection, for_all=for_all)
        return {}, (connection.given.fileno(),)

    def _status(self, connection: Connection, message: protocol.Message) -> Answer:  # noqa: ARG002 - as the others
        """Say how the broker is."""
        return {
            "missed": self._engine.missed(),
            "pid": os.getpid(),
            "programs": len(self._engine.programs()),
            "sessions": len(self._sessions()),
            "version": protocol.VERSION,
        }, ()

    def _stop(self, connection: Connection, message: protocol.Message) -> Answer:  # noqa: ARG002 - as the others
        """End the broker; what it held in the file system is gone when the answer arrives."""
        if connection.pid != self._owner and connection.uid != 0:
            owner = "root" if self._owner is None else f"its owner, process {self._owner}, and root"
            raise BrokerError(f"only {owner} may stop this broker, and you are {connection}")
        self._place.remove()
        self.end()
        return {}, ()

    REQUESTS: ClassVar[Mapping[str, Callable[[Server, Connection, protocol.Message], Answer]]] = {
        "open": _open,
        "calls": _calls,
        "probe": _probe,
        "unprobe": _unprobe,
        "format": _format,
        "traceable": _traceable,
        "returns": _returns,
        "programs": _programs,
        "status": _status,
        "stop": _stop,
    }

    # Events ----------------------------------------------------------------------------------------------

    def _dispatch(self, descriptor: int) -> None:
        action, connection = self._watched.get(descriptor, (None, None))
        if action is None:  # forgotten earlier in this very batch
            return
        try:
            action()
        except Exception:  # noqa: BLE001 - a bug must cost one session, not all
            self.log(traceback.format_exc())
            if connection:
                self._drop(connection)

    def _accept(self) -> None:
        try:
            peer, _ = self._place.listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            self.log(f"accept: {error}")
            self._refuse_one()
            return
        peer.settimeout(0)
        try:
            self._check_idle()
            connection = identify(peer, self._uid)
        except BrokerError as error:
            with peer, contextlib.suppress(OSError):
                protocol.send(peer, protocol.failure(str(error)))
            return
        self._connections.add(connection)
        self._watch(peer.fileno(), partial(self._answer, connection), connection)
        self._watch(connection.pidfd, partial(self._drop, connection), connection)

    def _check_idle(self) -> None:
        if len(self._connections) - len(self._sessions()) >= self._limits.idle:
            raise BrokerError(f"the broker has {self._limits.idle} connections without a session, its limit")

    def _refuse_one(self) -> None:
        """No descriptor is left: close the one kept for this, or the loop would turn for ever."""
        os.close(self._reserve)
        with contextlib.suppress(OSError):
            self._place.listener.accept()[0].close()
        self._reserve = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
        time.sleep(0.01)

    def _answer(self, connection: Connection) -> None:
        try:
            message = protocol.receive(connection.socket, descriptors=True)
            try:
                body, descriptors = self._handle(connection, message)
            finally:
                for descriptor in message.descriptors:
                    os.close(descriptor)
        except BlockingIOError:
            return
        except (protocol.Closed, protocol.Oversized) as error:
            if isinstance(error, protocol.Oversized):
                self._part(connection, str(error))
            self._drop(connection)
            return
        except protocol.Malformed as error:
            body, descriptors = protocol.failure(str(error)), ()
        try:
            protocol.send(connection.socket, body, descriptors)
        except OSError:  # gone, or it asks without ever reading answers
            self._drop(connection)
        if descriptors:
            connection.handed_over()

    def _handle(self, connection: Connection, message: protocol.Message) -> Answer:
        name = message.body.get("op")
        handler = self.REQUESTS.get(name) if isinstance(name, str) else None
        if handler is None:
            known = ", ".join(self.REQUESTS)
            return protocol.failure(f"the broker knows no request {name!r:.40}; it knows {known}"), ()
        if message.descriptors and name != "probe":
            return protocol.failure("the message carries descriptors, and none are taken"), ()
        try:
            body, descriptors = handler(self, connection, message)
        except BrokerError as error:
            return protocol.failure(str(error)), ()
        except Exception as error:  # noqa: BLE001 - the client must hear of it, and the others go on
            self.log(traceback.format_exc())
            return protocol.failure(f"the broker failed at {name!r}: {type(error).__name__}: {error}"), ()
        return {"ok": True, **body}, descriptors

    def _drain(self, connection: Connection) -> None:
        """Empty a ring that fills up, unless its client is about to.

        No wake-up is lost by looking away: every record that finds the ring a quarter full wakes again.
        """
        session, spill = connection.session, connection.spill
        if session is None or spill is None or session.control.wake or session.ring.filled < _FILLED:
            return
        if self._memory() >= self._limits.memory:
            return  # the ring overflows, and the kernel counts it
        try:
            spill.take(session.ring)
        except OSError as error:
            self._part(connection, f"the session was ended, what its ring held could not be kept: {error.strerror}")
            self._drop(connection)

    def _watch_host(self, descriptor: int) -> None:
        self._watch(descriptor, self._note_host)

    def _note_host(self) -> None:
        """Note that the host has ended; its clients see that by their sockets."""
        self.log(f"the process that holds users' programs has ended: {self._host.close()}")

    # Bookkeeping -----------------------------------------------------------------------------------------

    def _sessions(self) -> list[Connection]:
        return [connection for connection in self._connections if connection.session]

    def _memory(self) -> int:
        return sum(connection.memory for connection in self._connections)

    def _watch(
        self,
        descriptor: int,
        action: Callable[[], None],
        connection: Connection | None = None,
        events: int = select.EPOLLIN,
    ) -> None:
        self._epoll.register(descriptor, events)
        self._watched[descriptor] = (action, connection)

    def _unwatch(self, descriptor: int) -> None:
        del self._watched[descriptor]
        self._epoll.unregister(descriptor)

    def _part(self, connection: Connection, text: str) -> None:
        """Tell a client why nothing more will come."""
        self.log(f"{connection}: {text}")
        with contextlib.suppress(OSError):
            protocol.send(connection.socket, {**protocol.failure(text), "ended": True})

    def _drop(self, connection: Connection) -> None:
        """End a connection, and its session with it.

        Its descriptors are closed after the batch of events: their numbers could be given to another in
        the middle of it, who would then be served this one's events.
        """
        if connection.closed:
            return
        connection.closed = True
        for descriptor, (_, of) in list(self._watched.items()):
            if of is connection:
                del self._watched[descriptor]
                self._epoll.unregister(descriptor)
        self._connections.discard(connection)
        self._dropped.append(connection)

    def _bury(self) -> None:
        for connection in self._dropped:
            connection.close()
            if connection.session:
                try:
                    self._engine.close_session(connection.session.id)
                except Exception:  # noqa: BLE001 - the others go on
                    self.log(traceback.format_exc())
        self._dropped.clear()

    def log(self, text: str) -> None:
        """Write to stderr, which is the run's log; never fails, and never fills a disk."""
        for line in text.rstrip().splitlines():
            self._lines_left -= 1
            if self._lines_left < 0:
                return
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"{line if self._lines_left else '(no more is logged)'}\n")
