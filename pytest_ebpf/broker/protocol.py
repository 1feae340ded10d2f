"""What goes over the socket between pytest and its broker. Both sides use this file.

One message is one packet of a ``SOCK_SEQPACKET`` socket (``unix(7)``): a JSON object of at most 4096
bytes. A request names what it wants in ``op``; its answer says ``ok``. Answers may carry descriptors.
"""

from __future__ import annotations

import array
import json
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "MESSAGE_LIMIT",
    "VERSION",
    "Closed",
    "Malformed",
    "Message",
    "Oversized",
    "failure",
    "receive",
    "send",
]

VERSION = 4
"""Grows with every change that the other side must know of."""

MESSAGE_LIMIT = 4096
"""Bytes of a message at most."""

_DESCRIPTOR_LIMIT = 32
_TEXT_LIMIT = MESSAGE_LIMIT - 64


class Closed(Exception):  # noqa: N818 - an end, not a fault
    """The other side has closed the socket, or died."""


class Malformed(ValueError):  # noqa: N818 - reads as what the message is
    """The message is not understood; the next one may be."""


class Oversized(Malformed):
    """The message is longer than any can be: whoever sent it speaks another language."""


@dataclass(slots=True)
class Message:
    """What arrived."""

    body: dict[str, Any]
    descriptors: list[int] = field(default_factory=list)
    """Close-on-exec; the receiver's to close."""


def failure(text: str) -> dict[str, Any]:
    """Return the answer that refuses a request, its text cut to what fits into a message."""
    while len(json.dumps(text)) > _TEXT_LIMIT:
        text = text[: len(text) * 3 // 4] + " […]"
    return {"ok": False, "error": text}


def send(connection: socket.socket, body: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one message.

    Raises:
        ValueError: The message is longer than `MESSAGE_LIMIT`.
        OSError: The other side is gone or does not read. (There is no SIGPIPE on such a socket.)
    """
    data = json.dumps(body).encode()
    if len(data) > MESSAGE_LIMIT:
        raise ValueError(f"a message of {len(data)} bytes; {MESSAGE_LIMIT} at most")
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    connection.sendmsg([data], ancillary)


def receive(connection: socket.socket, *, descriptors: bool = False) -> Message:
    """Receive one message.

    The kernel copies at most `MESSAGE_LIMIT` bytes and says whether there was more: nothing that the other
    side sends decides how much memory is taken.

    Args:
        connection: A ``SOCK_SEQPACKET`` socket.
        descriptors: Whether descriptors are taken: as many as this process may open, perhaps fewer than were
            sent. If not, the kernel drops those that were sent along.

    Raises:
        Closed: Nothing will come any more.
        Malformed: It is no JSON object, or descriptors came that nobody asked for.
        Oversized: It is longer than `MESSAGE_LIMIT`.
        OSError: A timeout, or nothing there yet.
    """
    room = socket.CMSG_SPACE(_DESCRIPTOR_LIMIT * array.array("i").itemsize) if descriptors else 0
    try:
        data, ancillary, flags = _take(connection, room)
    except ConnectionResetError:
        # The other side closed without having read our last message. That is reported before, and once, what
        # it had sent to us until then: its reason, perhaps (unix_release_sock(), net/unix/af_unix.c).
        data, ancillary, flags = _take(connection, room)
    received = _descriptors(ancillary)
    try:
        _check_bare(flags, descriptors=descriptors)
        return Message(_parse(data, flags), received)
    except BaseException:
        for descriptor in received:
            os.close(descriptor)
        raise


def _check_bare(flags: int, *, descriptors: bool) -> None:
    if flags & socket.MSG_CTRUNC and not descriptors:
        raise Malformed("the message carries descriptors, and none are taken")


def _take(connection: socket.socket, room: int) -> tuple[bytes, list[tuple[int, int, bytes]], int]:
    # Without MSG_CMSG_CLOEXEC every program that a test starts would inherit the rings.
    data, ancillary, flags, _ = connection.recvmsg(MESSAGE_LIMIT, room, socket.MSG_CMSG_CLOEXEC)
    return data, ancillary, flags


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    received = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(data[: len(data) - len(data) % received.itemsize])
    return received.tolist()


def _parse(data: bytes, flags: int) -> dict[str, Any]:
    if flags & socket.MSG_TRUNC:
        raise Oversized(f"the message is longer than {MESSAGE_LIMIT} bytes")
    if not data:
        # A packet of no bytes looks the same as the end; nobody has a reason to send one.
        raise Closed
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed("the message is no JSON") from error
    if not isinstance(body, dict):
        raise Malformed("the message is no JSON object")
    return body
