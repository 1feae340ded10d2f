"""Memory policies and pages."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Scalar, cut, structure
from pytest_ebpf.syscalls.kinds import Memory, register
from pytest_ebpf.syscalls.scalars import named
from pytest_ebpf.syscalls.table import Capture

if TYPE_CHECKING:
    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

structure("mempolicy_mode", Scalar("I", named("mempolicy_modes")))


class PageStatus(int):
    """The node that a page is on, or why it is on none: an error's number, negative."""

    def __repr__(self) -> str:
        return str(int(self)) if self >= 0 else f"-{named('errors')(-self)}"

    __str__ = __repr__


structure("page_status", Scalar("i", PageStatus))


class NodeSet(tuple[int, ...]):  # noqa: SLOT001 - those of a tuple have to be empty
    """NUMA nodes, in order."""

    words: tuple[int, ...]
    """As the mask was passed."""

    def written(self) -> str:
        """Write the mask as strace does."""
        return "[" + ", ".join(f"{word:#018x}" if word else "0" * 16 for word in self.words) + "]"


@register("nodes")
class NodesKind(Memory):
    """A set of NUMA nodes: nodes(number of bits); with ``out`` the kernel fills it in."""

    portable = False
    noun = "a set of nodes"

    def captures(self) -> tuple[Capture, ...]:
        """Copy the mask."""
        bits = self.argument(self.parameters[0])
        return (Capture("bytes", self.at, 1, at_exit="out" in self.parameters, length="bits", length_arg=bits),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the numbers of the bits that are set."""
        del view
        words = tuple(word for (word,) in struct.iter_unpack("@Q", piece.data[: len(piece.data) // 8 * 8]))
        mask = int.from_bytes(piece.data, "little")
        found = NodeSet(number for number in range(mask.bit_length()) if mask >> number & 1)
        found.words = words
        return cut(self, piece, found)
