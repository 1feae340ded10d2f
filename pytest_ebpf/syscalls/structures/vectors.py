"""Data in several buffers (``struct iovec``)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.syscalls.buffers import not_asked
from pytest_ebpf.syscalls.kinds import Kind, register
from pytest_ebpf.syscalls.scalars import pointer
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Fields, Missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__ = ["Vector", "contents", "vector"]

_ITEM = struct.Struct("@QQ")  # struct iovec


class Vector(tuple[Fields, ...]):
    """Buffers, each with ``iov_base``, its data as far as it was transferred, and ``iov_len``."""

    __slots__ = ()

    @property
    def data(self) -> bytes:
        """The data of all buffers, put together.

        Raises:
            TraceIncomplete: It is not known, or not whole.
        """
        return b"".join(each.iov_base or b"" for each in self)


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
        return Cut(piece.data, Gap(f"of the data of {name} only a part was copied"))
    return piece.data


def _buffers(listed: Piece, data: Mapping[int, Piece], first: int, total: int | None, name: str) -> Iterator[Fields]:
    left = total
    for at, (base, length) in enumerate(_ITEM.iter_unpack(listed.data[: len(listed.data) // _ITEM.size * _ITEM.size])):
        used = length if left is None else min(left, length)
        yield Fields({"iov_base": contents(data.get(first + at), base, used, name), "iov_len": length})
        left = None if left is None else left - used


def vector(listed: Piece, data: Mapping[int, Piece], first: int, total: int | None, name: str) -> Any:
    """Return a list of buffers.

    Args:
        listed: The list itself.
        data: What was copied of their data, by part.
        first: The part that the first buffer's is.
        total: Bytes that were transferred; None: all that they hold.
        name: The argument's.
    """
    found = Vector(_buffers(listed, data, first, total, name))
    return Cut(found, Gap(f"{name} has more buffers than are copied")) if listed.cut else found


@register("iovec")
class VectorKind(Kind):
    """A list of buffers: iovec(count); with ``out`` the kernel fills them; with ``addresses`` they are another's."""

    portable = False
    example = (Fields({"iov_base": None, "iov_len": 0}),)

    def captures(self) -> tuple[Capture, ...]:
        """Copy the list, and the data as far as the test asks for."""
        count, *words = self.parameters
        out, data = "out" in words, "addresses" not in words
        return (Capture("vector", self.at, at_exit=out, data=data, length_arg=self.argument(count)),)

    def value(self, view: View) -> Any:
        """Return the buffers."""
        address, name = view.word(self.at), self.names[self.at]
        if not address:
            return None
        listed = view.piece(self.first)
        if listed is None:
            counted = view.word(self.argument(self.parameters[0]))
            return Missing(f"{name} was not copied", address=address) if counted else Vector()
        if listed.unreadable:
            return view.unread(address, f"{name}, a list,")
        out = "out" in self.parameters
        if "addresses" in self.parameters or (out and not view.succeeded):
            return Vector(
                Fields({"iov_base": pointer(base), "iov_len": length})
                for base, length in _ITEM.iter_unpack(listed.data[: len(listed.data) // _ITEM.size * _ITEM.size])
            )
        return vector(listed, view.parts(self.first), 1, view.raw.result if out else None, name)
