"""Where the compiler put a function's code into others: calls that no probe on the function sees.

All units must be looked at, and a library may have a thousand; only those are read in which the name occurs.
"""

from __future__ import annotations

import bisect
import re
from collections import Counter
from typing import TYPE_CHECKING, Literal

from pytest_ebpf.binaries.demangling import demangle, matcher
from pytest_ebpf.binaries.entries import Entry, functions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.dwarfinfo import DebugSectionDescriptor, DWARFInfo

    from pytest_ebpf.binaries.entries import Value

__all__ = ["inlined_into"]

_DEPTH = 8
"""Entries from one that only refers to that which has the name."""
_ANYWHERE = 1000
"""Places of a name (that is the end of others') from which on all units are read."""
_UNITS_KEPT = 64


def inlined_into(dwarf: DWARFInfo, name: str) -> dict[str, int]:
    """Return the functions that a function's code was put into, and at how many places.

    `name`: a symbol, or a name as in source. Raises what damaged debug information leads to.
    """
    matches = matcher(name)

    def is_it(symbol: str) -> bool:
        return symbol == name or matches(symbol)

    space = _Space(dwarf)
    identifiers = re.findall(r"\w+", re.split(r"[(<]", name)[0])
    needles = {name, identifiers[-1]} if identifiers else {name}
    spaces = [space]
    if dwarf.supplementary_dwarfinfo is not None:
        spaces.append(_Space(dwarf.supplementary_dwarfinfo))
        space.shared = spaces[1]
    # The functions' own entries, and those that stand for them in other units.
    origins: dict[int, set[int]] = {}
    for number, each in enumerate(spaces):
        origins[number] = {
            entry.offset
            for unit in each.units_with(needles)
            for entry in each.functions(unit)
            if entry.tag == "DW_TAG_subprogram" and is_it(each.symbol_of(entry))
        }
    # What refers to them: in the same unit by any form, from other ones by an offset in the file.
    units = {space.unit_of(offset) for offset in origins[0]}
    for offset in [offset for each in origins.values() for offset in each]:
        units.update(space.units_at(space.places_of(offset)))
    callers: Counter[str] = Counter()
    for unit in units:
        for entry in space.functions(unit):
            if entry.tag == "DW_TAG_inlined_subroutine" and space.leads_to(entry, origins):
                callers[space.name_at(entry.inside)] += 1
    return dict(callers)


class _Space:
    """The entries of one file."""

    def __init__(self, dwarf: DWARFInfo) -> None:
        self.dwarf = dwarf
        self.data = _bytes_of(dwarf.debug_info_sec)
        self.shared: _Space | None = None
        """The file of what several files share (dwz(1))."""
        self._units = [unit.cu_offset for unit in dwarf.iter_CUs()]
        self._read: dict[int, dict[int, Entry]] = {}
        self._order: Literal["little", "big"] = "little" if dwarf.config.little_endian else "big"

    def unit_of(self, offset: int) -> int:
        """Return the unit (its offset) that an entry is in."""
        return self._units[max(bisect.bisect_right(self._units, offset) - 1, 0)]

    def units_at(self, places: Iterable[int]) -> set[int]:
        """Return the units that these bytes are in."""
        return {self.unit_of(place) for place in places}

    def functions(self, unit: int) -> Iterable[Entry]:
        """Return the functions and inlined calls of a unit."""
        if unit not in self._read:
            while len(self._read) >= _UNITS_KEPT:
                del self._read[next(iter(self._read))]
            self._read[unit] = {each.offset: each for each in functions_of(self._unit(unit), self.data)}
        return self._read[unit].values()

    def _unit(self, offset: int) -> CompileUnit:
        return self.dwarf.get_CU_at(offset)

    def places_of(self, offset: int) -> Iterator[int]:
        """Yield where this number is written as an offset in the file."""
        for size in (4, 8):
            if offset < 1 << 8 * size:
                yield from _all(self.data, offset.to_bytes(size, self._order))

    def units_with(self, names: Iterable[str]) -> set[int]:
        """Return the units in which one of these names may occur."""
        found: set[int] = set()
        for name in names:
            wanted = name.encode("utf-8", "surrogateescape") + b"\0"
            found |= self.units_at(_all(self.data, wanted))
            texts = list(_all(_bytes_of(self.dwarf.debug_str_sec), wanted))
            if self.shared is not None:
                texts += _all(_bytes_of(self.shared.dwarf.debug_str_sec), wanted)
            if len(texts) > _ANYWHERE:
                return set(self._units)
            for text in texts:
                found |= self.units_at(self.places_of(text))
            if self._has_indexed(texts):
                found |= set(self._units)
        return found

    def _has_indexed(self, texts: Iterable[int]) -> bool:
        """Whether a text is among those that units name by an index; by which, only reading them tells."""
        data = _bytes_of(self.dwarf.debug_str_offsets_sec)
        return any(text.to_bytes(4, self._order) in data for text in texts)

    def symbol_of(self, entry: Entry) -> str:
        """Return the symbol that a function has or would have."""
        name = ""
        each: Entry | None = entry
        space: _Space = self
        for _ in range(_DEPTH):
            if each is None:
                break
            for attribute in ("DW_AT_linkage_name", "DW_AT_MIPS_linkage_name"):
                if attribute in each.attributes:
                    return space.text_of(each.attributes[attribute], each.offset)
            if "DW_AT_name" in each.attributes and not name:
                name = space.text_of(each.attributes["DW_AT_name"], each.offset)
            space, each = space.followed(each)
        return name

    def name_at(self, offset: int | None) -> str:
        """Return the name of the function whose entry is there."""
        entry = self._entry(offset)
        symbol = self.symbol_of(entry) if entry is not None else ""
        return demangle(symbol) or symbol or "a function without a name"

    def _entry(self, offset: int | None) -> Entry | None:
        if offset is None or not self._units:
            return None
        unit = self.unit_of(offset)
        self.functions(unit)
        return self._read[unit].get(offset)

    def _target(self, entry: Entry) -> tuple[bool, int] | None:
        """Return where an entry refers to: whether in the shared file, and the offset."""
        for attribute in ("DW_AT_abstract_origin", "DW_AT_specification"):
            value = entry.attributes.get(attribute)
            if value is not None and isinstance(value.raw, int):
                if value.form in {"ref1", "ref2", "ref4", "ref8", "ref_udata"}:
                    return False, self.unit_of(entry.offset) + value.raw
                return value.form in {"GNU_ref_alt", "ref_sup4", "ref_sup8"}, value.raw
        return None

    def followed(self, entry: Entry) -> tuple[_Space, Entry | None]:
        """Return the entry that one refers to."""
        target = self._target(entry)
        if target is None:
            return self, None
        space = self.shared if target[0] else self
        return (self, None) if space is None else (space, space._entry(target[1]))  # noqa: SLF001 - of its own kind

    def leads_to(self, entry: Entry, origins: dict[int, set[int]]) -> bool:
        """Whether an entry refers to one of these, directly or through others."""
        each: Entry | None = entry
        space: _Space = self
        for _ in range(_DEPTH):
            if each is None:
                return False
            target = space._target(each)
            if target is None:
                return False
            in_shared = target[0] or space is not self
            if target[1] in origins.get(int(in_shared), ()):
                return True
            space, each = space.followed(each)
        return False

    def text_of(self, value: Value, offset: int) -> str:
        """Return a name."""
        raw = value.raw
        text: bytes | None
        if isinstance(raw, bytes):
            text = raw
        elif value.form == "strp":
            text = self.dwarf.get_string_from_table(raw)
        elif value.form == "line_strp":
            text = self.dwarf.get_string_from_linetable(raw)
        elif value.form in {"GNU_strp_alt", "strp_sup"}:
            text = self.shared.dwarf.get_string_from_table(raw) if self.shared is not None else b""
        else:  # an index
            unit = self._unit(self.unit_of(offset))
            base = unit.get_top_DIE().attributes["DW_AT_str_offsets_base"].value
            size = unit.dwarf_format() // 8
            at = base + size * raw
            place = int.from_bytes(_bytes_of(self.dwarf.debug_str_offsets_sec)[at : at + size], self._order)
            text = self.dwarf.get_string_from_table(place)
        return (text or b"").decode("utf-8", "backslashreplace")


def _bytes_of(section: DebugSectionDescriptor | None) -> bytes:
    if section is None:
        return b""
    section.stream.seek(0)
    return section.stream.read()


def _all(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + 1)
