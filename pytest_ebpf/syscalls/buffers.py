"""Kinds of arguments that are memory of some length: data, structures, lists of structures."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.syscalls.kinds import KINDS, Memory, register
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Fields, Missing, Pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.kinds import Kind
    from pytest_ebpf.syscalls.view import View

__all__ = ["Member", "Structure", "structure"]


def _cut(kind: Kind, piece: Piece, value: Any) -> Any:
    """Mark a value of which only the beginning was copied."""
    if not piece.cut:
        return value
    return Cut(value, Gap(f"of {kind.names[kind.at]} only {len(piece.data)} bytes were copied"))


@register("data")
class Data(Memory):
    """What the caller passes on: data(length argument); copied as far as the test asks for."""

    noun = "data"

    def captures(self) -> tuple[Capture, ...]:
        """Copy as many bytes as the length says, or the limit."""
        length = self.argument(self.parameters[0])
        return (Capture("bytes", self.at, 1, data=True, length="arg", length_arg=length),)

    def absent(self, view: View, address: int) -> Any:
        """Return what stands for data that nobody asked for."""
        if self.captures()[0].at_exit and not view.succeeded:
            return Pointer(address)
        return Missing(
            f"the data of {self.names[self.at]} was not copied",
            'ask for it: @pytest.mark.ebpf(data_limit="4K") or --ebpf-data-limit=4K',
            address=address,
        )

    def decode(self, view: View, piece: Piece) -> Any:
        """Return bytes."""
        del view
        return _cut(self, piece, piece.data)


@register("data_out")
class DataOut(Data):
    """What the kernel returns there: as many bytes as the result says, as far as the test asks for."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy what came."""
        return (Capture("bytes", self.at, 1, at_exit=True, data=True, length="result"),)


@register("text_out")
class TextOut(DataOut):
    """A text that the kernel returns, always copied: getcwd(2), readlink(2)."""

    noun = "a text"

    def captures(self) -> tuple[Capture, ...]:
        """Copy what came."""
        return (Capture("bytes", self.at, 1, at_exit=True, length="result"),)

    def absent(self, view: View, address: int) -> Any:
        """Return what stands for a text that was not copied."""
        return Memory.absent(self, view, address)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return it without a NUL at its end, as `os.fsdecode` does."""
        del view
        return _cut(self, piece, os.fsdecode(piece.data.removesuffix(b"\0")))


class Member:
    """A field of a structure: its code (module `struct`) and how it is written."""

    __slots__ = ("code", "make", "name")

    def __init__(self, name: str, code: str, make: Callable[[Any], Any] | None = None) -> None:
        """Describe it.

        Args:
            name: As the kernel's header has it; one that begins with ``_`` is left out.
            code: Of the module `struct`, for the machine's own ABI.
            make: Makes the value of the number or bytes; None: as it is.
        """
        self.name, self.code, self.make = name, code, make


class Structure:
    """A C structure of the machine's own ABI."""

    def __init__(
        self,
        *members: Member,
        text: Callable[[Mapping[str, Any]], str] | None = None,
        pick: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
    ) -> None:
        """Describe it.

        Args:
            members: In order, with their padding (module `struct`'s ``x``) said by the codes.
            text: Writes its fields as strace does; None: ``{name=value, …}``.
            pick: Returns those that mean something; None: all do.
        """
        self._members = members
        self._unpack = struct.Struct("@" + "".join(member.code for member in members))
        self.size = self._unpack.size
        self._text, self._pick = text, pick

    def read(self, data: bytes, at: int = 0) -> Fields:
        """Return its fields."""
        values = self._unpack.unpack_from(data, at)
        fields = {
            member.name: member.make(value) if member.make else value
            for member, value in zip(self._members, values, strict=True)
            if not member.name.startswith("_")
        }
        return Fields(self._pick(fields) if self._pick else fields, self._text)


class StructureKind(Memory):
    """A pointer to a structure; with the parameter ``out``: one that the kernel fills in."""

    portable: ClassVar[bool] = False
    noun = "a structure"

    def __init__(self, at: int, names: Sequence[str], parameters: Sequence[str], shape: Structure) -> None:
        """Prepare it; see `Kind`."""
        super().__init__(at, names, parameters)
        self._shape = shape

    def captures(self) -> tuple[Capture, ...]:
        """Copy it."""
        return (Capture("bytes", self.at, self._shape.size, at_exit="out" in self.parameters),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return its fields."""
        del view
        if len(piece.data) < self._shape.size:
            return Missing(f"{self.names[self.at]} was not copied whole", address=piece.address)
        return self._shape.read(piece.data)


class ListKind(Memory):
    """A pointer to structures in a row: the parameter is the argument that counts them, or ``result``.

    With ``out`` the kernel fills them in.
    """

    portable: ClassVar[bool] = False
    noun = "a list"

    def __init__(self, at: int, names: Sequence[str], parameters: Sequence[str], shape: Structure) -> None:
        """Prepare it; see `Kind`."""
        super().__init__(at, names, parameters)
        self._shape = shape

    def captures(self) -> tuple[Capture, ...]:
        """Copy as many as there are."""
        out, size = "out" in self.parameters, self._shape.size
        if self.parameters[0] == "result":
            return (Capture("bytes", self.at, size, at_exit=out, length="result"),)
        counted = self.argument(self.parameters[0])
        return (Capture("bytes", self.at, size, at_exit=out, length="arg", length_arg=counted),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return a tuple of their fields."""
        del view
        size = self._shape.size
        found = tuple(self._shape.read(piece.data, at) for at in range(0, len(piece.data) // size * size, size))
        return _cut(self, piece, found)


def structure(name: str, shape: Structure) -> Structure:
    """Enter a structure as the kinds ``name``, and ``name_list``; each with ``out`` if the kernel fills it in."""
    KINDS[name] = lambda at, names, parameters: StructureKind(at, names, parameters, shape)
    KINDS[f"{name}_list"] = lambda at, names, parameters: ListKind(at, names, parameters, shape)
    return shape
