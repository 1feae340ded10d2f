"""Types out of ctypes: as a test describes what a function takes."""

from __future__ import annotations

import ctypes
import enum
import functools
import platform
from typing import Any

from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.types import (
    BUFFER_LIMIT,
    LARGEST,
    STRING_LIMIT,
    Array,
    Boolean,
    Bytes,
    Character,
    Enumeration,
    Field,
    Float,
    Integer,
    Opaque,
    PointerTo,
    Structure,
    Type,
    pointer,
    spelled,
    string,
)

__all__ = ["Buffer", "Pointer", "String", "from_ctypes"]

_SIGNED = "bhilq"
_UNSIGNED = "BHILQ"
_WIDE_CHARACTER = 4  # wchar_t of Linux
_ENUM = 4  # int, which a C enum is unless it does not fit


def Pointer(target: Any) -> PointerTo:  # noqa: N802 - it reads as a type does
    """Say that an argument is the address of something, which is read too.

    Args:
        target: A ctypes type, or what `String`, `Buffer` and this return.

    Raises:
        UsageError: It is no type.
    """
    return pointer(from_ctypes(target))


def String(limit: int = STRING_LIMIT) -> PointerTo:  # noqa: N802 - it reads as a type does
    """Say that an argument is the address of a C string (``ctypes.c_char_p`` with a limit).

    Args:
        limit: Bytes that are read at most; of a longer string the rest is not known.

    Raises:
        UsageError: So many cannot be read.
    """
    return string(_checked(limit))


def Buffer(length: int | str, *, item: Any = ctypes.c_ubyte, limit: int = BUFFER_LIMIT) -> PointerTo:  # noqa: N802 - it reads as a type does
    """Say that an argument is the address of bytes, of which another argument tells how many there are.

    Args:
        length: Items: a number, an argument's name, or the text form: ``"arg2"``, ``"u32@arg0+8"``, ``"ret"``.
        item: The ctypes type of one item.
        limit: Bytes that are read at most.

    Raises:
        UsageError: `item` is no type, or so many bytes cannot be read.
    """
    return pointer(Bytes(length, from_ctypes(item).size, _checked(limit)), "void *")


def _checked(limit: int) -> int:
    if not 0 < limit <= LARGEST:
        raise UsageError(f"1 to {LARGEST} bytes can be read, not {limit}")
    return limit


def from_ctypes(given: Any) -> Type:
    """Return what a ctypes type, an `enum.IntEnum` or a `Pointer` describes.

    Raises:
        UsageError: It is something else, or cannot be a value of C.
    """
    if isinstance(given, Type):
        return given
    if isinstance(given, type) and issubclass(given, enum.IntEnum):
        return _enumeration(given)
    found = _converted(given) if isinstance(given, type) else None
    if found is None:
        raise UsageError(
            f"{_shown(given)} is no type of an argument\n"
            "  try     one of ctypes (c_int, c_char_p, a Structure, POINTER(...)), an IntEnum,"
            " Pointer(...), String(...), Buffer(...), or a text such as 's32@arg0+4'"
        )
    return found


def _shown(given: Any) -> str:
    return given.__name__ if isinstance(given, type) else repr(given)


@functools.lru_cache(maxsize=256)
def _enumeration(given: type[enum.IntEnum]) -> Enumeration:
    low, high = min(given, default=0), max(given, default=0)
    size = _ENUM if low >= -(1 << 31) and high < 1 << 32 else 8
    return Enumeration(given.__name__, size, low < 0, given)


# A Structure refers to itself through pointers, and has to be found on the way.
@functools.lru_cache(maxsize=1024)
def _converted(given: type) -> Type | None:
    if issubclass(given, ctypes.Structure | ctypes.Union):
        return _structure(given)
    if issubclass(given, ctypes.Array):
        array: Any = given
        return Array(from_ctypes(array._type_), array._length_)
    if issubclass(given, ctypes._Pointer):  # noqa: SLF001 - the class has no public name
        target: Any = given._type_
        return PointerTo(lambda: from_ctypes(target), f"{_name(target)} *")
    if issubclass(given, ctypes._CFuncPtr):  # type: ignore[attr-defined]  # noqa: SLF001 - the class has no public name
        return PointerTo(lambda: None, "void (*)()")
    if issubclass(given, ctypes._SimpleCData):  # noqa: SLF001 - the class has no public name
        return _simple(given)
    return None


def _name(given: Any) -> str:
    if isinstance(given, type) and issubclass(given, ctypes.Structure | ctypes.Union):
        return _structure_name(given)
    return spelled(from_ctypes(given))


def _structure_name(given: type) -> str:
    return f"{'union' if issubclass(given, ctypes.Union) else 'struct'} {given.__name__}"


def _is_swapped(given: Any) -> bool:
    return getattr(given, "__ctype_be__", given) is given is not getattr(given, "__ctype_le__", given)


def _simple(given: Any) -> Type | None:  # noqa: PLR0911 - a table
    code, size, big = given._type_, ctypes.sizeof(given), _is_swapped(given)
    if code in _SIGNED or code in _UNSIGNED:
        return Integer(size, code in _SIGNED, big)
    if code in "fdg":
        return Float(size, x87=code == "g" and platform.machine() == "x86_64", big=big)
    if code == "?":
        return Boolean(size)
    if code in "cu":
        return Character(1 if code == "c" else _WIDE_CHARACTER)
    if code == "z":
        return string()
    if code == "Z":
        return PointerTo(lambda: None, "wchar_t *")
    if code in "PO":
        return PointerTo(lambda: None, "void *" if code == "P" else "PyObject *")
    return None


def _structure(given: Any) -> Structure | Opaque:
    members = [each for part in reversed(given.__mro__) for each in vars(part).get("_fields_", ())]
    if any(bits for _, _, *bits in members) and not issubclass(given, ctypes.Union):
        _check_bit_fields(given, members)
    fields = [field for name, kind, *bits in members for field in _fields(given, name, kind, bits[0] if bits else None)]
    return Structure(_structure_name(given), ctypes.sizeof(given), ctypes.alignment(given), tuple(fields))


def _check_bit_fields(given: Any, members: list[Any]) -> None:
    """Refuse a structure that ctypes lays out in another way than C: CPython before 3.14, around bit-fields.

    Raises:
        UsageError: It does.
    """
    at = 0  # in bits, as the System V ABI says (AMD64 supplement, 3.1.2)
    for name, kind, *bits in members:
        unit, width = ctypes.sizeof(kind) * 8, bits[0] if bits else ctypes.sizeof(kind) * 8
        alignment = min(ctypes.alignment(kind), getattr(given, "_pack_", 0) or 16) * 8
        if not bits or at // unit != (at + width - 1) // unit:
            at = -(-at // alignment) * alignment
        where = getattr(given, name)
        theirs = where.offset * 8 + (where.size & 0xFFFF if bits else 0)
        if theirs != at:
            raise UsageError(
                f"{given.__name__}.{name}: ctypes puts it at bit {theirs}, C at bit {at}: this Python's ctypes lays"
                " out bit-fields in its own way\n"
                "  try     the names of the debug information, or fields in the text form: 'u32@arg0+4'"
            )
        at += width


def _fields(given: Any, name: str, kind: Any, bits: int | None) -> list[Field]:
    at = getattr(given, name)
    inner = from_ctypes(kind)
    if isinstance(inner, Structure) and name in getattr(given, "_anonymous_", ()):
        return [
            Field(each.name, each.type, at.offset + each.offset, each.bit_offset, each.bit_size)
            for each in inner.fields
        ]
    if bits is None:
        return [Field(name, inner, at.offset)]
    if isinstance(inner, Integer) and inner.big:
        why = f"{name} is a bit-field whose highest byte comes first: {spelled(inner)}"
        return [Field(name, Opaque(spelled(inner), inner.size, why), at.offset)]
    if issubclass(given, ctypes.Union):
        return [Field(name, inner, 0, 0, bits)]  # CPython before 3.14 says offset -1 of the second
    # ctypes packs where a bit-field is into its size: bits << 16 | lowest bit.
    return [Field(name, inner, at.offset, at.size & 0xFFFF, bits)]
