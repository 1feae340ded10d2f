"""What a value is, in memory or in registers: the one model that ctypes, text, DWARF and BTF are read into."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_ebpf.syscalls.flags import EnumSet

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable

__all__ = [
    "BUFFER_LIMIT",
    "LARGEST",
    "STRING_LIMIT",
    "WORD",
    "Array",
    "Boolean",
    "Bytes",
    "Character",
    "Chars",
    "Enumeration",
    "Field",
    "Float",
    "Integer",
    "Opaque",
    "PointerTo",
    "Slice",
    "Structure",
    "Type",
    "alignment_by",
    "pointer",
    "points_further",
    "spelled",
    "string",
]

STRING_LIMIT = 256
"""Bytes of a string that are read, unless another number is asked for."""
BUFFER_LIMIT = 1024
"""Bytes of a buffer that are read, unless another number is asked for."""
LARGEST = 16382
"""Bytes that can be read at once: two less than ``PIECE_MOST`` of ``bpf/probes.h``, which a string needs."""
WORD = 8
"""Bytes of an address and of a general register: of x86-64 and arm64 alike."""


class _Natural:
    """What lies at multiples of its own size."""

    __slots__ = ()

    size: int

    @property
    def alignment(self) -> int:
        """Bytes, of whose multiples its address is one."""
        return self.size


@dataclass(frozen=True, slots=True)
class Integer(_Natural):
    """A number without a point."""

    size: int
    """Bytes."""
    signed: bool
    big: bool = False
    """Whether the highest byte comes first."""


@dataclass(frozen=True, slots=True)
class Boolean(_Natural):
    """C's ``_Bool``, C++'s and Rust's ``bool``."""

    size: int = 1


@dataclass(frozen=True, slots=True)
class Character(_Natural):
    """A ``char``, which decodes to `bytes`, or a wider one (``char32_t``, Rust's ``char``), to `str`."""

    size: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Enumeration(_Natural):
    """An integer whose values have names."""

    name: str
    size: int
    signed: bool
    values: EnumSet | type[enum.IntEnum]

    def names(self) -> dict[str, int]:
        """Return the values by name."""
        if isinstance(self.values, EnumSet):
            return self.values.values
        return {name: int(value) for name, value in self.values.__members__.items()}

    def of(self, number: int) -> int:
        """Return the value as its name is known: a member, or a number that knows its name."""
        if isinstance(self.values, EnumSet):
            return self.values.of(number)
        try:
            return self.values(number)
        except ValueError:
            return number


@dataclass(frozen=True, slots=True)
class Float(_Natural):
    """``float``, ``double`` or ``long double``."""

    size: int
    """Bytes that it takes: 16 of x87's ten."""
    x87: bool = False
    """The format of x86's ``long double``."""
    big: bool = False


@dataclass(frozen=True, slots=True)
class Opaque:
    """What is not decoded: a vector, a complex number, a function."""

    name: str
    size: int
    why: str
    """One clause, to follow "because"."""
    alignment: int = 1


@dataclass(frozen=True, slots=True)
class Chars:
    """The bytes from here up to a NUL."""

    limit: int = STRING_LIMIT
    size: int = 0
    alignment: int = 1


@dataclass(frozen=True, slots=True)
class Bytes:
    """So many items from here, as `bytes`."""

    length: int | str
    """Items: a number, or the argument that has it, by name or in the text form (``u32@arg0+8``, ``arg2``, ``ret``)."""
    item: int = 1
    """Bytes of one."""
    limit: int = BUFFER_LIMIT
    """Bytes that are read at most."""

    alignment: int = 1

    @property
    def size(self) -> int:
        """Bytes, as far as the type says."""
        return self.length * self.item if isinstance(self.length, int) else 0


@dataclass(frozen=True, slots=True, eq=False)
class PointerTo(_Natural):
    """The address of something, which is read too where the type is known."""

    target: Callable[[], Type | None]
    """Finds what it points to, when that is asked for: types refer to themselves. None: nobody knows."""
    name: str = "void *"
    size: int = WORD


@dataclass(frozen=True, slots=True)
class Slice:
    """A pointer and a length: Rust's ``&str`` and ``&[u8]``. Decodes to `bytes`."""

    item: int = 1
    limit: int = BUFFER_LIMIT
    size: int = 2 * WORD
    alignment: int = WORD


@dataclass(frozen=True, slots=True)
class Array:
    """Several of the same. Of characters it decodes to `bytes` (or `str`) up to the first NUL, as with ctypes."""

    item: Type
    count: int | None
    """None: as many as there are, which the type does not say."""

    @property
    def size(self) -> int:
        """Bytes, as far as the type says."""
        return self.item.size * (self.count or 0)

    @property
    def alignment(self) -> int:
        """Bytes, of whose multiples its address is one."""
        return self.item.alignment


@dataclass(frozen=True, slots=True)
class Field:
    """A member of a structure or union."""

    name: str
    type: Type
    offset: int
    """Bytes from the structure's start."""
    bit_offset: int = 0
    """Of a bit-field: bits from there, from the lowest."""
    bit_size: int | None = None
    """None: it is no bit-field."""


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """A structure, class or union; members of anonymous ones within are its own."""

    name: str
    """With what it is: ``struct exp``, ``union sigval``, ``class Widget``."""
    size: int
    alignment: int
    fields: tuple[Field, ...]
    by_reference: bool = False
    """Passed by an address though it is small: C++ classes that are not trivially copied."""


Type: TypeAlias = (
    Integer | Boolean | Character | Enumeration | Float | Opaque | Chars | Bytes | PointerTo | Slice | Array | Structure
)


@functools.lru_cache(maxsize=1024)
def pointer(target: Type, name: str = "") -> PointerTo:
    """Return the type of a pointer to `target`, the same one each time: a probe is told from others by its types."""
    return PointerTo(lambda: target, name or f"{spelled(target)} *")


def string(limit: int = STRING_LIMIT) -> PointerTo:
    """Return the type of a C string by its address.

    Args:
        limit: Bytes that are read at most.
    """
    return pointer(Chars(limit), "char *")


def alignment_by(fields: tuple[Field, ...], size: int) -> int:
    """Return the alignment that a structure has by its fields. Which are packed, debug information does not say."""
    plain = [field for field in fields if field.bit_size is None]
    misplaced = [field for field in plain if field.offset % field.type.alignment]
    if any(not isinstance(field.type, Structure) for field in misplaced):
        return 1
    largest = max((field.type.alignment for field in fields if field not in misplaced), default=1)
    return 1 if size % largest else largest


def points_further(kind: Type) -> bool:
    """Whether a value of this type has parts that are read for themselves."""
    if isinstance(kind, Array):
        return points_further(kind.item)
    if isinstance(kind, Structure):
        return any(points_further(field.type) for field in kind.fields)
    return isinstance(kind, PointerTo | Slice | Chars | Bytes)


def _dimensions(kind: Array) -> tuple[Type, list[int | None]]:
    item, counts = kind.item, [kind.count]
    while isinstance(item, Array):
        counts.append(item.count)
        item = item.item
    return item, counts


def spelled(kind: Type | None) -> str:  # noqa: PLR0911 - a table
    """Write a type, nearly as in C: ``s32``, ``char *``, ``struct exp *``, ``u8[16]``."""
    if isinstance(kind, Integer):
        return f"{'s' if kind.signed else 'u'}{kind.size * 8}" + "be" * kind.big
    if isinstance(kind, Float):
        return f"f{kind.size * 8}" + "be" * kind.big
    if isinstance(kind, Character):
        return "char" if kind.size == 1 else f"char{kind.size * 8}"
    if isinstance(kind, Array):
        item, counts = _dimensions(kind)
        return spelled(item) + "".join(f"[{'' if count is None else count}]" for count in counts)
    if isinstance(kind, Bytes):
        return f"bytes[{kind.length}]"
    if isinstance(kind, Boolean | Chars | Slice | None):
        return {Boolean: "bool", Chars: "char[]", Slice: "slice"}.get(type(kind), "void")
    return kind.name
