"""Bytes out of values: what `pytest_ebpf.probes.decode` does, backwards."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import UsageError
from pytest_ebpf.hints import listed
from pytest_ebpf.probes.types import (
    Array,
    Boolean,
    Character,
    Enumeration,
    Float,
    Integer,
    PointerTo,
    Structure,
    Type,
    spelled,
)
from pytest_ebpf.syscalls.values import Fields

if TYPE_CHECKING:
    from pytest_ebpf.probes.types import Field

__all__ = ["encoded"]

_FLOATS = {4: "<f", 8: "<d"}


def encoded(kind: Type | None, value: Any, size: int, what: str) -> bytes:
    """Encode a value.

    Args:
        kind: Its type; None: only bytes will do.
        value: As decoding gives it; of a structure also a dict, or a tuple of its fields; bytes are taken as they are.
        size: Bytes that are wanted.
        what: The value is, for messages.

    Raises:
        UsageError: It cannot be such a value.
    """
    if isinstance(value, bytes | bytearray) and not _is_text(kind):
        if len(value) != size:
            raise UsageError(f"{what} has {size} bytes, and not {len(value)}")
        return bytes(value)
    if kind is None:
        raise UsageError(f"{what} has no type that is known: give its {size} bytes, not {value!r}")
    return _of(kind, value, what).ljust(size, b"\0")


def _is_text(kind: Type | None) -> bool:
    return isinstance(kind, Array) and isinstance(kind.item, Character)


def _of(kind: Type, value: Any, what: str) -> bytes:
    if isinstance(kind, Structure):
        return _structure(kind, value, what)
    if isinstance(kind, Array):
        return _array(kind, value, what)
    if isinstance(kind, Float) and kind.size in _FLOATS and isinstance(value, int | float):
        return struct.pack(_FLOATS[kind.size], value)
    if isinstance(kind, Character) and isinstance(value, bytes | str) and len(value) == 1:
        return value.encode("latin-1") if isinstance(value, str) else value
    if isinstance(kind, Enumeration) and isinstance(value, str) and value in kind.names():
        value = kind.names()[value]
    if isinstance(kind, PointerTo) and value is None:
        value = 0
    if isinstance(kind, Boolean | Integer | Enumeration | PointerTo | Character) and isinstance(value, int):
        return _number(kind, value, what)
    raise UsageError(f"{what} is of the type {spelled(kind)}, and {value!r} is none")


def _number(kind: Boolean | Integer | Enumeration | PointerTo | Character, value: int, what: str) -> bytes:
    signed = isinstance(kind, Integer | Enumeration) and kind.signed
    try:
        data = int(value).to_bytes(kind.size, "little", signed=signed)
    except OverflowError:
        raise UsageError(f"{what} is of the type {spelled(kind)}, which {value} does not fit in") from None
    return data[::-1] if isinstance(kind, Integer) and kind.big else data


def _array(kind: Array, value: Any, what: str) -> bytes:
    if _is_text(kind) and isinstance(value, str | bytes):
        data = value.encode() if isinstance(value, str) else value
        if len(data) > kind.size:
            raise UsageError(f"{what} has {kind.size} bytes, and not {len(data)}")
        return data.ljust(kind.size, b"\0")
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != kind.count:
        raise UsageError(f"{what} is of the type {spelled(kind)}, and {value!r} is none")
    return b"".join(_of(kind.item, item, f"{what}[{at}]") for at, item in enumerate(value))


def _structure(kind: Structure, value: Any, what: str) -> bytes:
    if isinstance(value, Fields):
        value = {name: value[name] for name in value}
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == len(kind.fields):
        value = {field.name: item for field, item in zip(kind.fields, value, strict=True)}
    if not isinstance(value, Mapping):
        raise UsageError(f"{what} is of the type {kind.name}, and {value!r} is none: give a dict of its fields")
    fields = {field.name: field for field in kind.fields}
    if wrong := [str(name) for name in value if name not in fields]:
        there = listed(wrong[0], fields)
        raise UsageError(f"{what} is of the type {kind.name}, which has no field {wrong[0]!r}; it has {there}")
    data = bytearray(kind.size)
    for name, item in value.items():
        _put(data, fields[name], item, f"{what}.{name}")
    return bytes(data)


def _put(data: bytearray, field: Field, item: Any, what: str) -> None:
    if field.bit_size is None:
        part = _of(field.type, item, what)
        data[field.offset : field.offset + len(part)] = part
        return
    width = -(-(field.bit_offset + field.bit_size) // 8)
    signed = bool(getattr(field.type, "signed", False))
    low, high = (-(1 << field.bit_size - 1) if signed else 0), 1 << field.bit_size - signed
    if not isinstance(item, int) or not low <= item < high:
        raise UsageError(f"{what} has {field.bit_size} bits, which {item!r} does not fit in")
    mask = (1 << field.bit_size) - 1
    whole = int.from_bytes(data[field.offset : field.offset + width], "little")
    whole = whole & ~(mask << field.bit_offset) | (item & mask) << field.bit_offset
    data[field.offset : field.offset + width] = whole.to_bytes(width, "little")
