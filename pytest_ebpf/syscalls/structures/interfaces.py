"""Network interfaces, as ioctl(2) on a socket is asked for them (netdevice(7))."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.kinds import Memory, register
from pytest_ebpf.syscalls.scalars import named
from pytest_ebpf.syscalls.sockets import address_of
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Fields, Missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__ = ["MacAddress"]

_NUMBERS = ("ifr_ifindex", "ifr_metric", "ifr_mtu", "ifr_qlen", "ifr_flags")
_SIZE, _NAME = 40, 16  # sizeof(struct ifreq), IFNAMSIZ
_MAC_AT, _MAC_SIZE = 2, 6


class MacAddress(bytes):
    """The address of a network interface."""

    __slots__ = ()

    def written(self) -> str:
        """Write it as people do."""
        return ":".join(f"{byte:02x}" for byte in self)


def _text(data: bytes) -> str:
    return os.fsdecode(data[:_NAME].partition(b"\0")[0])


def _number(data: bytes) -> int:
    return int.from_bytes(data[:4], "little", signed=True)


def _flags(data: bytes) -> Any:
    return named("interface_flags")(int.from_bytes(data[:2], "little"))


def _address(data: bytes) -> Any:
    return address_of(data[:_NAME])


def _hardware(data: bytes) -> Fields:
    (family,) = struct.unpack_from("@H", data)
    mac = MacAddress(data[_MAC_AT : _MAC_AT + _MAC_SIZE])
    return Fields({"sa_family": named("arp_hardware_types")(family), "sa_data": mac})


_FIELDS: dict[str, tuple[str, Callable[[bytes], Any]]] = {
    "ADDR": ("ifr_addr", _address),
    "DSTADDR": ("ifr_dstaddr", _address),
    "BRDADDR": ("ifr_broadaddr", _address),
    "NETMASK": ("ifr_netmask", _address),
    "HWADDR": ("ifr_hwaddr", _hardware),
    "FLAGS": ("ifr_flags", _flags),
    "INDEX": ("ifr_ifindex", _number),
    "METRIC": ("ifr_metric", _number),
    "MTU": ("ifr_mtu", _number),
    "TXQLEN": ("ifr_qlen", _number),
}
"""By what the request's name ends with: which field of the union it takes or returns."""


@register("ifreq")
class InterfaceRequest(Memory):
    """``struct ifreq``: ifreq(request); with ``out`` the kernel adds what was asked for."""

    portable = False
    noun = "a structure"
    fields = ("ifr_name", *(name for name, _ in _FIELDS.values()))
    example = Fields({"ifr_name": "", **dict.fromkeys(_NUMBERS, 0)})

    def flagset_of(self, field: str) -> str:
        """Return the set that has the names of flags."""
        return "interface_flags" if field == "ifr_flags" else ""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it before, and after if the kernel fills it in."""
        before, after = (Capture("bytes", self.at, _SIZE, at_exit=at_exit) for at_exit in (False, True))
        return (before, after) if "out" in self.parameters else (before,)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the name, and what the request is about."""
        request = str(named("ioctl_requests")(view.word(self.argument(self.parameters[0])) & 0xFFFFFFFF))
        if len(piece.data) < _SIZE:
            return Missing("the structure was not copied whole", address=piece.address)
        filled: bytes | None = piece.data
        if "out" in self.parameters:
            after = view.piece(self.first + 1)
            filled = after.data if after is not None and not after.unreadable and view.succeeded else None
        if request == "SIOCGIFNAME":
            return Fields(
                {"ifr_ifindex": _number(piece.data[_NAME:]), **({"ifr_name": _text(filled)} if filled else {})}
            )
        name, make = _FIELDS[request[len("SIOCGIF") :]]
        return Fields({"ifr_name": _text(piece.data), **({name: make(filled[_NAME:])} if filled else {})})
