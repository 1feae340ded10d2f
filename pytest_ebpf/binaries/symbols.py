"""Symbol tables, read in bulk: one lookup among 20,000 symbols makes no object for the others."""

from __future__ import annotations

import io
import itertools
import lzma
import struct
from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf.binaries.elf import Elf
from pytest_ebpf.binaries.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

__all__ = ["Symbol", "SymbolTable", "tables_of"]

STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_TLS, STT_GNU_IFUNC = 0, 1, 2, 6, 10
STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2
SHN_UNDEF = 0
_DEBUGDATA_LIMIT = 1 << 28
"""Bytes that a symbol table compressed with xz may have."""
_DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ = 4, 5, 6, 10
_DT_GNU_HASH, _DT_VERSYM, _DT_VERDEF, _DT_VERDEFNUM = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD


class Symbol(NamedTuple):
    """One symbol (``Elf64_Sym``)."""

    name: str
    """Without its version."""
    address: int
    size: int
    kind: int
    """``STT_*``."""
    binding: int
    """``STB_*``."""
    section: int
    """``SHN_UNDEF``: it is defined elsewhere."""
    version: str | None
    """``GLIBC_2.34``."""
    is_default: bool
    """Whether programs linked now get this version (``name@@version``)."""
    source: str
    """Where it was found: ``symtab``, ``dynsym``, ``gnu_debugdata`` or ``debug file``."""

    @property
    def is_function(self) -> bool:
        """Whether it says so itself, and is defined here."""
        return self.kind in {STT_FUNC, STT_GNU_IFUNC} and self.section != SHN_UNDEF


class SymbolTable:
    """A table and the names that belong to it."""

    def __init__(
        self, source: str, elf: Elf, entries: bytes, names: bytes, versions: tuple[bytes, Mapping[int, str]] = (b"", {})
    ) -> None:
        self.source = source
        self._form = struct.Struct(elf.order + ("IBBHQQ" if elf.is_64 else "IIIBBH"))
        self._is_64 = elf.is_64
        self._entries = entries[: len(entries) // self._form.size * self._form.size]
        self._names = names
        indexes, self._version_names = versions
        self._versions = struct.unpack(f"{elf.order}{len(indexes) // 2}H", indexes[: len(indexes) // 2 * 2])

    def __len__(self) -> int:
        return len(self._entries) // self._form.size

    def __iter__(self) -> Iterator[Symbol]:
        names = self._names
        for index, entry in enumerate(self._form.iter_unpack(self._entries)):
            start = entry[0]
            if start:
                yield self._symbol(index, names[start : names.find(b"\0", start)], entry)

    def _symbol(self, index: int, text: bytes, entry: tuple[int, ...]) -> Symbol:
        if self._is_64:
            _, info, _, section, address, size = entry
        else:
            _, address, size, info, _, section = entry
        name, at, version = text.decode("utf-8", "backslashreplace").partition("@")
        is_default = version.startswith("@") or not at
        if not at and index < len(self._versions):
            number = self._versions[index]
            version = self._version_names.get(number & 0x7FFF, "")
            is_default = not number & 0x8000
        return Symbol(
            name, address, size, info & 15, info >> 4, section, version.lstrip("@") or None, is_default, self.source
        )

    def named(self, name: str) -> list[Symbol]:
        """Return the symbols of this name, whatever their version."""
        wanted = name.encode("utf-8", "surrogateescape")
        # Linkers let a name be the end of another: every place where it ends is looked at.
        places = [at for end in (b"\0", b"@") for at in self._places(wanted + end)]
        return self._starting_at(places) if wanted else []

    def beginning(self, start: str) -> list[Symbol]:
        """Return the symbols whose names begin so."""
        return self._starting_at(self._places(start.encode("utf-8", "surrogateescape")))

    def _places(self, text: bytes) -> Iterator[int]:
        at = self._names.find(text)
        while at >= 0:
            yield at
            at = self._names.find(text, at + 1)

    def _starting_at(self, places: Iterable[int]) -> list[Symbol]:
        ends = {at: self._names.find(b"\0", at) for at in places}
        if not ends:
            return []
        return [
            self._symbol(index, self._names[entry[0] : ends[entry[0]]], entry)
            for index, entry in enumerate(self._form.iter_unpack(self._entries))
            if entry[0] in ends
        ]

    def at(self, addresses: Container[int]) -> list[Symbol]:
        """Return the functions that begin at these addresses."""
        column = 4 if self._is_64 else 1
        return [
            symbol
            for index, entry in enumerate(self._form.iter_unpack(self._entries))
            if entry[column] in addresses and entry[0]
            for symbol in (self._symbol(index, self._names[entry[0] : self._names.find(b"\0", entry[0])], entry),)
            if symbol.is_function
        ]

    def covering(self, address: int) -> Symbol | None:
        """Return the function that an address is in; of several the one that begins nearest."""
        best: tuple[int, int, tuple[int, ...]] | None = None
        for index, entry in enumerate(self._form.iter_unpack(self._entries)):
            if self._is_64:
                _, info, _, section, start, size = entry
            else:
                _, start, size, info, _, section = entry
            if start <= address < start + max(size, 1) and info & 15 == STT_FUNC and section and entry[0]:
                key = (start, -(info >> 4 == STB_LOCAL))
                if best is None or key > best[:2]:
                    best = (*key, (index, *entry))
        if best is None:
            return None
        entry = best[2][1:]
        return self._symbol(best[2][0], self._names[entry[0] : self._names.find(b"\0", entry[0])], entry)


def tables_of(elf: Elf, source: str = "") -> Iterator[SymbolTable]:
    """Yield the symbol tables of one file, the fullest first. Raises `Corrupt`."""
    section = elf.section(".symtab")
    if section is not None and section.kind == 2:  # noqa: PLR2004 - SHT_SYMTAB
        names = elf.data_of(elf.sections[section.link])
        yield SymbolTable(source or "symtab", elf, elf.data_of(section), names)
    if source:
        return
    dynamic = _dynamic_table(elf)
    if dynamic is not None:
        yield dynamic
    section = elf.section(".gnu_debugdata")
    if section is not None:
        inner = Elf(io.BytesIO(_decompressed(elf.data_of(section), elf.shown)), f"{elf.shown}'s .gnu_debugdata")
        yield from tables_of(inner, "gnu_debugdata")


def _decompressed(data: bytes, shown: str) -> bytes:
    reader = lzma.LZMADecompressor()
    plain = reader.decompress(data, max_length=_DEBUGDATA_LIMIT)
    if not reader.eof:
        raise Corrupt(f"{shown}: its .gnu_debugdata is cut off, or too large: build or install the file again")
    return plain


def _dynamic_table(elf: Elf) -> SymbolTable | None:
    """Read ``.dynsym`` as the loader finds it, so that it takes no section headers."""
    dynamic = elf.dynamic()
    places = {tag: elf.offset_of(values[0]) for tag, values in dynamic.items()}
    entries, names = places.get(_DT_SYMTAB), places.get(_DT_STRTAB)
    if entries is None or names is None:
        return None
    count = _count(elf, places)
    size = count * (24 if elf.is_64 else 16)
    indexes = b""
    versions: dict[int, str] = {}
    at = places.get(_DT_VERSYM)
    if at is not None:
        indexes = elf.bytes_at(at, 2 * count)
        versions = _versions(elf, dynamic, places.get(_DT_VERDEF))
    texts = elf.bytes_at(names, dynamic.get(_DT_STRSZ, [0])[0])
    return SymbolTable("dynsym", elf, elf.bytes_at(entries, size), texts, (indexes, versions))


def _count(elf: Elf, places: Mapping[int, int | None]) -> int:
    """Return how many symbols there are, which only the section or the hash tables tell."""
    section = elf.section(".dynsym")
    if section is not None and section.offset == places.get(_DT_SYMTAB):
        return section.size // (24 if elf.is_64 else 16)
    at = places.get(_DT_HASH)
    if at is not None:
        count: int = struct.unpack(f"{elf.order}II", elf.bytes_at(at, 8))[1]
        return count
    at = places.get(_DT_GNU_HASH)
    if at is None:
        return 0
    # The last chain's last entry has its lowest bit set (https://flapenguin.me/elf-dt-gnu-hash).
    buckets, first, bloom, _ = struct.unpack(f"{elf.order}4I", elf.bytes_at(at, 16))
    at += 16 + bloom * elf.word
    last = max(struct.unpack(f"{elf.order}{buckets}I", elf.bytes_at(at, 4 * buckets)), default=0)
    if last < first:
        return int(first)
    chains = at + 4 * buckets
    for index in itertools.count(last):
        (value,) = struct.unpack(f"{elf.order}I", elf.bytes_at(chains + 4 * (index - first), 4))
        if value & 1:
            return index + 1
    return 0


def _versions(elf: Elf, dynamic: dict[int, list[int]], at: int | None) -> dict[int, str]:
    """Return the names of the versions defined here, by number (``Elf64_Verdef``)."""
    found: dict[int, str] = {}
    for _ in range(dynamic.get(_DT_VERDEFNUM, [0])[0]):
        if at is None:
            break
        _, flags, number, _, _, aux, following = struct.unpack(f"{elf.order}4H3I", elf.bytes_at(at, 20))
        (name,) = struct.unpack(f"{elf.order}I", elf.bytes_at(at + aux, 4))
        if not flags & 1:  # VER_FLG_BASE: the file's own name
            found[number] = elf.dynamic_text(dynamic, name)
        if not following:
            break
        at += following
    return found
