"""Options of sockets: their values, by level and name."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Scalar, Structure, cut
from pytest_ebpf.syscalls.flags import Named
from pytest_ebpf.syscalls.kinds import Kind, Memory, register
from pytest_ebpf.syscalls.scalars import identifier, named, pointer
from pytest_ebpf.syscalls.sockets import inet_text
from pytest_ebpf.syscalls.structures.timers import TIMEVAL
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import HexBytes, InetAddress, Pointed, Pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.buffers import Shape
    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

_OPTIONS = {
    "SOL_SOCKET": "socket_options",
    "SOL_IP": "ip_options",
    "SOL_IPV6": "ipv6_options",
    "SOL_TCP": "tcp_options",
    "SOL_UDP": "udp_options",
    "SOL_NETLINK": "netlink_options",
    "SOL_PACKET": "packet_options",
    "SOL_TLS": "tls_options",
    "SOL_XDP": "xdp_options",
    "AF_VSOCK": "vsock_options",
}


@register("socket_option")
class Option(Kind):
    """The name of an option, of the level that the parameter is."""

    example = Named()

    def value(self, view: View) -> Any:
        """Return it with its name."""
        level = _name("socket_levels", view.word(self.argument(self.parameters[0])))
        number = view.word(self.at) & 0xFFFFFFFF
        return named(_OPTIONS[level])(number) if level in _OPTIONS else number


def _name(flagset: str, number: int) -> str:
    return str(named(flagset)(number & 0xFFFFFFFF))


def _inet(packed: bytes) -> InetAddress:
    return InetAddress(inet_text(packed))


_LINGER = Structure(Member("l_onoff", "i"), Member("l_linger", "i"))
_CREDENTIALS = Structure(Member("pid", "i"), Member("uid", "I", identifier), Member("gid", "I", identifier))
_PROGRAM = Structure(Member("len", "H"), Member("filter", "Q", pointer))
_MEMBERSHIP = Structure(Member("imr_multiaddr", "4s", _inet), Member("imr_interface", "4s", _inet))
_MEMBERSHIP_WITH_INDEX = Structure(
    Member("imr_multiaddr", "4s", _inet), Member("imr_address", "4s", _inet), Member("imr_ifindex", "i")
)


def _membership6(fields: Mapping[str, Any]) -> str:
    group = fields["ipv6mr_multiaddr"]
    return f'{{inet_pton(AF_INET6, "{group}", &ipv6mr_multiaddr), ipv6mr_interface={fields["ipv6mr_interface"]}}}'


_SHAPES: dict[str, Shape] = {
    "SO_LINGER": _LINGER,
    "SO_PEERCRED": _CREDENTIALS,
    "SO_RCVTIMEO_OLD": TIMEVAL,
    "SO_SNDTIMEO_OLD": TIMEVAL,
    "SO_RCVTIMEO": TIMEVAL,
    "SO_SNDTIMEO": TIMEVAL,
    "IP_ADD_MEMBERSHIP": _MEMBERSHIP,
    "IP_DROP_MEMBERSHIP": _MEMBERSHIP,
    **{
        name: Structure(
            Member("ipv6mr_multiaddr", "16s", inet_text), Member("ipv6mr_interface", "I"), text=_membership6
        )
        for name in ("IPV6_ADD_MEMBERSHIP", "IPV6_DROP_MEMBERSHIP", "IPV6_JOIN_ANYCAST", "IPV6_LEAVE_ANYCAST")
    },
    **{
        name: Structure(*(Member(f"tp_{of}", "I") for of in ("block_size", "block_nr", "frame_size", "frame_nr")))
        for name in ("PACKET_RX_RING", "PACKET_TX_RING")
    },
    "PACKET_STATISTICS": Structure(*(Member(f"tp_{of}", "I") for of in ("packets", "drops", "freeze_q_cnt"))),
}
_TEXTS = {"SO_BINDTODEVICE", "TCP_CONGESTION", "TCP_ULP"}
_INT = Scalar("i")


class _Value(Memory):
    portable = False
    noun = "an option"

    def decode(self, view: View, piece: Piece) -> Any:
        """Return what the option says it is: a number, a structure, bytes."""
        level = _name("socket_levels", view.word(self.argument("level")))
        number = view.word(self.argument("optname"))
        option = _name(_OPTIONS[level], number) if level in _OPTIONS else ""
        return cut(self, piece, self.meaning(level, option, piece))

    def meaning(self, level: str, option: str, piece: Piece) -> Any:
        """Return the value of an option."""
        shape = _SHAPES.get(option)
        if shape is not None:
            if len(piece.data) >= shape.size:
                return shape.read(piece.data)
            return piece.data if shape is TIMEVAL else self.short(piece)
        if option in _TEXTS:
            return piece.data
        if len(piece.data) == _INT.size or (level in {"SOL_SOCKET", "SOL_NETLINK"} and len(piece.data) > _INT.size):
            return Pointed(_INT.read(piece.data))
        return self.short(piece) if level == "SOL_SOCKET" and len(piece.data) < _INT.size else piece.data

    def short(self, piece: Piece) -> Any:
        """Return what stands for a value that is shorter than what the option says it is."""
        return Pointer(piece.address)


@register("option_in")
class ValuePassed(_Value):
    """A value that is set: its length is ``optlen``."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it."""
        return (Capture("bytes", self.at, 1, length="arg", length_arg=self.argument("optlen")),)

    def meaning(self, level: str, option: str, piece: Piece) -> Any:
        """Return the value of an option."""
        if option in {"SO_ATTACH_FILTER", "SO_ATTACH_REUSEPORT_CBPF"}:
            return _PROGRAM.read(piece.data) if len(piece.data) == _PROGRAM.size else Pointer(piece.address)
        return super().meaning(level, option, piece)


@register("option_out")
class ValueReturned(_Value):
    """A value that the kernel returns: ``optlen`` points to its length."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it."""
        return (Capture("bytes", self.at, 1, at_exit=True, length="at_pointer", length_arg=self.argument("optlen")),)

    def meaning(self, level: str, option: str, piece: Piece) -> Any:
        """Return the value of an option."""
        if not piece.data:
            return Pointer(piece.address)
        if option == "SO_ERROR" and len(piece.data) >= _INT.size:
            return Pointed(_error(_INT.read(piece.data)))
        if option == "NETLINK_LIST_MEMBERSHIPS":
            return tuple(number for (number,) in struct.iter_unpack("@I", piece.data[: len(piece.data) // 4 * 4]))
        return super().meaning(level, option, piece)

    def short(self, piece: Piece) -> Any:
        """Return the bytes."""
        return HexBytes(piece.data)


def _error(number: int) -> Any:
    return named("errors")(number) if number else number
