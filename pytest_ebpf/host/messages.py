"""What goes over the socket between a client and the host. Both sides use this file.

As between a client and the broker (`pytest_ebpf.broker.protocol`), and what is longer than one message lies in a memfd
that comes with it: first the JSON text, then bytes that are no text.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_ebpf import sealed
from pytest_ebpf.broker import protocol
from pytest_ebpf.errors import BrokerError

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

__all__ = ["LONG_LIMIT", "Packet", "receive", "send"]

LONG_LIMIT = 256 << 20
"""Bytes of what is longer than a message at most."""


@dataclass(slots=True)
class Packet:
    """What arrived, or is to be sent."""

    body: Mapping[str, Any]
    payload: bytes = b""
    descriptors: Sequence[int] = field(default_factory=list)
    """Of what arrived, close-on-exec, and the receiver's to close."""


def send(connection: socket.socket, packet: Packet) -> None:
    """Send one packet.

    Raises:
        OSError: The other side is gone or does not read, or there is no memory for what is long.
    """
    text = json.dumps(packet.body).encode()
    if not packet.payload and len(text) <= protocol.MESSAGE_LIMIT:
        protocol.send(connection, packet.body, packet.descriptors)
        return
    with sealed.written("pytest-ebpf-message", text, packet.payload) as memfd:
        protocol.send(connection, {"long": len(text)}, (memfd, *packet.descriptors))


def receive(connection: socket.socket) -> Packet:
    """Receive one packet.

    Raises:
        protocol.Closed: Nothing will come any more.
        protocol.Malformed: It is not understood.
        OSError: A timeout, or nothing there yet.
    """
    message = protocol.receive(connection, descriptors=True)
    if "long" not in message.body:
        return Packet(message.body, b"", message.descriptors)
    try:
        body, payload = _long(message)
    except BaseException:
        for descriptor in message.descriptors:
            os.close(descriptor)
        raise
    return Packet(body, payload, message.descriptors)


def _long(message: protocol.Message) -> tuple[dict[str, Any], bytes]:
    length = message.body["long"]
    if not isinstance(length, int) or not message.descriptors:
        raise protocol.Malformed("the message's text is not there")
    data = _read(message.descriptors.pop(0))
    try:
        body = json.loads(data[:length])
    except (ValueError, RecursionError) as error:
        raise protocol.Malformed("the message is no JSON") from error
    if not isinstance(body, dict):
        raise protocol.Malformed("the message is no JSON object")
    return body, data[length:]


def _read(descriptor: int) -> bytes:
    try:
        return sealed.read(descriptor, LONG_LIMIT, "a long message")
    except BrokerError as error:
        raise protocol.Malformed(str(error)) from None
    finally:
        os.close(descriptor)
