"""How sets of flags are defined: by patterns of the names in the kernel's headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import partial

from pytest_ebpf.syscalls import constants
from pytest_ebpf.syscalls.flags import EnumSet, FlagSet

__all__ = ["Fields", "Maker", "choose", "enum", "flags"]

Maker = Callable[[], FlagSet | EnumSet]
"""Makes a set. Nothing is read before it is called."""
Fields = Mapping[str | int, "str | Callable[[], EnumSet]"]
"""By the mask, or its name, of some bits: patterns of their values' names in the set's first header, or a maker."""


def choose(sources: tuple[str, ...], less: str = "") -> dict[str, int]:
    """Return the constants that some patterns choose, those of the first pattern first.

    Args:
        sources: Each a header, then patterns: ``O_*``, or ``FIRST..END`` for what is defined from ``FIRST`` on
            and before ``END``.
        less: Patterns of what is left out again.
    """
    found: dict[str, int] = {}
    for source in sources:
        header, *patterns = source.split()
        defined = constants.prefixed("", header)
        for pattern in patterns:
            first, _, end = pattern.partition("..")
            if end:
                names = list(defined)
                chosen = names[names.index(first) : names.index(end)]
            else:
                chosen = [name for name in defined if fnmatchcase(name, pattern)]
            found |= {name: defined[name] for name in chosen if name not in found}
    return {name: value for name, value in found.items() if not any(fnmatchcase(name, each) for each in less.split())}


def enum(*sources: str, less: str = "", more: Mapping[str, int] | None = None) -> Callable[[], EnumSet]:
    """Return the maker of an enumeration.

    Args:
        sources: As in `choose`. Of names with one value, the first chosen is written.
        less: As in `choose`.
        more: What no header has.
    """
    return partial(_make_enum, sources, less, more or {})


def flags(
    *sources: str, less: str = "", first: Fields | None = None, last: Fields | None = None, octal: int = 0
) -> Callable[[], FlagSet]:
    """Return the maker of a set of flags.

    Args:
        sources: As in `choose`. Of names with one value, the first chosen is written.
        less: As in `choose`.
        first: Bits that hold a number, see `FlagSet`.
        last: Likewise.
        octal: See `FlagSet`.
    """
    return partial(_make_flags, sources, less, first or {}, last or {}, octal)


def _make_enum(sources: tuple[str, ...], less: str, more: Mapping[str, int]) -> EnumSet:
    return EnumSet({**choose(sources, less), **more})


def _make_flags(sources: tuple[str, ...], less: str, first: Fields, last: Fields, octal: int) -> FlagSet:
    header = sources[0].split()[0]
    before, after = _make_fields(header, first), _make_fields(header, last)
    numbers = {*first, *last}.union(*(enum.values for enum in (*before.values(), *after.values())))
    values = {name: value for name, value in choose(sources, less).items() if name not in numbers}
    return FlagSet(values, first=before, last=after, octal=octal)


def _make_fields(header: str, fields: Fields) -> dict[int, EnumSet]:
    return {
        mask if isinstance(mask, int) else constants.value(mask, header): EnumSet(choose((f"{header} {what}",)))
        if isinstance(what, str)
        else what()
        for mask, what in fields.items()
    }
