"""The functions among a unit's debugging information entries, read without making objects of all others.

pyelftools reads an entry in 50 µs, and a unit may have 50,000: here those that are skipped take 1 µs.
Formats: DWARF 5, section 7.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_ebpf.binaries.raw import leb, text_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.compileunit import CompileUnit

__all__ = ["Entry", "Value", "functions_of"]

_SUBPROGRAM, _INLINED = 0x2E, 0x1D
_TAGS = {_SUBPROGRAM: "subprogram", _INLINED: "inlined_subroutine"}
_WANTED = {
    0x03: "name",
    0x20: "inline",
    0x3C: "declaration",
    0x31: "abstract_origin",
    0x47: "specification",
    0x6E: "linkage_name",
    0x2007: "linkage_name",  # DW_AT_MIPS_linkage_name, before DWARF 4
}
_STRING, _BLOCK, _EXPRLOC, _INDIRECT, _IMPLICIT = 0x08, 0x09, 0x18, 0x16, 0x21
_BLOCKS = {0x0A: 1, 0x03: 2, 0x04: 4}
_ADDR, _REF_ADDR = 0x01, 0x10
_FORMS = {
    0x0B: "data1", 0x05: "data2", 0x06: "data4", 0x07: "data8", 0x1E: "data16", 0x0C: "flag", 0x19: "flag_present",
    0x0D: "sdata", 0x0F: "udata", 0x21: "implicit_const", 0x08: "string", 0x0E: "strp", 0x1F: "line_strp",
    0x1D: "strp_sup", 0x1F21: "strp_sup", 0x1A: "strx", 0x25: "strx", 0x26: "strx", 0x27: "strx", 0x28: "strx",
    0x1F02: "strx", 0x10: "ref_addr", 0x11: "ref", 0x12: "ref", 0x13: "ref", 0x14: "ref", 0x15: "ref",
    0x1C: "ref_sup", 0x24: "ref_sup", 0x1F20: "ref_sup", 0x20: "ref_sig8",
}  # fmt: skip
"""How the values that are kept are written: the kinds of DWARF 5's section 7.5.6, and GNU's."""
_LEB = {0x0D, 0x0F, 0x15, 0x1A, 0x1B, 0x22, 0x23, 0x1F01, 0x1F02}
_FIXED = {
    **dict.fromkeys((0x19, _IMPLICIT), 0),
    **dict.fromkeys((0x0B, 0x11, 0x0C, 0x25, 0x29), 1),
    **dict.fromkeys((0x05, 0x12, 0x26, 0x2A), 2),
    **dict.fromkeys((0x27, 0x2B), 3),
    **dict.fromkeys((0x06, 0x13, 0x28, 0x2C, 0x1C), 4),
    **dict.fromkeys((0x07, 0x14, 0x20, 0x24), 8),
    0x1E: 16,
}
_OFFSETS = {0x17, 0x0E, 0x1F, 0x1D, 0x1F20, 0x1F21}


class Value(NamedTuple):
    """An attribute's value as it is written."""

    form: str
    """``strp``, ``ref``, …; all forms that hold an index are ``strx``, all that count from the unit ``ref``."""
    raw: int | bytes


class Entry(NamedTuple):
    """A function, or a place where one was inlined."""

    offset: int
    """In ``.debug_info``."""
    tag: str
    """``subprogram`` or ``inlined_subroutine``."""
    attributes: dict[str, Value]
    inside: int | None
    """The offset of the function that it is in."""


_Step = tuple[str, int, int]
"""An attribute to keep, its form, and its value if that is always the same; or a form to skip; or bytes to skip."""
_Plan = tuple[bool, int, list[_Step]]
"""Whether an entry has children, its tag, how to read it."""


def functions_of(unit: CompileUnit, data: bytes, abbreviations: bytes) -> Iterator[Entry]:
    """Yield the functions and inlined calls of a unit; of ``.debug_info`` and ``.debug_abbrev``.

    Raises what reading damaged data leads to: `IndexError`, `KeyError`, `ValueError`.
    """
    reader = _Reader(unit, data, abbreviations)
    at = unit.cu_die_offset
    end = unit.cu_offset + unit.size
    if end > len(data):
        raise ValueError("a unit is cut off")
    # The functions that what is read next lies in, one an open entry.
    inside: list[int | None] = [None]
    while at < end and inside:
        start = at
        code, at = leb(data, at)
        if not code:
            inside.pop()
            continue
        has_children, tag, steps = reader.plans[code]
        attributes, at = reader.read(steps, at)
        if tag in _TAGS:
            yield Entry(start, _TAGS[tag], attributes, inside[-1])
        if has_children:
            inside.append(start if tag == _SUBPROGRAM else inside[-1])


class _Reader:
    """Reads a unit's entries by their kinds."""

    def __init__(self, unit: CompileUnit, data: bytes, abbreviations: bytes) -> None:
        self._data = data
        self._order: Literal["little", "big"] = "little" if unit.structs.little_endian else "big"
        offset_size = unit.dwarf_format() // 8
        address_size = int(unit["address_size"])
        self._sizes = _FIXED | dict.fromkeys(_OFFSETS, offset_size)
        self._sizes[_ADDR] = address_size
        self._sizes[_REF_ADDR] = address_size if unit["version"] == 2 else offset_size  # noqa: PLR2004 - DWARF 2
        self.plans = self._read_plans(abbreviations, unit["debug_abbrev_offset"])

    def _read_plans(self, data: bytes, at: int) -> dict[int, _Plan]:
        """Read how the entries of each kind are to be read (DWARF 5, section 7.5.3)."""
        plans: dict[int, _Plan] = {}
        while True:
            code, at = leb(data, at)
            if not code:
                return plans
            tag, at = leb(data, at)
            has_children = bool(data[at])
            at += 1
            steps: list[_Step] = []
            while True:
                name, at = leb(data, at)
                form, at = leb(data, at)
                implied = 0
                if form == _IMPLICIT:
                    implied, at = leb(data, at)
                if not form:
                    break
                self._add(steps, _WANTED.get(name, "") if tag in _TAGS else "", form, implied)
            plans[code] = has_children, tag, steps

    def _add(self, steps: list[_Step], name: str, form: int, implied: int) -> None:
        size = self._sizes.get(form)
        if name or size is None:
            steps.append((name, form, implied))
        elif steps and steps[-1][:2] == ("", 0):
            steps[-1] = ("", 0, steps[-1][2] + size)
        else:
            steps.append(("", 0, size))

    def read(self, steps: list[_Step], at: int) -> tuple[dict[str, Value], int]:
        """Read an entry's attributes; return those that are wanted, and where it ends."""
        attributes: dict[str, Value] = {}
        for name, form, size in steps:
            if name and form == _IMPLICIT:
                attributes[name] = Value(_FORMS[form], size)
            elif name:
                value, at = self._value(at, form)
                attributes[name] = Value(_FORMS[form], value)
            elif form:
                at = self._behind(at, form)
            else:
                at += size
        return attributes, at

    def _behind(self, at: int, form: int) -> int:
        if form in _BLOCKS:
            width = _BLOCKS[form]
            return at + width + int.from_bytes(self._data[at : at + width], self._order)
        if form in {_BLOCK, _EXPRLOC}:
            size, at = leb(self._data, at)
            return at + size
        if form == _INDIRECT:
            form, at = leb(self._data, at)
            return self._behind(at, form) if form != _INDIRECT else at
        return self._value(at, form)[1]

    def _value(self, at: int, form: int) -> tuple[int | bytes, int]:
        size = self._sizes.get(form)
        if size is not None:
            return int.from_bytes(self._data[at : at + size], self._order), at + size
        if form in _LEB:
            return leb(self._data, at)
        if form == _STRING:
            return text_at(self._data, at)
        raise ValueError(f"an attribute has the unknown form {form:#x}")
