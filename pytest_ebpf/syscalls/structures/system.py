"""The system: its names, its memory, its processors."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Bytes, Member, Scalar, Structure, abbreviated, cut, structure
from pytest_ebpf.syscalls.kinds import Memory, Number, register
from pytest_ebpf.syscalls.scalars import named, pointer
from pytest_ebpf.syscalls.sockets import hexadecimal
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import HexBytes, Pointer

if TYPE_CHECKING:
    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

_NAME = 65  # __NEW_UTS_LEN + 1


def _text(data: bytes) -> str:
    return os.fsdecode(data.partition(b"\0")[0])


structure(
    "utsname",
    Structure(
        *(
            Member(name, f"{_NAME}s", _text)
            for name in ("sysname", "nodename", "release", "version", "machine", "domainname")
        ),
        text=abbreviated("sysname", "nodename"),
    ),
)
_MEMORY = ("totalram", "freeram", "sharedram", "bufferram", "totalswap", "freeswap")
structure(
    "sysinfo",
    Structure(
        Member("uptime", "Q"),
        Member("loads", "3Q"),
        *(Member(name, "Q") for name in _MEMORY),
        Member("procs", "H"),
        Member("_pad", "H"),
        Member("totalhigh", "Q"),
        Member("freehigh", "Q"),
        Member("mem_unit", "I"),
    ),
)
structure(
    "kexec_segment",
    Structure(Member("buf", "Q", pointer), Member("bufsz", "Q"), Member("mem", "Q", pointer), Member("memsz", "Q")),
)


class Personality(int):
    """How the kernel behaves towards a process (personality(2))."""

    def __repr__(self) -> str:
        return hex(self) if self == 0xFFFFFFFF else str(named("personalities")(self))  # noqa: PLR2004 - nothing is set

    __str__ = __repr__


register("personality", 32, Personality)(Number)


class SyslogAction(int):
    """What syslog(2) does."""

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called: one name, or none."""
        name = named("syslog_actions")(self).name
        return () if name is None else (name,)

    def __repr__(self) -> str:
        return " ".join([str(int(self)), *(f"/* {name} */" for name in self.names)])

    __str__ = __repr__


register("syslog_action", -32, SyslogAction)(Number)


@register("hostname")
class HostName(Bytes):
    """A name of the system: hostname(length argument)."""

    def value(self, view: View) -> Any:
        """Return it; one that is longer than the kernel takes is not looked at."""
        if view.word(self.at) and view.word(self.argument(self.parameters[0])) & 0xFFFFFFFF >= _NAME:
            return Pointer(view.word(self.at))
        return super().value(view)


@register("random")
class Random(Bytes):
    """Random bytes that the kernel returns, which strace writes in hexadecimal."""

    data = True

    def captures(self) -> tuple[Capture, ...]:
        """Copy what came, as far as the test asks for data."""
        return (Capture("bytes", self.at, 1, at_exit=True, data=True, length="result"),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the bytes."""
        found = super().decode(view, piece)
        return HexBytes(found) if isinstance(found, bytes) else found


class NodeSet(frozenset[int]):
    """Memory nodes, by their numbers."""

    words: tuple[int, ...] = ()
    """The set as it was passed."""

    def __repr__(self) -> str:
        return "[" + ", ".join(hexadecimal(word, 16) for word in self.words) + "]"

    __str__ = __repr__


@register("nodes")
class Nodes(Memory):
    """A set of memory nodes: nodes(argument that says how many bits it has)."""

    noun = "a set of nodes"
    example = NodeSet()

    def captures(self) -> tuple[Capture, ...]:
        """Copy it, in whole words."""
        bits = self.argument(self.parameters[0])
        return (Capture("bytes", self.at, 1, at_exit="out" in self.parameters, length="bits", length_arg=bits),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the nodes."""
        # The kernel leaves out the last bit (get_nodes(), mm/mempolicy.c).
        bits = view.word(self.argument(self.parameters[0])) - 1
        if not bits:
            return Pointer(piece.address)
        data = piece.data[: (bits + 63) // 64 * 8]
        mask = int.from_bytes(data, "little")
        found = NodeSet(number for number in range(min(bits, mask.bit_length())) if mask >> number & 1)
        found.words = tuple(word for (word,) in struct.iter_unpack("@Q", data[: len(data) // 8 * 8]))
        return cut(self, piece, found)


structure("mempolicy_mode", Scalar("i", named("mempolicy_modes")))
structure("page_status", Scalar("i", lambda number: number if number >= 0 else _Error(number)))


class _Error(int):
    def __repr__(self) -> str:
        return f"-{named('errors')(-self)}"

    __str__ = __repr__
