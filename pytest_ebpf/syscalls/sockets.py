"""Addresses of sockets."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, cast

from pytest_ebpf.syscalls.scalars import named
from pytest_ebpf.syscalls.values import Fields, Hex, quoted, written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["EXAMPLE", "Address", "address_of", "hexadecimal", "inet_text"]

_LONGEST = 128  # sizeof(struct sockaddr_storage): what is longer, no call takes
_family = named("address_families")


def inet_text(packed: bytes) -> str:
    """Write an IPv4 or IPv6 address."""
    import socket  # noqa: PLC0415 - decoding may never come

    return socket.inet_ntop(socket.AF_INET if len(packed) == struct.calcsize("I") else socket.AF_INET6, packed)


def hexadecimal(number: int, digits: int) -> str:
    """Write a number as C's ``%#0*x``: as wide as it has digits, and 0 without ``0x``."""
    return f"{number:#0{digits}x}" if number else "0" * digits


class Address(Fields):
    """The address of a socket: a mapping of what its family has, and attributes for what is common.

    An attribute that the family does not have is None.
    """

    __slots__ = ("raw_bytes",)

    names = (
        *("family", "address", "port", "path", "abstract", "scope", "flow", "pid", "groups"),
        *("interface", "protocol", "cid", "data"),
    )
    """Of all that an address can have."""

    def __init__(self, raw: bytes, fields: Mapping[str, Any], write: Callable[[Mapping[str, Any]], str]) -> None:
        """Take what `address_of` read."""
        super().__init__({name: fields.get(name) for name in self.names}, write)
        self.raw_bytes = raw
        """As the kernel has it (``struct sockaddr``)."""

    @property
    def family(self) -> int:
        """``AF_*``, with its name."""
        return cast("int", self.raw("family"))

    @property
    def address(self) -> str | None:
        """Of IPv4 and IPv6: ``127.0.0.1``, ``::1``."""
        return cast("str | None", self.raw("address"))

    @property
    def port(self) -> int | None:
        """Of IPv4, IPv6 and VM sockets."""
        return cast("int | None", self.raw("port"))

    @property
    def path(self) -> str | None:
        """Of Unix sockets: as it was passed; one that is abstract with ``@`` before it; None for one without a name."""
        return cast("str | None", self.raw("path"))

    @property
    def abstract(self) -> bool:
        """Whether a Unix socket's name is no path, but one of its network namespace (unix(7))."""
        return bool(self.raw("abstract"))

    @property
    def scope(self) -> int | None:
        """Of IPv6: the number of the network interface that a link-local address belongs to; else 0."""
        return cast("int | None", self.raw("scope"))

    @property
    def pid(self) -> int | None:
        """Of netlink: the port, which is often a process id; 0: the kernel."""
        return cast("int | None", self.raw("pid"))

    @property
    def groups(self) -> int | None:
        """Of netlink: multicast groups, a bit each."""
        return cast("int | None", self.raw("groups"))

    @property
    def interface(self) -> int | None:
        """Of packet sockets: the number of the network interface."""
        return cast("int | None", self.raw("interface"))

    def __eq__(self, other: object) -> bool:
        return self.raw_bytes == other.raw_bytes if isinstance(other, Address) else super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self.raw_bytes)


_NUMBERS = ("family", "port", "scope", "flow", "pid", "groups", "interface", "protocol", "cid")
EXAMPLE = Address(
    b"", {**dict.fromkeys(_NUMBERS, 0), "address": "", "path": "", "abstract": True, "data": b""}, lambda _: ""
)
"""One that has all that an address can have."""


def address_of(data: bytes) -> Address | None:
    """Return the address that some bytes are (``struct sockaddr``); None: they are too few for a family."""
    data = data[:_LONGEST]
    if len(data) < struct.calcsize("H"):
        return None
    family = _family(int.from_bytes(data[:2], "little"))
    known = _FAMILIES.get(str(family))
    if known is not None and len(data) >= known[0]:
        fields, write = known[1](data)
        return Address(data, {"family": family, **fields}, lambda _: f"{{sa_family={family}, {write}}}")
    rest = f", sa_data={quoted(data[2:])}" if data[2:] else ""
    return Address(data, {"family": family, "data": data[2:]}, lambda _: f"{{sa_family={family}{rest}}}")


def _unix(data: bytes) -> tuple[dict[str, Any], str]:
    name = data[2:110]  # sizeof(struct sockaddr_un)
    if name[0]:
        path = name.partition(b"\0")[0]
        return {"path": os.fsdecode(path), "abstract": False}, f"sun_path={quoted(path)}"
    return {"path": "@" + os.fsdecode(name[1:]), "abstract": True}, f"sun_path=@{quoted(name[1:])}"


def _inet(data: bytes) -> tuple[dict[str, Any], str]:
    port, packed = struct.unpack_from("!H4s", data, 2)
    text = inet_text(packed)
    return {"port": port, "address": text}, f'sin_port=htons({port}), sin_addr=inet_addr("{text}")'


def _inet6(data: bytes) -> tuple[dict[str, Any], str]:
    port, flow, packed = struct.unpack_from("!HI16s", data, 2)
    text = inet_text(packed)
    shown = f'sin6_port=htons({port}), sin6_flowinfo=htonl({flow}), inet_pton(AF_INET6, "{text}", &sin6_addr)'
    # Old callers' addresses end before the scope.
    scope = int.from_bytes(data[24:28], "little")
    if len(data) > 24:  # noqa: PLR2004 - offsetof(struct sockaddr_in6, sin6_scope_id)
        shown += f", sin6_scope_id={scope}"
    return {"port": port, "flow": flow, "address": text, "scope": scope}, shown


def _netlink(data: bytes) -> tuple[dict[str, Any], str]:
    pad, pid, groups = struct.unpack_from("=HiI", data, 2)
    shown = f"nl_pad={Hex(pad)}, " if pad else ""
    return {"pid": pid, "groups": groups}, f"{shown}nl_pid={pid}, nl_groups={hexadecimal(groups, 8)}"


def _packet(data: bytes) -> tuple[dict[str, Any], str]:
    (number,) = struct.unpack_from("!H", data, 2)
    interface, hardware, kind, length = struct.unpack_from("=iHBB", data, 4)
    protocol = named("ethernet_protocols")(number)
    shown = (
        f"sll_protocol=htons({protocol}), sll_ifindex={interface}"
        f", sll_hatype={named('arp_hardware_types')(hardware)}, sll_pkttype={named('packet_types')(kind)}"
        f", sll_halen={length}"
    )
    address = data[12 : 12 + length]
    if length:
        parts = [hexadecimal(byte, 2) for byte in address] + ["..."] * (len(address) < length)
        shown += f", sll_addr=[{', '.join(parts)}]"
    return {"interface": interface, "protocol": protocol, "data": address}, shown


def _vsock(data: bytes) -> tuple[dict[str, Any], str]:
    reserved, port, cid, flags = struct.unpack_from("=HIIB", data, 2)
    where = named("vsock_cids")(cid)
    shown = f"svm_reserved1={Hex(reserved)}, " if reserved else ""
    shown += f"svm_cid={where}, svm_port={named('vsock_ports')(port)}, svm_flags={named('vsock_flags')(flags)}"
    return {"cid": where, "port": port}, shown


def _algorithm(data: bytes) -> tuple[dict[str, Any], str]:
    kind, features, mask = struct.unpack_from("=14sII", data, 2)
    kind, name = (text.partition(b"\0")[0] for text in (kind, data[24:]))
    shown = f"salg_type={quoted(kind)}, salg_feat={Hex(features)}, salg_mask={Hex(mask)}, salg_name={written(name)}"
    return {"data": name}, shown


_FAMILIES: dict[str, tuple[int, Callable[[bytes], tuple[dict[str, Any], str]]]] = {
    "AF_UNIX": (3, _unix),
    "AF_INET": (16, _inet),
    "AF_INET6": (24, _inet6),
    "AF_NETLINK": (12, _netlink),
    "AF_PACKET": (20, _packet),
    "AF_VSOCK": (16, _vsock),
    "AF_ALG": (25, _algorithm),
}
"""By name: how many bytes an address of the family has at least, and what reads it."""
