"""Messages of sockets: ``struct msghdr`` with its address, its data and its control messages."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.syscalls.buffers import Member, Structure, example_of, not_asked
from pytest_ebpf.syscalls.kinds import Memory, register
from pytest_ebpf.syscalls.scalars import identifier, named, pointer
from pytest_ebpf.syscalls.sockets import EXAMPLE, address_of, inet_text
from pytest_ebpf.syscalls.structures.sockets import SocketLength
from pytest_ebpf.syscalls.structures.time import TIMESPEC
from pytest_ebpf.syscalls.structures.timers import TIMEVAL
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Descriptor, Fields, Hex, InetAddress, Missing, Pointer, written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__ = ["HEADER", "control_messages", "message"]

HEADER = struct.Struct("@QI4xQQQQi4x")  # struct msghdr, linux/socket.h
_NAME, _VECTOR, _CONTROL, _CONTENTS = 1, 2, 3, 4  # parts of CAPTURE_MESSAGE, bpf/events.h
_ITEM = struct.Struct("@QQ")  # struct iovec
_CONTROL_HEADER = struct.Struct("@Qii")  # struct cmsghdr
_ALIGNMENT = 8
_NOT_COPIED = "it lies behind what is copied of a message"


def message(view: View, capture: int, total: int | None, *, first: int = 0, room: int | None = None) -> Fields | None:
    """Return a message.

    Args:
        view: The call.
        capture: Which of its captures the message is.
        total: Bytes that were transferred; None: all that it has.
        first: The part that the header is; others follow.
        room: For the address, before the kernel said how long it is; None: it is the caller's own.

    Returns:
        None if it is not there, or not readable.
    """
    parts = view.parts(capture)
    header = parts.get(first)
    if header is None or header.unreadable or len(header.data) < HEADER.size:
        return None
    name, length, vector, count, control, control_length, flags = HEADER.unpack(header.data)
    named_length = SocketLength(struct.unpack("@i", struct.pack("@I", length))[0])
    named_length.room = int(named_length) if room is None else room
    fields: dict[str, Any] = {
        "msg_name": _name(parts.get(first + _NAME), name, named_length.room),
        "msg_namelen": named_length,
        "msg_iov": _vector(parts, first, vector, count, total),
        "msg_iovlen": count,
    }
    if control_length:
        fields["msg_control"] = _control(parts.get(first + _CONTROL), control)
    fields["msg_controllen"] = control_length
    fields["msg_flags"] = named("message_flags")(flags & 0xFFFFFFFF)
    return Fields(fields)


def _name(piece: Piece | None, address: int, room: int) -> Any:
    if piece is None or not address:
        return pointer(address)
    if piece.unreadable:
        return Missing("the address could not be read", address=address)
    found = address_of(piece.data[:room])
    return Pointer(address) if found is None else found


def _vector(parts: Mapping[int, Piece], first: int, address: int, count: int, total: int | None) -> Any:
    if not address:
        return None
    piece = parts.get(first + _VECTOR)
    if count and (piece is None or piece.unreadable):
        return Missing("the list of buffers could not be read", address=address)
    items, left = [], total
    for at, (base, length) in enumerate(_ITEM.iter_unpack(_whole(piece.data if piece else b"", _ITEM.size))):
        used = length if left is None else min(left, length)
        data = contents(parts.get(first + _CONTENTS + at), base, used, "msg_iov")
        items.append(Fields({"iov_base": data, "iov_len": length}))
        left = None if left is None else left - used
    found: Any = tuple(items)
    return Cut(found, Gap(_NOT_COPIED)) if piece is not None and piece.cut else found


def _whole(data: bytes, size: int) -> bytes:
    return data[: len(data) // size * size]


def contents(piece: Piece | None, address: int, length: int, name: str) -> Any:
    """Return the data of one buffer.

    Args:
        piece: What was copied of it.
        address: Where it is.
        length: Bytes that it holds.
        name: Whose it is.
    """
    if not address:
        return None
    if not length:
        return b""
    if piece is None:
        return not_asked(name, address)
    if piece.unreadable:
        return Missing(f"the data of {name} could not be read", address=address)
    if len(piece.data) < length:
        part: Any = piece.data
        return Cut(part, Gap(f"of the data of {name} only a part was copied"))
    return piece.data


def _control(piece: Piece | None, address: int) -> Any:
    if piece is None or piece.unreadable:
        return Missing("the control messages could not be read", address=address)
    return control_messages(piece.data, piece.cut, address)


def control_messages(data: bytes, cut: bool, address: int) -> Any:  # noqa: FBT001 - as `Piece.cut`
    """Return the control messages (cmsg(3)) that some bytes are.

    Args:
        data: As `msg_control` points to them.
        cut: Whether there are more.
        address: Where they are.
    """
    if len(data) < _CONTROL_HEADER.size:
        return Pointer(address)
    found, at = [], 0
    while len(data) - at >= _CONTROL_HEADER.size:
        length, level, kind = _CONTROL_HEADER.unpack_from(data, at)
        end = at + min(length, len(data) - at)
        found.append(_control_message(length, level, kind, data[at + _CONTROL_HEADER.size : end]))
        if length < _CONTROL_HEADER.size:
            break
        at += (length + _ALIGNMENT - 1) & -_ALIGNMENT
    whole: Any = tuple(found)
    return Cut(whole, Gap(_NOT_COPIED)) if cut else whole


def _control_message(length: int, level: int, kind: int, data: bytes) -> Fields:
    layer = named("socket_levels")(level)
    types = _TYPES.get(str(layer))
    name = Hex(kind) if types is None else named(types)(kind)
    reader = _READERS.get(str(name))
    known = reader is not None and len(data) >= reader[0]
    fields = {"cmsg_len": length, "cmsg_level": layer, "cmsg_type": name}
    if reader is not None and known:
        return Fields({**fields, "cmsg_data": reader[1](data)})
    # strace leaves out what it cannot name.
    text = "{" + ", ".join(f"{key}={written(value)}" for key, value in fields.items()) + "}"
    return Fields({**fields, "cmsg_data": data}, lambda _: text)


def _numbers(code: str, make: Callable[[int], Any] = int) -> Callable[[bytes], tuple[Any, ...]]:
    size = struct.calcsize(code)
    return lambda data: tuple(make(number) for (number,) in struct.iter_unpack(f"@{code}", _whole(data, size)))


_PACKET_INFO = Structure(
    Member("ipi_ifindex", "i"),
    *(Member(name, "4s", lambda packed: InetAddress(inet_text(packed))) for name in ("ipi_spec_dst", "ipi_addr")),
)
_ERROR = Structure(
    Member("ee_errno", "I"),
    *(Member(name, "B") for name in ("ee_origin", "ee_type", "ee_code", "_pad")),
    Member("ee_info", "I"),
    Member("ee_data", "I"),
    Member("offender", "16s", address_of),
)
_CREDENTIALS = Structure(Member("pid", "i"), Member("uid", "I", identifier), Member("gid", "I", identifier))
_TYPES = {"SOL_SOCKET": "control_message_types", "SOL_IP": "ip_control_message_types"}
_READERS: dict[str, tuple[int, Callable[[bytes], Any]]] = {
    "SCM_RIGHTS": (4, _numbers("i", Descriptor)),
    "SCM_CREDENTIALS": (12, _CREDENTIALS.read),
    "SCM_SECURITY": (1, bytes),
    **{f"SO_TIMESTAMP_{version}": (16, TIMEVAL.read) for version in ("OLD", "NEW")},
    **{f"SO_TIMESTAMPNS_{version}": (16, TIMESPEC.read) for version in ("OLD", "NEW")},
    **{
        f"SO_TIMESTAMPING_{version}": (48, lambda data: tuple(TIMESPEC.read(data, at) for at in (0, 16, 32)))
        for version in ("OLD", "NEW")
    },
    "IP_PKTINFO": (_PACKET_INFO.size, _PACKET_INFO.read),
    "IP_TTL": (4, _numbers("I")),
    "IP_CHECKSUM": (4, _numbers("I")),
    "IP_TOS": (1, _numbers("B", Hex)),
    "IP_RECVOPTS": (1, _numbers("B", Hex)),
    "IP_RETOPTS": (1, _numbers("B", Hex)),
    "IP_RECVERR": (_ERROR.size, _ERROR.read),
    "IP_ORIGDSTADDR": (16, address_of),
}
"""By type: how many bytes there are at least, and what reads them."""


_EXAMPLE = Fields(
    {
        "msg_name": EXAMPLE,
        **dict.fromkeys(("msg_namelen", "msg_iovlen", "msg_controllen", "msg_flags"), 0),
        "msg_iov": (Fields({"iov_base": b"", "iov_len": 0}),),
        "msg_control": (Fields(dict.fromkeys(("cmsg_len", "cmsg_level", "cmsg_type"), 0)),),
    }
)


class _MessageKind(Memory):
    portable = False
    noun = "a message"
    has_address = True
    example = _EXAMPLE
    fields = tuple(_EXAMPLE)

    def flagset_of(self, field: str) -> str:
        """Return the set that has the names of its flags."""
        return "message_flags" if field == "msg_flags" else ""


@register("message")
class Message(_MessageKind):
    """A message that is sent."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it with all that it points to."""
        return (Capture("message", self.at, data=True),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return its fields."""
        found = message(view, self.first, None)
        return Missing("it was not copied whole", address=piece.address) if found is None else found


@register("message_out")
class MessageOut(_MessageKind):
    """A message that is received."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it as it was passed, and as it was filled in."""
        return (Capture("bytes", self.at, HEADER.size), Capture("message", self.at, at_exit=True, data=True))

    def decode(self, view: View, piece: Piece) -> Any:
        """Return its fields; of a call that failed, the room for the address."""
        if len(piece.data) < HEADER.size:
            return Missing("it was not copied whole", address=piece.address)
        room = struct.unpack_from("@i", piece.data, struct.calcsize("@Q"))[0]
        if not view.succeeded:
            return Fields({"msg_namelen": room}) if view.returned else Pointer(piece.address)
        found = message(view, self.first + 1, view.raw.result, room=room)
        return Missing("it was not copied whole", address=piece.address) if found is None else found


_LIST_ITEM = struct.Struct("@56sI4x")  # struct mmsghdr
_PARTS = 128  # MESSAGE_PARTS, bpf/events.h


class _MessagesKind(Memory):
    portable = False
    noun = "a list of messages"
    has_address = True
    example = (Fields({"msg_hdr": _EXAMPLE, "msg_len": 0}),)

    def _lengths(self, view: View, capture: int) -> list[int]:
        """Return how many bytes of each message were transferred."""
        piece = view.piece(capture)
        if piece is None or not view.succeeded:
            return []
        return [length for _, length in _LIST_ITEM.iter_unpack(_whole(piece.data, _LIST_ITEM.size))]


def _listed(found: list[Fields | None], lengths: list[int], count: int) -> Any:
    items = tuple(
        Fields({"msg_hdr": header, **({"msg_len": lengths[at]} if at < len(lengths) else {})})
        for at, header in enumerate(found)
        if header is not None
    )
    whole: Any = items
    return whole if len(items) == count else Cut(whole, Gap(_NOT_COPIED))


@register("messages")
class Messages(_MessagesKind):
    """Messages that are sent: messages(count argument)."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy them with all that they point to, and how much of them was sent."""
        return (
            Capture("messages", self.at, data=True, length="arg", length_arg=self.argument(self.parameters[0])),
            Capture("bytes", self.at, _LIST_ITEM.size, at_exit=True, length="result"),
        )

    def decode(self, view: View, piece: Piece) -> Any:
        """Return a tuple."""
        del piece
        count = view.word(self.argument(self.parameters[0])) & 0xFFFFFFFF
        there = range(0, max(view.parts(self.first), default=0) + 1, _PARTS)
        found = [message(view, self.first, None, first=part) for part in there]
        return _listed(found, self._lengths(view, self.first + 1), count)


@register("messages_out")
class MessagesOut(_MessagesKind):
    """Messages that are received: messages_out(count argument)."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy them as they were passed, and as they were filled in, with how much of them was."""
        return (
            Capture("bytes", self.at, _LIST_ITEM.size, length="arg", length_arg=self.argument(self.parameters[0])),
            Capture("messages", self.at, at_exit=True, data=True, length="result"),
            Capture("bytes", self.at, _LIST_ITEM.size, at_exit=True, length="result"),
        )

    def decode(self, view: View, piece: Piece) -> Any:
        """Return a tuple."""
        if not view.succeeded:
            return Pointer(piece.address)
        lengths = self._lengths(view, self.first + 2)
        rooms = [HEADER.unpack(header)[1] for header, _ in _LIST_ITEM.iter_unpack(_whole(piece.data, _LIST_ITEM.size))]
        found = [
            message(view, self.first + 1, length, first=at * _PARTS, room=room)
            for at, (length, room) in enumerate(zip(lengths, rooms, strict=False))
        ]
        return _listed(found, lengths, view.raw.result)


@register("timeout_left")
class TimeoutLeft(Memory):
    """A timeout (``struct timespec``), in which the kernel leaves what was not used up."""

    portable = False
    noun = "a time"
    example = example_of(TIMESPEC)
    fields = TIMESPEC.fields

    def captures(self) -> tuple[Capture, ...]:
        """Copy it before and after."""
        return (Capture("bytes", self.at, TIMESPEC.size), Capture("bytes", self.at, TIMESPEC.size, at_exit=True))

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the time."""
        del view
        return TIMESPEC.read(piece.data)

    def note(self, view: View) -> str:
        """Return what is left."""
        if not view.succeeded:
            return ""
        if not view.raw.result:
            return "Timeout"
        return f"left {written(self.read(view, self.first + 1))}" if view.word(self.at) else ""
