"""Numbers with names: flags that are combined (`FlagSet`), and values that are chosen (`EnumSet`).

Python has some of these as enums (`signal.Signals`, `socket.AddressFamily`, `socket.MsgFlag`), but few, with
the C library's names, and only those of its own build. So all of them are plain integers that know their
names, by one mechanism: they equal Python's where Python has them.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EnumSet", "FlagSet", "Flags", "Named", "set_of"]

_MAX_WORD = (1 << 64) - 1


class Named(int):
    """A value of an `EnumSet`: an `int` that is written by its name."""

    name: str | None = None
    """None for one that the headers do not know."""
    _set: EnumSet | None = None

    def __str__(self) -> str:
        return _number(int(self)) if self.name is None else self.name

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return _formatted(self, spec)


class Flags(int):
    """A value of a `FlagSet`: an `int` that is written by the names of its flags, ``O_RDWR|O_CLOEXEC``."""

    names: tuple[str, ...]
    """In the order of their bits."""
    unknown: int
    """The bits without a name."""
    octal: str
    """A file's mode that is part of it, or nothing."""
    _set: FlagSet | None = None

    def __str__(self) -> str:
        parts = [*self.names, *([_number(self.unknown)] if self.unknown else []), *([self.octal] if self.octal else [])]
        return "|".join(parts) or "0"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return _formatted(self, spec)


def set_of(value: int) -> EnumSet | FlagSet | None:
    """Return the set that a number has its name or names from; None: it has none."""
    found: EnumSet | FlagSet | None = getattr(value, "_set", None)
    return found


def _formatted(value: int, spec: str) -> str:
    """Format the text, unless a type of numbers is asked for, as in ``{flags:#o}``."""
    return format(int(value), spec) if spec[-1:] in set("bcdoxXn") else format(str(value), spec)


def _number(value: int) -> str:
    return hex(value) if value > 0 else str(value)


class EnumSet:
    """Values of which one is chosen.

    Args:
        values: By name. Of names with one value, the first is written.
    """

    def __init__(self, values: Mapping[str, int]) -> None:
        self.values = dict(values)
        self.names: dict[int, str] = {}
        for name, value in self.values.items():
            self.names.setdefault(value, name)

    def text(self, value: int) -> str:
        """Write a value as strace does: by its name, or in hexadecimal."""
        return str(self.of(value))

    def of(self, value: int) -> Named:
        """Return the value with its name."""
        return _named(self, value)


class FlagSet:
    """Bits that are combined.

    Args:
        values: By name. Of names with one value, the first is written. One for several bits is written where
            all of them are set, instead of its parts'. One for 0 is written where nothing else is.
        first: Groups of bits that hold a number, by their mask; written first. A number 0 is written only
            if it has a name: ``O_RDONLY`` within ``O_ACCMODE``.
        last: Likewise, written after the flags.
        octal: The bits that are written as a file's mode, and always: ``IPC_CREAT|0600``.
    """

    def __init__(
        self,
        values: Mapping[str, int],
        *,
        first: Mapping[int, EnumSet] | None = None,
        last: Mapping[int, EnumSet] | None = None,
        octal: int = 0,
    ) -> None:
        self.first = dict(first or {})
        self.last = dict(last or {})
        self.octal = octal
        # A flag such as 1 << 31 is a negative int in C.
        own = {name: value & 0xFFFFFFFF if value < 0 else value for name, value in values.items()}
        enums = (*self.first.values(), *self.last.values())
        self.values = {**{name: value for enum in enums for name, value in enum.values.items()}, **own}
        names: dict[int, str] = {}
        for name, value in own.items():
            names.setdefault(value, name)
        self._zero = names.pop(0, None)
        self._widest_first = sorted(names.items(), key=lambda item: -item[0].bit_count())

    def text(self, value: int) -> str:
        """Write a value as strace does: names, and what has none in hexadecimal."""
        return str(self.of(value))

    def of(self, value: int) -> Flags:
        """Return the value with the names of its flags."""
        return _flags(self, value)

    def split(self, value: int) -> tuple[tuple[str, ...], int]:
        """Return the names in a value, and the bits that have none."""
        rest = value & _MAX_WORD & ~self.octal
        names: list[str] = []
        ends: list[str] = []
        for fields, into in ((self.first, names), (self.last, ends)):
            for mask, enum in fields.items():
                name = enum.names.get(rest & mask)
                if name is not None:
                    into.append(name)
                    rest &= ~mask
        found = []
        for bits, name in self._widest_first:
            if rest & bits == bits:
                found.append((bits, name))
                rest &= ~bits
        names += [name for _, name in sorted(found)] + ends
        if not names and not rest and self._zero is not None:
            names.append(self._zero)
        return tuple(names), rest


@functools.lru_cache(maxsize=4096)
def _named(enum: EnumSet, value: int) -> Named:
    named = Named(value)
    named.name, named._set = enum.names.get(value), enum  # noqa: SLF001 - this module's own
    return named


@functools.lru_cache(maxsize=4096)
def _flags(flags: FlagSet, value: int) -> Flags:
    result = Flags(value)
    result.names, result.unknown = flags.split(value)
    result._set = flags  # noqa: SLF001 - this module's own
    result.octal = f"0{value & flags.octal:02o}" if flags.octal else ""
    return result
