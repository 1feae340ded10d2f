"""The functions among a unit's debugging information entries, read without making objects of all others.

pyelftools reads an entry in 50 µs, and a unit may have 50,000: here those that are skipped take 1 µs.
Formats: DWARF 5, section 7.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.abbrevtable import AbbrevDecl
    from elftools.dwarf.compileunit import CompileUnit

__all__ = ["Entry", "Value", "functions_of"]

_WANTED = {
    "DW_AT_name",
    "DW_AT_linkage_name",
    "DW_AT_MIPS_linkage_name",
    "DW_AT_abstract_origin",
    "DW_AT_specification",
}
_TAGS = {"DW_TAG_subprogram", "DW_TAG_inlined_subroutine"}
_LEB = {"udata", "sdata", "ref_udata", "strx", "addrx", "loclistx", "rnglistx", "GNU_addr_index", "GNU_str_index"}
_BLOCKS = {"block1": 1, "block2": 2, "block4": 4}
_FIXED = {
    "flag_present": 0,
    "implicit_const": 0,
    **dict.fromkeys(("data1", "ref1", "flag", "strx1", "addrx1"), 1),
    **dict.fromkeys(("data2", "ref2", "strx2", "addrx2"), 2),
    **dict.fromkeys(("strx3", "addrx3"), 3),
    **dict.fromkeys(("data4", "ref4", "strx4", "addrx4", "ref_sup4"), 4),
    **dict.fromkeys(("data8", "ref8", "ref_sig8", "ref_sup8"), 8),
    "data16": 16,
}
_OFFSETS = {"sec_offset", "strp", "line_strp", "strp_sup", "GNU_ref_alt", "GNU_strp_alt"}


class Value(NamedTuple):
    """An attribute's value as it is written."""

    form: str
    """Without ``DW_FORM_``."""
    raw: int | bytes


class Entry(NamedTuple):
    """A function, or a place where one was inlined."""

    offset: int
    """In ``.debug_info``."""
    tag: str
    attributes: dict[str, Value]
    inside: int | None
    """The offset of the function that it is in."""


_Step = tuple[str, str, int]
"""An attribute to keep and its form; or a form to skip; or bytes to skip."""
_Plan = tuple[bool, str, list[_Step]]
"""Whether an entry has children, its tag, how to read it."""


def functions_of(unit: CompileUnit, data: bytes) -> Iterator[Entry]:
    """Yield the functions and inlined calls of a unit; `data` is ``.debug_info``.

    Raises what reading damaged data leads to: `IndexError`, `KeyError`, `ValueError`.
    """
    reader = _Reader(unit, data)
    at = unit.cu_die_offset
    end = unit.cu_offset + unit.size
    if end > len(data):
        raise ValueError("a unit is cut off")
    # The functions that what is read next lies in, one an open entry.
    inside: list[int | None] = [None]
    while at < end and inside:
        start = at
        code, at = _leb(data, at)
        if not code:
            inside.pop()
            continue
        has_children, tag, steps = reader.plan(code)
        attributes, at = reader.read(steps, at)
        if tag in _TAGS:
            yield Entry(start, tag, attributes, inside[-1])
        if has_children:
            inside.append(start if tag == "DW_TAG_subprogram" else inside[-1])


class _Reader:
    """Reads a unit's entries by their kinds."""

    def __init__(self, unit: CompileUnit, data: bytes) -> None:
        self._unit = unit
        self._data = data
        self._table = unit.get_abbrev_table()
        self._plans: dict[int, _Plan] = {}
        self._order: Literal["little", "big"] = "little" if unit.structs.little_endian else "big"

    def plan(self, code: int) -> _Plan:
        """Return how to read the entries of one kind."""
        if code not in self._plans:
            self._plans[code] = _plan(self._table.get_abbrev(code), self._unit)
        return self._plans[code]

    def read(self, steps: list[_Step], at: int) -> tuple[dict[str, Value], int]:
        """Read an entry's attributes; return those that are wanted, and where it ends."""
        attributes: dict[str, Value] = {}
        for name, form, size in steps:
            if name:
                value, at = self._value(at, form)
                attributes[name] = Value(form, value)
            elif form:
                at = self._behind(at, form)
            else:
                at += size
        return attributes, at

    def _behind(self, at: int, form: str) -> int:
        if form in _BLOCKS:
            width = _BLOCKS[form]
            return at + width + int.from_bytes(self._data[at : at + width], self._order)
        if form in {"block", "exprloc"}:
            size, at = _leb(self._data, at)
            return at + size
        return self._value(at, form)[1]

    def _value(self, at: int, form: str) -> tuple[int | bytes, int]:
        size = _size_of(form, self._unit)
        if size is not None:
            return int.from_bytes(self._data[at : at + size], self._order), at + size
        if form in _LEB:
            return _leb(self._data, at)
        if form == "string":
            end = self._data.index(0, at)
            return self._data[at:end], end + 1
        raise KeyError(form)


def _plan(declaration: AbbrevDecl, unit: CompileUnit) -> _Plan:
    """Say what to skip at once, what to skip by looking at it, and what to keep."""
    steps: list[_Step] = []
    tag = str(declaration["tag"])
    for name, full_form in declaration.iter_attr_specs():
        form = str(full_form).removeprefix("DW_FORM_")
        size = _size_of(form, unit)
        if tag in _TAGS and name in _WANTED:
            steps.append((name, form, 0))
        elif size is None:
            steps.append(("", form, 0))
        elif steps and steps[-1][:2] == ("", ""):
            steps[-1] = ("", "", steps[-1][2] + size)
        else:
            steps.append(("", "", size))
    return declaration.has_children(), tag, steps


def _size_of(form: str, unit: CompileUnit) -> int | None:
    if form == "addr" or (form == "ref_addr" and unit["version"] == 2):  # noqa: PLR2004 - DWARF 2
        return int(unit["address_size"])
    if form in _OFFSETS or form == "ref_addr":
        return unit.dwarf_format() // 8
    return _FIXED.get(form)


def _leb(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128."""
    byte = data[at]
    if byte < 0x80:  # noqa: PLR2004 - the last byte has bit 7 clear
        return byte, at + 1
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - likewise
            return value, at
        shift += 7
