"""The host's loop: loads programs for the broker's clients, and answers for them.

The table `Server.REQUESTS` is all that a client can ask for.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_ebpf.broker import protocol
from pytest_ebpf.host import messages
from pytest_ebpf.host.draining import Drainer
from pytest_ebpf.host.instance import LoadRequest
from pytest_ebpf.host.maps import Map
from pytest_ebpf.host.messages import Packet
from pytest_ebpf.host.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ebpf.host.instance import Instance

__all__ = ["Client", "Server"]


class Client:
    """A client of the broker's that has programs."""

    def __init__(self, connection: socket.socket, session: int) -> None:
        """Take over a socket.

        Args:
            connection: To the client.
            session: Of the client.
        """
        self.socket = connection
        self.session = session
        self.waker = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.instances: dict[int, Instance] = {}

    def instance(self, packet: Packet) -> Instance:
        """Return the program that a request is about.

        Raises:
            Refused: The client has no such program.
        """
        number = packet.body.get("program")
        instance = self.instances.get(number) if isinstance(number, int) else None
        if instance is None:
            raise Refused("usage", f"you have no program {number!r:.40}")
        return instance


class Server:
    """Serves the clients that the broker sends."""

    def __init__(self, broker: socket.socket, shared: Mapping[str, int]) -> None:
        """Prepare; `run` serves.

        Args:
            broker: Where clients come from; when it is closed, that is the end.
            shared: Descriptors of the engine's maps by name.
        """
        self._broker = broker
        self._shared = shared
        self._epoll = select.epoll()
        self._epoll.register(broker.fileno(), select.EPOLLIN)
        self._clients: dict[int, Client] = {}
        self._drainer = Drainer()

    def run(self) -> None:
        """Serve until the broker ends."""
        while True:
            for descriptor, _ in self._epoll.poll():
                if descriptor != self._broker.fileno():
                    self._answer(self._clients[descriptor])
                elif not self._accept():
                    return

    def _accept(self) -> bool:
        try:
            message = protocol.receive(self._broker, descriptors=True)
        except protocol.Closed:
            return False
        (descriptor,) = message.descriptors
        connection = socket.socket(fileno=descriptor)
        connection.settimeout(0)
        client = Client(connection, int(message.body["session"]))
        self._clients[descriptor] = client
        self._epoll.register(descriptor, select.EPOLLIN)
        return True

    def _answer(self, client: Client) -> None:
        try:
            packet = messages.receive(client.socket)
            try:
                answer = self._handle(client, packet)
            finally:
                for descriptor in packet.descriptors:
                    os.close(descriptor)
        except protocol.Malformed as error:
            answer = _failure("usage", str(error))
        except BlockingIOError:
            return
        except (protocol.Closed, OSError):
            self._drop(client)
            return
        try:
            messages.send(client.socket, answer)
        except OSError:
            self._drop(client)
        finally:
            for descriptor in answer.descriptors:
                os.close(descriptor)

    def _handle(self, client: Client, packet: Packet) -> Packet:
        name = packet.body.get("op")
        handler = self.REQUESTS.get(name) if isinstance(name, str) else None
        if handler is None:
            return _failure("usage", f"the host knows no request {name!r:.40}; it knows {', '.join(self.REQUESTS)}")
        try:
            answer = handler(self, client, packet)
        except Refused as refusal:
            return _failure(refusal.kind, refusal.text, refusal.log)
        except Exception as error:  # noqa: BLE001 - the client must hear of it, and the others go on
            sys.stderr.write(f"host: {name}: {traceback.format_exc()}")
            return _failure("bug", f"the host failed at {name!r}: {type(error).__name__}: {error}")
        return Packet({"ok": True, **answer.body}, answer.payload, answer.descriptors)

    def _drop(self, client: Client) -> None:
        self._epoll.unregister(client.socket.fileno())
        del self._clients[client.socket.fileno()]
        for instance in client.instances.values():
            self._release(client, instance)
        client.socket.close()
        os.close(client.waker)

    def _release(self, client: Client, instance: Instance) -> None:
        if instance.release(client):
            self._drainer.remove(instance)
            # Meanwhile: the kernel takes a tenth of a second for it.
            threading.Thread(target=instance.close, daemon=True).start()

    # What can be asked for -----------------------------------------------------------------------------------

    def _hello(self, client: Client, packet: Packet) -> Packet:  # noqa: ARG002 - as the others
        """Answer with an eventfd, which is written to when there are new events, and how pids are counted here."""
        body = {"session": client.session, "pid_namespace": os.stat("/proc/self/ns/pid").st_ino}  # noqa: PTH116 - short
        return Packet(body, descriptors=[os.dup(client.waker)])

    def _load_object(self, client: Client, packet: Packet) -> Packet:
        """Load and attach an object, which is the payload."""
        from pytest_ebpf.host.loading import ObjectInstance  # noqa: PLC0415 - nobody may want it

        return self._loaded(client, ObjectInstance(LoadRequest(packet, client.session, self._shared)))

    def _load_bcc(self, client: Client, packet: Packet) -> Packet:
        """Compile, load and attach a text of BCC's, which is the payload; or give the one that is there already."""
        from pytest_ebpf.host import bcc  # type: ignore[attr-defined]  # noqa: PLC0415 - BCC is 150 MB

        return self._loaded(client, bcc.load(LoadRequest(packet, client.session, self._shared)))

    def _loaded(self, client: Client, instance: Instance) -> Packet:
        instance.hold(client, client.waker)
        client.instances[instance.number] = instance
        self._drainer.add(instance)
        body = {
            "program": instance.number,
            "maps": [each.describe() for each in instance.maps.values()],
            "outputs": instance.outputs.names,
            **instance.description,
            **self._drained(instance),
        }
        return Packet(body, descriptors=[instance.outputs.client_file()])

    @staticmethod
    def _drained(instance: Instance) -> dict[str, Any]:
        came, told = instance.outputs.drain()
        if came:
            instance.wake()
        return {"drained": told, "missed": instance.missed()}

    def _drain(self, client: Client, packet: Packet) -> Packet:
        """Take all events that a program has written, and say what may be missing."""
        return Packet(self._drained(client.instance(packet)))

    def _map(self, client: Client, packet: Packet) -> Packet:
        """Read or write a map."""
        instance, name, operation = client.instance(packet), packet.body.get("map"), packet.body.get("do")
        found = instance.maps.get(name) if isinstance(name, str) else None
        if found is None:
            raise Refused("usage", f"there is no map {name!r:.40}")
        if not isinstance(operation, str) or operation not in _OPERATIONS:
            raise Refused("usage", f"a map knows no {operation!r:.40}; it knows {', '.join(_OPERATIONS)}")
        return _OPERATIONS[operation](found, packet.payload)

    def _variable(self, client: Client, packet: Packet) -> Packet:
        """Read a global variable, or set it to the payload."""
        instance = client.instance(packet)
        section, offset, size = str(packet.body.get("section")), packet.body.get("offset"), packet.body.get("size")
        memory = instance.memory.get(section)
        if memory is None or not isinstance(offset, int) or not isinstance(size, int) or offset + size > len(memory):
            raise Refused("usage", f"there are no {size!r:.20} bytes at {offset!r:.20} of {section!r:.40}")
        if not packet.payload:
            return Packet({}, bytes(memory[offset : offset + size]))
        if len(packet.payload) != size or section.startswith(".rodata"):
            raise Refused("usage", f"{section} cannot be written to, or not so")
        memory[offset : offset + size] = packet.payload
        return Packet({})

    def _detach(self, client: Client, packet: Packet) -> Packet:
        """Detach a program, and take what it wrote until then; it can be asked further."""
        instance = client.instance(packet)
        instance.detach()
        return Packet(self._drained(instance))

    def _unload(self, client: Client, packet: Packet) -> Packet:
        """Let go of a program."""
        instance = client.instance(packet)
        del client.instances[instance.number]
        self._release(client, instance)
        return Packet({})

    REQUESTS: ClassVar[Mapping[str, Callable[[Server, Client, Packet], Packet]]] = {
        "hello": _hello,
        "load_object": _load_object,
        "load_bcc": _load_bcc,
        "drain": _drain,
        "map": _map,
        "variable": _variable,
        "detach": _detach,
        "unload": _unload,
    }


def _failure(kind: str, text: str, log: str = "") -> Packet:
    return Packet({"ok": False, "kind": kind, "error": text}, log.encode())


def _answer(value: bytes | bool | None) -> Packet:  # noqa: FBT001 - it is the answer
    return Packet({"found": value is not None and value is not False}, value if isinstance(value, bytes) else b"")


def _items(of: Map, _: bytes) -> Packet:
    count, data = of.items()
    return Packet({"count": count}, data)


def _done(set_to: Callable[[Map, bytes], None]) -> Callable[[Map, bytes], Packet]:
    def answer(of: Map, data: bytes) -> Packet:
        set_to(of, data)
        return Packet({})

    return answer


_OPERATIONS: Mapping[str, Callable[[Map, bytes], Packet]] = {
    "items": _items,
    "lookup": lambda of, key: _answer(of.lookup(key)),
    "update": _done(Map.update),
    "delete": lambda of, key: _answer(of.delete(key)),
    "clear": _done(lambda of, _: of.clear()),
    "push": _done(Map.push),
    "pop": lambda of, _: _answer(of.pop()),
}
