"""Sockets: their addresses, and how long those are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Scalar, Structure, cut, structure
from pytest_ebpf.syscalls.flags import Named
from pytest_ebpf.syscalls.kinds import Kind, Memory, Number, register
from pytest_ebpf.syscalls.scalars import identifier, named
from pytest_ebpf.syscalls.sockets import EXAMPLE, Address, address_of
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Descriptor, Pointer

if TYPE_CHECKING:
    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__ = ["SocketLength"]


class SocketLength(int):
    """How many bytes long something is that the kernel wrote; `room`: how many there was room for."""

    room: int

    def __repr__(self) -> str:
        return str(int(self)) if self == self.room else f"{self.room} => {int(self)}"

    __str__ = __repr__


class _PointedLength(SocketLength):
    def __repr__(self) -> str:
        return f"[{super().__repr__()}]"

    __str__ = __repr__


@register("socklen")
class SocketLengthKind(Memory):
    """A length before and after: socklen(what it is the length of), where a call may do without both."""

    portable = True
    noun = "a length"
    example = 0

    def captures(self) -> tuple[Capture, ...]:
        """Copy it before and after."""
        return (Capture("bytes", self.at, 4), Capture("bytes", self.at, 4, at_exit=True))

    def value(self, view: View) -> Any:
        """Return the length."""
        if self.parameters and view.word(self.at) and not view.word(self.argument(self.parameters[0])):
            return Pointer(view.word(self.at))
        room = super().value(view)
        if not isinstance(room, SocketLength) or not view.succeeded:
            return room
        length = self.read(view, self.first + 1)
        if isinstance(length, SocketLength):
            length.room = room.room
        return length

    def decode(self, view: View, piece: Piece) -> SocketLength:
        """Return one of both."""
        del view
        length = _PointedLength(int.from_bytes(piece.data, "little", signed=True))
        length.room = int(length)
        return length


class _AddressKind(Memory):
    portable = True
    noun = "an address"
    fields = Address.names
    has_address = True
    example = EXAMPLE

    def flagset_of(self, field: str) -> str:
        """Return the set that has the names of families."""
        return "address_families" if field == "family" else ""

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the address."""
        del view
        address = address_of(piece.data)
        if address is None:
            return Pointer(piece.address)
        if piece.cut and len(piece.data) < _LONGEST:
            return cut(self, piece, address)
        return address


_LONGEST = 128  # sizeof(struct sockaddr_storage)


@register("sockaddr")
class AddressKind(_AddressKind):
    """An address that the caller passes: sockaddr(length argument)."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it."""
        length = self.argument(self.parameters[0])
        return (Capture("bytes", self.at, 1, length="arg", length_arg=length),)

    def value(self, view: View) -> Any:
        """Return the address; none has a negative length."""
        if view.word(self.at) and view.signed(self.argument(self.parameters[0]), 32) < 0:
            return Pointer(view.word(self.at))
        return super().value(view)


@register("sockaddr_out")
class AddressOut(_AddressKind):
    """An address that the kernel returns: sockaddr_out(pointer to its length)."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it."""
        length = self.argument(self.parameters[0])
        return (Capture("bytes", self.at, 1, at_exit=True, length="at_pointer", length_arg=length),)

    def value(self, view: View) -> Any:
        """Return the address; nothing where the caller did not say how much room there is."""
        if view.word(self.at) and not view.word(self.argument(self.parameters[0])):
            return Pointer(view.word(self.at))
        return super().value(view)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the address, cut where there was no room for more."""
        del view
        address = address_of(piece.data)
        # That is what the caller got, too: nothing is missing.
        return Pointer(piece.address) if address is None else address


_PROTOCOLS = {
    "AF_INET": "ip_protocols",
    "AF_INET6": "ip_protocols",
    "AF_NETLINK": "netlink_protocols",
    "AF_CAN": "can_protocols",
}


class Ethernet(int):
    """A protocol of link layer packets, in network order as socket(2) takes it."""

    @property
    def protocol(self) -> Any:
        """``ETH_P_*``."""
        return named("ethernet_protocols")(int.from_bytes((self & 0xFFFF).to_bytes(2, "little"), "big"))

    def __repr__(self) -> str:
        return f"htons({self.protocol})"

    __str__ = __repr__


@register("socket_protocol")
class Protocol(Kind):
    """A protocol, of the family that the parameter is."""

    example = Named()

    def value(self, view: View) -> Any:
        """Return it with its name."""
        family = str(named("address_families")(view.word(self.argument(self.parameters[0])) & 0xFFFFFFFF))
        number = view.word(self.at) & 0xFFFFFFFF
        if family == "AF_PACKET":
            return Ethernet(number)
        return named(_PROTOCOLS[family])(number) if family in _PROTOCOLS else number


register("socket_type", 32, named("socket_types"))(Number)
structure("descriptor", Scalar("i", Descriptor))
structure("ucred", Structure(Member("pid", "i"), Member("uid", "I", identifier), Member("gid", "I", identifier)))
