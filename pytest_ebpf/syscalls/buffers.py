"""Kinds of arguments that are memory of some length: data, structures, lists of structures."""

from __future__ import annotations

import functools
import os
import struct
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.syscalls.kinds import Memory, enter_kind, register
from pytest_ebpf.syscalls.scalars import pointer
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Fields, Missing, Pointed, written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.kinds import Kind
    from pytest_ebpf.syscalls.view import View

__all__ = [
    "ListKind",
    "Member",
    "NumberKind",
    "Scalar",
    "Shape",
    "Structure",
    "StructureKind",
    "abbreviated",
    "cut",
    "example_of",
    "not_asked",
    "structure",
]


def cut(kind: Kind, piece: Piece, value: Any) -> Any:
    """Mark a value of which only the beginning was copied."""
    if not piece.cut:
        return value
    remedy = "a higher data_limit" if getattr(kind, "data", False) else ""
    return Cut(value, Gap(f"of {kind.names[kind.at]} only {len(piece.data)} bytes were copied", remedy))


def not_asked(name: str, address: int) -> Missing:
    """Return what stands for data that nobody asked for."""
    return Missing(
        f"the data of {name} was not copied",
        'ask for it: @pytest.mark.ebpf(data_limit="4K") or --ebpf-data-limit=4K',
        address=address,
    )


@register("bytes")
class Bytes(Memory):
    """What the caller passes: bytes(length argument)."""

    portable: ClassVar[bool] = True
    data: ClassVar[bool] = False
    """Whether it is the user's data, copied as far as the test asks for."""
    noun = "data"
    example: ClassVar[Any] = b""

    def captures(self) -> tuple[Capture, ...]:
        """Copy as many bytes as the length says, or the limit."""
        length = self.argument(self.parameters[0])
        return (Capture("bytes", self.at, 1, data=self.data, length="arg", length_arg=length),)

    def absent(self, view: View, address: int) -> Any:
        """Return what stands for data that was not copied."""
        missing = super().absent(view, address)
        return not_asked(self.names[self.at], address) if self.data and isinstance(missing, Missing) else missing

    def decode(self, view: View, piece: Piece) -> Any:
        """Return bytes."""
        del view
        return cut(self, piece, piece.data)


@register("data")
class Data(Bytes):
    """What the caller writes to a file or a socket."""

    data = True


@register("bytes_out")
class BytesOut(Bytes):
    """What the kernel returns: as many bytes as the result says; bytes_out(length argument): that many at most."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy what came."""
        if self.parameters:
            room = self.argument(self.parameters[0])
            return (Capture("bytes", self.at, 1, at_exit=True, data=self.data, length="filled", length_arg=room),)
        return (Capture("bytes", self.at, 1, at_exit=True, data=self.data, length="result"),)


@register("data_out")
class DataOut(BytesOut):
    """What the caller reads from a file or a socket."""

    data = True


@register("text_out")
class TextOut(BytesOut):
    """A text that the kernel returns: getcwd(2), readlink(2)."""

    noun = "a text"
    example = ""

    def decode(self, view: View, piece: Piece) -> Any:
        """Return it without a NUL at its end, as `os.fsdecode` does."""
        del view
        return cut(self, piece, os.fsdecode(piece.data.removesuffix(b"\0")))


class Member:
    """A field of a structure."""

    __slots__ = ("code", "make", "name")

    def __init__(self, name: str, code: str, make: Callable[[Any], Any] | None = None) -> None:
        """Describe it.

        Args:
            name: As the kernel's header has it; one that begins with ``_`` is left out.
            code: Of the module `struct`, for the machine's own ABI, which aligns it. ``4I`` is an array,
                ``0q16s`` a structure within.
            make: Makes the value of the number, tuple or bytes; None: as it is.
        """
        self.name, self.code, self.make = name, code, make


def abbreviated(*names: str | Callable[[Mapping[str, Any]], str]) -> Callable[[Mapping[str, Any]], str]:
    """Return what writes some fields as strace abbreviates a structure: ``{st_mode=…, st_size=…, ...}``.

    Args:
        names: In order; a callable says which one for the fields that there are.
    """

    def write(fields: Mapping[str, Any]) -> str:
        shown = (name if isinstance(name, str) else name(fields) for name in names)
        return "{" + "".join(f"{name}={written(fields[name])}, " for name in shown) + "...}"

    return write


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
            members: In order.
            text: Writes its fields as strace does; None: ``{name=value, …}``.
            pick: Returns those that mean something; None: all do.
        """
        self._members = members
        self._text, self._pick = text, pick
        self._code = "@" + "".join(member.code for member in members)
        self.size = struct.calcsize(self._code)

    @functools.cached_property
    def _places(self) -> list[tuple[Member, int, int]]:
        """Of each member that is shown: its first value, and how many it has."""
        places, at = [], 0
        for member in self._members:
            code = f"@{member.code}"
            count = len(struct.unpack(code, bytes(struct.calcsize(code))))
            if not member.name.startswith("_"):
                places.append((member, at, count))
            at += count
        return places

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its members."""
        return tuple(member.name for member in self._members if not member.name.startswith("_"))

    def flagset_of(self, field: str) -> str:
        """Return the set that has the names of a field's values; empty: none does."""
        makers = [member.make for member in self._members if member.name == field]
        return getattr(makers[0], "flagset", "") if makers else ""

    def read(self, data: bytes, at: int = 0) -> Fields:
        """Return its fields.

        Args:
            data: May be shorter than the structure, as old callers' are: the rest is zero, as the kernel has it.
            at: Where it begins.
        """
        values = struct.unpack(self._code, data[at : at + self.size].ljust(self.size, b"\0"))
        fields = {}
        for member, first, count in self._places:
            value = values[first] if count == 1 else values[first : first + count]
            fields[member.name] = member.make(value) if member.make else value
        return Fields(self._pick(fields) if self._pick else fields, self._text)


class Scalar:
    """A number that is pointed to, or one of several in a row."""

    def __init__(self, code: str, make: Callable[[int], Any] | None = None) -> None:
        """Describe it.

        Args:
            code: Of the module `struct`.
            make: Makes its value; None: as it is.
        """
        self._unpack = struct.Struct(f"@{code}")
        self.size = self._unpack.size
        self._make = make
        self.flagset: str = getattr(make, "flagset", "")
        """The set that has the names of its values; empty: none does."""

    def read(self, data: bytes, at: int = 0) -> Any:
        """Return it."""
        number: int = self._unpack.unpack_from(data, at)[0]
        return self._make(number) if self._make else number


def example_of(shape: Shape) -> Any:
    """Return what a shape has where each byte is 1, so that no pointer is none."""
    return shape.read(b"\1" * shape.size)


class Shape(Protocol):
    """What is behind a pointer, of a size that is known beforehand."""

    size: int
    """Bytes."""

    def read(self, data: bytes, at: int = 0) -> Any:
        """Return its value."""


_Shape = TypeVar("_Shape", bound=Shape)


class StructureKind(Memory):
    """A pointer to a structure; with the parameter ``out``: one that the kernel fills in."""

    portable: ClassVar[bool] = False
    noun = "a structure"

    def __init__(self, at: int, names: Sequence[str], parameters: Sequence[str], shape: Shape) -> None:
        """Prepare it; see `Kind`."""
        super().__init__(at, names, parameters)
        self._shape = shape
        self.fields = getattr(shape, "fields", ())
        self.flagset = getattr(shape, "flagset", "")

    @property
    def example(self) -> Any:
        """One such structure."""
        return example_of(self._shape)

    def flagset_of(self, field: str) -> str:
        """Return the set that has the names of a field's values; empty: none does."""
        return self._shape.flagset_of(field) if isinstance(self._shape, Structure) else ""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it."""
        return (Capture("bytes", self.at, self._shape.size, at_exit="out" in self.parameters),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return its fields."""
        del view
        if len(piece.data) < self._shape.size:
            return Missing(f"{self.names[self.at]} was not copied whole", address=piece.address)
        return self._shape.read(piece.data)


class NumberKind(StructureKind):
    """A pointer to a number; with ``out``: one that the kernel writes; with ``inout``: one that it changes."""

    noun = "a number"

    def captures(self) -> tuple[Capture, ...]:
        """Copy it before and after."""
        before, after = (Capture("bytes", self.at, self._shape.size, at_exit=at_exit) for at_exit in (False, True))
        return (before, after) if "inout" in self.parameters else (after,) if "out" in self.parameters else (before,)

    def value(self, view: View) -> Any:
        """Return it, with what it was changed to."""
        found = super().value(view)
        if "inout" in self.parameters and isinstance(found, Pointed):
            after = self.read(view, self.first + 1)
            found.after = after if isinstance(after, Pointed) else None
        return found

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the number."""
        found = super().decode(view, piece)
        return Pointed(found) if found is None or isinstance(found, int) else found


class ListKind(Memory):
    """A pointer to structures in a row: the parameter is the argument that counts them, or ``result``, or a number.

    With ``out`` the kernel fills them in.
    """

    portable: ClassVar[bool] = False
    noun = "a list"

    def __init__(self, at: int, names: Sequence[str], parameters: Sequence[str], shape: Shape) -> None:
        """Prepare it; see `Kind`."""
        super().__init__(at, names, parameters)
        self._shape = shape

    @property
    def example(self) -> Any:
        """A list of one."""
        return (example_of(self._shape),)

    def captures(self) -> tuple[Capture, ...]:
        """Copy as many as there are."""
        out, size, count = "out" in self.parameters, self._shape.size, self.parameters[0]
        if count == "result":
            return (Capture("bytes", self.at, size, at_exit=out, length="result"),)
        if count.isdigit():
            return (Capture("bytes", self.at, size * int(count), at_exit=out),)
        return (Capture("bytes", self.at, size, at_exit=out, length="arg", length_arg=self.argument(count)),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return a tuple of their fields."""
        del view
        size = self._shape.size
        found = tuple(self._shape.read(piece.data, at) for at in range(0, len(piece.data) // size * size, size))
        return cut(self, piece, found)


def structure(name: str, shape: _Shape) -> _Shape:
    """Enter a structure or a number as the kinds ``name`` and ``name_list``.

    See `StructureKind`, `NumberKind`, `ListKind` for their parameters.
    """
    kind = NumberKind if isinstance(shape, Scalar) else StructureKind
    enter_kind(name, lambda at, names, parameters: kind(at, names, parameters, shape))
    enter_kind(f"{name}_list", lambda at, names, parameters: ListKind(at, names, parameters, shape))
    return shape


for _name, _code in (("int32", "i"), ("uint32", "I"), ("int64", "q"), ("uint64", "Q")):
    structure(_name, Scalar(_code))
structure("pointer", Scalar("Q", pointer))
