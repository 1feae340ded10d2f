"""Values out of bytes that a probe read."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.probes.types import (
    Array,
    Boolean,
    Character,
    Enumeration,
    Field,
    Float,
    Integer,
    Opaque,
    PointerTo,
    Structure,
    Type,
)
from pytest_ebpf.probes.values import Structured, Unreadable
from pytest_ebpf.syscalls.values import Pointer

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Blob", "array", "decoded", "field_value"]


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one object, as far as they are known."""

    data: bytes
    beyond: Gap
    """Why there are no more of them."""
    holes: tuple[tuple[int, int, Gap], ...] = ()
    """Where bytes are not known: from, to, and why."""

    def take(self, offset: int, size: int) -> bytes | Gap:
        """Return bytes, or why they are not known."""
        for start, end, gap in self.holes:
            if start < offset + size and offset < end:
                return gap
        data = self.data[offset : offset + size]
        return data if len(data) == size else self.beyond


def decoded(kind: Type, blob: Blob, offset: int = 0) -> Any:
    """Decode a value whose parts are all in one place: its own type, a `Gap` or a `Cut`."""
    if isinstance(kind, Structure):
        return Structured({field.name: field_value(field, blob, offset) for field in kind.fields})
    if isinstance(kind, Array):
        return _array(kind, blob, offset)
    if isinstance(kind, Opaque):
        return Gap(kind.why)
    data = blob.take(offset, kind.size)
    return data if isinstance(data, Gap) else _scalar(kind, data)


def field_value(field: Field, blob: Blob, offset: int) -> Any:
    """Decode a field of the structure that begins at `offset`."""
    if field.bit_size is None:
        return decoded(field.type, blob, offset + field.offset)
    data = blob.take(offset + field.offset, -(-(field.bit_offset + field.bit_size) // 8))
    if isinstance(data, Gap):
        return data
    number = int.from_bytes(data, "little") >> field.bit_offset & ((1 << field.bit_size) - 1)
    if getattr(field.type, "signed", False) and number >> (field.bit_size - 1):
        number -= 1 << field.bit_size
    if isinstance(field.type, Boolean):
        return bool(number)
    return field.type.of(number) if isinstance(field.type, Enumeration) else number


def _array(kind: Array, blob: Blob, offset: int) -> Any:
    if isinstance(kind.item, Character) and kind.count is not None:
        return _text(kind.item.size, kind.count, blob, offset)
    return array(kind, (decoded(kind.item, blob, offset + at * kind.item.size) for at in range(kind.count or 0)))


def array(kind: Array, items: Iterable[Any]) -> Any:
    """Return the value of an array, as far as its items are known."""
    if kind.count is None:
        return Gap("its type does not say how many items it has", "a type with a number of items")
    found: list[Any] = []
    for item in items:
        gap = item.gap if isinstance(item, Cut) else item
        if isinstance(gap, Gap) and not isinstance(gap, Unreadable):
            return Cut(tuple(found), gap, total=kind.count) if found else gap
        found.append(item)
    if len(found) < kind.count:
        return Cut(tuple(found), Gap(f"of its items, {len(found)} are read at most"), total=kind.count)
    return tuple(found)


def _text(width: int, count: int, blob: Blob, offset: int) -> Any:
    there = min(count, max(0, (len(blob.data) - offset) // width))
    data = blob.take(offset, there * width)
    if isinstance(data, Gap):
        return data
    units = [data[at : at + width] for at in range(0, len(data), width)]
    nul = bytes(width)
    ended = nul in units
    text = _joined(units[: units.index(nul)] if ended else units, width)
    if isinstance(text, Gap) or ended or there == count:
        return text
    return Cut(text, blob.beyond) if there else blob.beyond


def _joined(units: list[bytes], width: int) -> Any:
    data = b"".join(units)
    if width == 1:
        return data
    try:
        return data.decode({2: "utf-16-le", 4: "utf-32-le"}[width], "surrogatepass")
    except UnicodeDecodeError as error:
        return Gap(f"it is no text: {error.reason}")


def _scalar(kind: Type, data: bytes) -> Any:
    number = int.from_bytes(data, "little")
    if isinstance(kind, Boolean):
        return bool(number)
    if isinstance(kind, Integer):
        return int.from_bytes(data, "big" if kind.big else "little", signed=kind.signed)
    if isinstance(kind, Enumeration):
        return kind.of(int.from_bytes(data, "little", signed=kind.signed))
    if isinstance(kind, Character):
        return data if kind.size == 1 else _joined([data], kind.size)
    if isinstance(kind, Float):
        return _float(kind, data[::-1] if kind.big else data)
    if isinstance(kind, PointerTo):
        return Pointer(number) if number else None
    raise AssertionError(kind)


_FORMATS = {2: "<e", 4: "<f", 8: "<d"}
_EXPONENT = 0x7FFF  # all set: infinity, or not a number
_BIAS = 16383


def _float(kind: Float, data: bytes) -> float:
    """Decode IEEE 754's binary formats and x87's, rounded to a Python float."""
    if kind.size in _FORMATS:
        return float(struct.unpack(_FORMATS[kind.size], data)[0])
    number = int.from_bytes(data[:10] if kind.x87 else data, "little")
    digits = 63 if kind.x87 else 112  # after the point; x87 has the one before it too
    fraction = number & ((1 << digits) - 1)
    exponent = number >> (64 if kind.x87 else digits) & _EXPONENT
    sign = -1 if number >> (79 if kind.x87 else 127) & 1 else 1
    first = number >> digits & 1 if kind.x87 else int(exponent > 0)
    if exponent and not first:  # what only the 8087 and 80287 took for a number
        return math.nan
    if exponent == _EXPONENT:
        return math.nan if fraction else sign * math.inf
    try:
        return sign * math.ldexp(float(first << digits | fraction), max(exponent, 1) - _BIAS - digits)
    except OverflowError:
        return sign * math.inf
