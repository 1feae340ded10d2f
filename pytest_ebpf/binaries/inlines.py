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
from pytest_ebpf.binaries.raw import section_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.dwarfinfo import DWARFInfo

    from pytest_ebpf.binaries.entries import Value

__all__ = ["Inlines"]

_DEPTH = 8
"""Entries from one that only refers to that which has the name."""
_ANYWHERE = 100
"""Texts that end in a name from which on all units are read."""
_ENTRIES_KEPT = 200_000
"""Of units that were read; an entry takes half a kilobyte."""
UNKNOWN = "a function that the debug information does not name"


class Inlines:
    """Where the functions of a file were inlined. What is asked raises what damaged debug information leads to."""

    def __init__(self, dwarf: DWARFInfo) -> None:
        self._space = _Space(dwarf)
        self._spaces = [self._space]
        if dwarf.supplementary_dwarfinfo is not None:
            self._space.shared = _Space(dwarf.supplementary_dwarfinfo)
            self._spaces.append(self._space.shared)

    def into(self, name: str) -> dict[str, int]:
        """Return the functions that a function's code was put into, and at how many places.

        `name`: a symbol, or a name as in source.
        """
        space = self._space
        identifiers = re.findall(r"\w+", re.split(r"[(<]", name)[0])
        needles = {name, *identifiers[-1:]}
        # The functions' abstract entries, which stand for their code in all places.
        spaces = list(enumerate(self._spaces))
        origins = {number: each.abstract(needles, name) for number, each in spaces}
        # What refers to them: in the same unit by any form, from other ones by an offset in the file.
        units = space.units_at(origins[0])
        for offset in (offset for each in origins.values() for offset in each):
            units |= space.units_at(space.places_of(offset))
        callers: Counter[str] = Counter()
        for unit in units:
            for entry in space.functions(unit):
                if entry.tag == "inlined_subroutine" and space.leads_to(entry, origins):
                    callers[space.name_at(entry.inside)] += 1
        # Where nothing of the code was left to be told of, this still says that it was inlined.
        if not callers and any(each.was_inlined(offset) for number, each in spaces for offset in origins[number]):
            callers[UNKNOWN] = 1
        return dict(callers)

    def counts(self, names: Collection[str]) -> dict[str, int]:
        """Return at how many places the code of many functions was put into others, by symbol, in one pass."""
        space = self._space
        counts: Counter[str] = Counter()
        told = set()
        for unit in space.units:
            for entry in space.functions(unit):
                symbol = space.symbol_of(entry)
                if symbol not in names:
                    continue
                if entry.tag == "inlined_subroutine":
                    counts[symbol] += 1
                elif space.was_inlined(entry.offset):
                    told.add(symbol)
        return {symbol: counts[symbol] or 1 for symbol in (*counts, *told)}


class _Space:
    """The entries of one file."""

    def __init__(self, dwarf: DWARFInfo) -> None:
        self.dwarf = dwarf
        self.data = section_bytes(dwarf.debug_info_sec)
        self._abbreviations = section_bytes(dwarf.debug_abbrev_sec)
        self._texts = section_bytes(dwarf.debug_str_sec)
        self._indexed = section_bytes(dwarf.debug_str_offsets_sec)
        self.shared: _Space | None = None
        """The file of what several files share (dwz(1))."""
        units = list(dwarf.iter_CUs())
        self.units = [unit.cu_offset for unit in units]
        """Where they begin."""
        self._sizes = {unit.dwarf_format() // 8 for unit in units}
        self._read: dict[int, dict[int, Entry]] = {}
        self._order: Literal["little", "big"] = "little" if dwarf.config.little_endian else "big"

    def unit_of(self, offset: int) -> int:
        """Return the unit (its offset) that an entry is in."""
        return self.units[max(bisect.bisect_right(self.units, offset) - 1, 0)]

    def units_at(self, places: Iterable[int]) -> set[int]:
        """Return the units that these bytes are in."""
        return {self.unit_of(place) for place in places}

    def functions(self, unit: int) -> Iterable[Entry]:
        """Return the functions and inlined calls of a unit."""
        if unit not in self._read:
            if sum(map(len, self._read.values())) > _ENTRIES_KEPT:
                self._read.clear()
            self._read[unit] = {
                each.offset: each for each in functions_of(self._unit(unit), self.data, self._abbreviations)
            }
        return self._read[unit].values()

    def _unit(self, offset: int) -> CompileUnit:
        return self.dwarf.get_CU_at(offset)

    def places_of(self, offset: int) -> Iterator[int]:
        """Yield where this number is written as an offset in the file."""
        for size in self._sizes:
            if offset < 1 << 8 * size:
                yield from _all(self.data, offset.to_bytes(size, self._order))

    def abstract(self, needles: Iterable[str], name: str) -> set[int]:
        """Return the entries that stand for a function's code wherever it was put."""
        matches = matcher(name)
        return {
            entry.offset
            for unit in self._units_with(needles)
            for entry in self.functions(unit)
            if entry.tag == "subprogram" and "declaration" not in entry.attributes
            for symbol in (self.symbol_of(entry),)
            if symbol == name or matches(symbol)
        }

    def _units_with(self, names: Iterable[str]) -> set[int]:
        """Return the units in which one of these names may occur."""
        found: set[int] = set()
        for name in names:
            wanted = name.encode("utf-8", "surrogateescape") + b"\0"
            found |= self.units_at(_all(self.data, wanted))
            texts = _texts(self._texts, wanted)
            # Which unit has a text that is named by an index only reading the units tells.
            if any(text.to_bytes(4, self._order) in self._indexed for text in texts):
                return set(self.units)
            if self.shared is not None:
                texts += _texts(self.shared._texts, wanted)  # noqa: SLF001 - of its own kind
            if len(texts) > _ANYWHERE:
                return set(self.units)
            for text in texts:
                found |= self.units_at(self.places_of(text))
        return found

    def symbol_of(self, entry: Entry) -> str:
        """Return the symbol that a function has or would have."""
        name = ""
        each: Entry | None = entry
        space: _Space = self
        for _ in range(_DEPTH):
            if each is None:
                break
            if "linkage_name" in each.attributes:
                return space.text_of(each.attributes["linkage_name"], each.offset)
            if "name" in each.attributes and not name:
                name = space.text_of(each.attributes["name"], each.offset)
            space, each = space.followed(each)
        return name

    def name_at(self, offset: int | None) -> str:
        """Return the name of the function whose entry is there."""
        entry = self._entry(offset)
        symbol = self.symbol_of(entry) if entry is not None else ""
        return demangle(symbol) or symbol or UNKNOWN

    def was_inlined(self, offset: int) -> bool:
        """Whether an abstract entry says so: ``DW_INL_inlined``, ``DW_INL_declared_inlined``."""
        entry = self._entry(offset)
        return entry is not None and "inline" in entry.attributes and entry.attributes["inline"].raw in {1, 3}

    def _entry(self, offset: int | None) -> Entry | None:
        if offset is None or not self.units:
            return None
        unit = self.unit_of(offset)
        self.functions(unit)
        return self._read[unit].get(offset)

    def _target(self, entry: Entry) -> tuple[bool, int] | None:
        """Return where an entry refers to: whether in the shared file, and the offset."""
        for attribute in ("abstract_origin", "specification"):
            value = entry.attributes.get(attribute)
            if value is not None and isinstance(value.raw, int):
                if value.form == "ref":
                    return False, self.unit_of(entry.offset) + value.raw
                if value.form in {"ref_addr", "ref_sup"}:
                    return value.form == "ref_sup", value.raw
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
        elif value.form == "strp_sup":
            text = self.shared.dwarf.get_string_from_table(raw) if self.shared is not None else b""
        else:  # an index
            unit = self._unit(self.unit_of(offset))
            base = unit.get_top_DIE().attributes["DW_AT_str_offsets_base"].value
            size = unit.dwarf_format() // 8
            at = base + size * raw
            place = int.from_bytes(self._indexed[at : at + size], self._order)
            text = self.dwarf.get_string_from_table(place)
        return (text or b"").decode("utf-8", "backslashreplace")


def _all(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + 1)


def _texts(data: bytes, wanted: bytes) -> list[int]:
    """Return where a text is; linkers let it be the end of another if it is not there by itself."""
    places = list(_all(data, wanted))
    return [at for at in places if not at or not data[at - 1]] or places
