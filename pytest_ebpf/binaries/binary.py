"""An executable or a library: its functions, and what else a probe goes by."""

from __future__ import annotations

import fnmatch
import functools
import os
import re
from collections import OrderedDict
from typing import TYPE_CHECKING

from pytest_ebpf.binaries import demangling, missing
from pytest_ebpf.binaries.debugfiles import FoundDwarf, build_id_of, find_dwarf, separate_file
from pytest_ebpf.binaries.elf import Elf
from pytest_ebpf.binaries.errors import NoSuchFunction, reading
from pytest_ebpf.binaries.function import Function
from pytest_ebpf.binaries.roots import inside
from pytest_ebpf.binaries.suitable import check_kind, check_machine
from pytest_ebpf.binaries.symbols import STB_GLOBAL, STB_WEAK, STT_GNU_IFUNC, STT_NOTYPE, Symbol, tables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from elftools.dwarf.dwarfinfo import DWARFInfo

    from pytest_ebpf.binaries.errors import Undecoded
    from pytest_ebpf.binaries.inlines import Inlines
    from pytest_ebpf.binaries.symbols import SymbolTable
    from pytest_ebpf.binaries.usdt import Usdt

__all__ = ["Binary"]

_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]+")
_LINE = re.compile(r"(.*\.\w+):(\d+)")
_BEHIND = re.compile(r"(.+)\+(0[xX][0-9a-fA-F]+|\d+)")
_CLONE = re.compile(r"(part|cold|constprop|isra)\b")
_SAME = re.compile(r"(lto_priv|llvm|localalias|__uniq)\b")
"""Suffixes of what is the function itself."""
_CACHED = 16


class Binary:
    """A file with functions. Opening it reads its headers, asking for a function its symbols.

    Raises `NoSuchFile`, `NotABinary`, `OtherMachine` and `Corrupt`.
    """

    def __init__(self, elf: Elf, path: str, root: str) -> None:
        self._elf = elf
        self.root = root
        """Under which folder other files that belong to it are found."""
        self._places: dict[int, str | None] = {}
        self.path = path
        """Where this process opens it."""
        self.identity = _identity(os.fstat(elf.stream.fileno()))
        """Device, inode, time of change in ns, bytes."""
        self.machine = elf.machine
        """``x86-64``, ``aarch64``, ``i386``, …"""
        self.word = elf.word
        """Bytes of a pointer: 8 or 4."""

    @classmethod
    def open(cls, path: str | os.PathLike[str], root: str = "/", *, any_machine: bool = False) -> Binary:
        """Open a file, whose absolute path is that under `root`.

        One that has not changed since is not read again. `any_machine`: also what does not run here.
        """
        shown = os.fspath(path)
        return cls._opened(shown if root == "/" else inside(root, shown), shown, root, any_machine=any_machine)

    @classmethod
    def of_process(cls, pid: int, name: str | None = None) -> Binary:
        """Open what a running process mapped: its program, or the library of this name (``libc``, ``libc.so.6``)."""
        from pytest_ebpf.binaries.mapped import mapped_file  # noqa: PLC0415 - only of processes

        path, shown, root = mapped_file(pid, name)
        return cls._opened(path, shown, root)

    @classmethod
    def _opened(cls, path: str, shown: str, root: str, *, any_machine: bool = False) -> Binary:
        elf = Elf.open(path, shown)
        path = os.path.abspath(path)
        key = (_identity(os.fstat(elf.stream.fileno())), path, root)
        found = _cache.get(key)
        if found is None:
            check_kind(elf)
            found = _cache[key] = cls(elf, path, root)
            while len(_cache) > _CACHED:
                _cache.popitem(last=False)
        else:
            _cache.move_to_end(key)
            elf.close()
        if not any_machine:
            check_machine(found.machine, shown)
        return found

    def __repr__(self) -> str:
        return f"<Binary {self._elf.shown}: {self.machine}, build id {self.build_id}>"

    @property
    def elf(self) -> Elf:
        """The file's headers."""
        return self._elf

    @functools.cached_property
    def build_id(self) -> str | None:
        """The build id, in hexadecimal digits."""
        with reading(self._elf.shown, "notes"):
            return build_id_of(self._elf)

    @functools.cached_property
    def is_go(self) -> bool:
        """Whether Go's linker made it: its stacks move, so a return must not be probed."""
        names = {each.name for each in self._elf.sections}
        if names & {".gopclntab", ".go.buildinfo", ".note.go.buildid"}:
            return True
        with reading(self._elf.shown, "notes"):
            return any(note.owner == b"Go" for note in self._elf.notes())

    @functools.cached_property
    def _debug_file(self) -> Elf | None:
        with reading(self._elf.shown, "links to debug information"):
            return separate_file(self._elf, self.path, self.root)

    @functools.cached_property
    def _tables(self) -> tuple[SymbolTable, ...]:
        with reading(self._elf.shown, "symbol tables"):
            tables = list(tables_of(self._elf))
        # What .symtab names is all that a debug file's does.
        if not any(table.source == "symtab" for table in tables) and self._debug_file is not None:
            with reading(self._debug_file.shown, "symbol tables"):
                tables += tables_of(self._debug_file, "debug file")
        return tuple(tables)

    @functools.cached_property
    def _dwarf(self) -> FoundDwarf:
        return find_dwarf(self._elf, lambda: self._debug_file, self.root)

    def dwarf(self) -> DWARFInfo | None:
        """Return its debug information: its own, or that of its separate file; None if there is none."""
        return self._dwarf.dwarf

    @property
    def dwarf_path(self) -> str | None:
        """In which file that was found."""
        return self._dwarf.path

    @property
    def undecoded(self) -> Undecoded | None:
        """Why the debug information that there is cannot be read; None: it can, or there is none."""
        return self._dwarf.undecoded

    def usdt(self) -> list[Usdt]:
        """Return the USDT probes compiled into it."""
        from pytest_ebpf.binaries.usdt import read_usdt  # noqa: PLC0415 - only of who asks

        with reading(self._elf.shown, "USDT notes"):
            return read_usdt(self)

    # ---- functions

    def functions(self, wanted: str) -> list[Function]:
        """Return the functions that go by a name, or are at a place; at least one.

        `wanted`: a symbol (``accept_exp``, ``memcpy@GLIBC_2.14``), a name as in C++ or Rust source with or without
        its arguments' types, a pattern of either with ``*``, ``?`` or ``[…]``, an address (``0x1139``), a place
        behind a symbol (``accept_exp+0x8``), or a line (``exp.c:17``). An address or place behind one must
        be where an instruction begins: nothing here can tell.

        Raises `NoSuchFunction` or a subclass, and `Corrupt`.
        """
        found: list[Function] = []
        with reading(self._elf.shown, "symbols"):
            for find in (self._at_address, self._at_line, self._named, self._behind, self._matching):
                found = found or find(wanted)
            if not found:
                missing.refuse(self, wanted)
        return found

    def inlined_into(self, name: str) -> dict[str, int] | None:
        """Tell into which functions a function's code was put, and at how many places each.

        None if there is no debug information.
        """
        with reading(self.dwarf_path or "", "debug information (DWARF)"):
            return None if self._inlines is None else self._inlines.into(name)

    def inlined_among(self, names: Collection[str]) -> dict[str, int] | None:
        """Tell at how many places the code of each of many functions (symbols) was put into others.

        Those that never were are left out. None if there is no debug information. All of it is read once: faster
        than `inlined_into` from a hundred functions on.
        """
        with reading(self.dwarf_path or "", "debug information (DWARF)"):
            return None if self._inlines is None else self._inlines.counts(names)

    @functools.cached_property
    def _inlines(self) -> Inlines | None:
        from pytest_ebpf.binaries.inlines import Inlines  # noqa: PLC0415 - only of who asks

        dwarf = self.dwarf()
        return None if dwarf is None else Inlines(dwarf)

    def left_out(self, wanted: str) -> list[str]:
        """Return the functions that match a pattern and cannot be probed, as they are chosen at run time.

        `functions` leaves them out where others match: that none of those was called says nothing of these.
        """
        matches = _pattern(wanted)
        return sorted({each.name for each in self.all_functions() if each.kind == STT_GNU_IFUNC and matches(each.name)})

    def symbols(self, name: str) -> list[Symbol]:
        """Return all symbols of this name, functions or not, defined here or not."""
        return [symbol for table in self._tables for symbol in table.named(name)]

    @property
    def has_local_symbols(self) -> bool:
        """Whether the symbols of what it does not export are known."""
        return any(each.source != "dynsym" for each in self._tables)

    def all_functions(self) -> Iterator[Symbol]:
        """Yield the symbol of each function that is defined here, the chosen at run time among them."""
        for table in self._tables:
            yield from (symbol for symbol in table if symbol.is_function)

    def symbol_at(self, offset: int) -> str | None:
        """Return what code at a place in the file belongs to (``main+0x1c``), as in a stack; None if not known."""
        if offset not in self._places:
            with reading(self._elf.shown, "symbols"):
                address = self._elf.address_of(offset)
                self._places[offset] = None if address is None else self._covering(address)[0]
        return self._places[offset]

    def _covering(self, address: int) -> tuple[str | None, int]:
        """Return a place by the symbol that it is in, and how many bytes that has from there."""
        found = next(filter(None, (table.covering(address) for table in self._tables)), None)
        if found is None:
            return None, 0
        behind = address - found.address
        return f"{found.name}+{behind:#x}" if behind else found.name, found.size - behind

    def clones(self, name: str) -> list[Symbol]:
        """Return the copies and parts that the compiler made of a function."""
        return [each for each in self._suffixed(name) if _CLONE.search(each.name, len(name))]

    def _suffixed(self, name: str) -> Iterator[Symbol]:
        for table in self._tables:
            yield from (symbol for symbol in table.beginning(f"{name}.") if symbol.is_function)

    def _at_address(self, wanted: str) -> list[Function]:
        if not _ADDRESS.fullmatch(wanted):
            return []
        return [self._place(int(wanted, 16), wanted, "address")]

    def _at_line(self, wanted: str) -> list[Function]:
        match = _LINE.fullmatch(wanted)
        if match is None or (match[1].endswith(":") and ":" in match[1]):
            return []
        dwarf = self.dwarf()
        if dwarf is None:
            missing.refuse_line_without_dwarf(self, wanted)
        from pytest_ebpf.binaries.lines import addresses_of, refuse_line  # noqa: PLC0415 - only of who asks

        with reading(self.dwarf_path or "", "line numbers (DWARF)"):
            addresses, others = addresses_of(dwarf, match[1], int(match[2]))
        # What the linker left out is still in the tables, at address 0.
        kept = [each for each in addresses if self._elf.code_offset_of(each) is not None]
        if not kept:
            refuse_line(self._elf.shown, match[1], int(match[2]), others)
        return [self._place(each, wanted, "line") for each in kept]

    def _place(self, address: int, wanted: str, source: str) -> Function:
        offset = self._elf.code_offset_of(address)
        if offset is None:
            missing.refuse_address(self, address, wanted)
        if self.machine == "aarch64" and address % 4:
            raise NoSuchFunction(f"{self._elf.shown}: {wanted} is inside an instruction: on arm64 each has 4 bytes")
        name, size = self._covering(address)
        line = wanted if source == "line" else None
        return Function(
            name=name or f"{address:#x}",
            address=address,
            offset=offset,
            size=size,
            source=source,
            line=line,
            binary=self,
        )

    def _named(self, wanted: str) -> list[Function]:
        name, at, version = wanted.partition("@")
        version = version.lstrip("@")
        symbols = [each for each in self.symbols(name) if not version or each.version == version]
        found = [each for each in symbols if each.is_function]
        if not at:
            found += [each for each in self._suffixed(name) if _SAME.search(each.name, len(name))]
        if not found:  # a label in assembly has no kind
            found = [
                each
                for each in symbols
                if each.kind == STT_NOTYPE and each.section and self._elf.code_offset_of(each.address) is not None
            ]
        if any(each.kind == STT_GNU_IFUNC for each in found):
            missing.refuse_chosen(self, wanted)
        clones = tuple(sorted({each.name for each in self.clones(name)} - {each.name for each in found}))
        return self._merged(found, wanted, clones)

    def _behind(self, wanted: str) -> list[Function]:
        match = _BEHIND.fullmatch(wanted)
        if match is None:
            return []
        behind = int(match[2], 0)
        starts = self._named(match[1])
        for each in starts:
            if each.size and behind >= each.size:
                raise NoSuchFunction(
                    f"{self._elf.shown}: {wanted} is behind the end of {each.name}, which has {each.size:#x} bytes"
                )
        return [self._place(each.address + behind, wanted, "address") for each in starts]

    def _matching(self, wanted: str) -> list[Function]:
        matches = _pattern(wanted)
        found = [symbol for symbol in self.all_functions() if matches(symbol.name)]
        # A function's cold part is jumped to, not called.
        found = [each for each in found if ".cold" not in each.name]
        callable_ = [each for each in found if each.kind != STT_GNU_IFUNC]
        if found and not callable_:
            missing.refuse_chosen(self, wanted)
        return self._merged(callable_, wanted, None)

    def _merged(self, symbols: Iterable[Symbol], wanted: str, clones: tuple[str, ...] | None) -> list[Function]:
        """Make functions of symbols, one a place."""
        places: dict[int, list[Symbol]] = {}
        for symbol in symbols:
            places.setdefault(symbol.address, []).append(symbol)
        others: dict[int, set[str]] = {}
        if clones is not None:
            for table in self._tables:
                for symbol in table.at(places):
                    others.setdefault(symbol.address, set()).add(symbol.name)
        functions = []
        for address, those in sorted(places.items()):
            best = min(those, key=_rank)
            offset = self._elf.code_offset_of(address)
            if offset is None:
                if clones is None:  # one of many that match a pattern
                    continue
                missing.refuse_address(self, address, wanted)
            names = others.get(address) or {each.name for each in those}
            functions.append(
                Function(
                    name=best.name,
                    address=address,
                    offset=offset,
                    size=best.size,
                    source=best.source,
                    version=next((each.version for each in those if each.version), None),
                    aliases=tuple(sorted(names - {best.name})),
                    clones=clones or (),
                    binary=self,
                )
            )
        return functions


def _pattern(wanted: str) -> Callable[[str], object]:
    """Return what tells whether a symbol matches a pattern, or goes by a name in source."""
    if not demangling.looks_like_source(wanted) and any(each in wanted for each in "*?["):
        return re.compile(fnmatch.translate(wanted)).match
    return demangling.matcher(wanted)


def _rank(symbol: Symbol) -> tuple[object, ...]:
    """Order the symbols of one place: the one that is called by most first."""
    binding = {STB_GLOBAL: 0, STB_WEAK: 1}.get(symbol.binding, 2)
    return binding, symbol.name.startswith("_"), not symbol.is_default, len(symbol.name), symbol.name


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


_cache: OrderedDict[tuple[tuple[int, int, int, int], str, str], Binary] = OrderedDict()
