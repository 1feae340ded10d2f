"""Why a function was not found, and what to ask for instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from pytest_ebpf.binaries.demangling import demangle, reads_cxx, shortened
from pytest_ebpf.binaries.elf import PF_X, PT_LOAD
from pytest_ebpf.binaries.errors import ChosenAtRunTime, Imported, NoSuchFunction, OnlyInlined
from pytest_ebpf.binaries.nearest import nearest_names
from pytest_ebpf.binaries.symbols import SHN_UNDEF, STT_GNU_IFUNC, STT_OBJECT, STT_TLS

if TYPE_CHECKING:
    from pytest_ebpf.binaries.binary import Binary

__all__ = ["refuse", "refuse_address", "refuse_chosen", "refuse_line_without_dwarf"]

_SHOWN = 3
"""Names in a message."""


def refuse(binary: Binary, wanted: str) -> NoReturn:
    """Raise the error that says most about why nothing goes by this name."""
    shown = binary.elf.shown
    name = wanted.partition("@")[0]
    symbols = binary.symbols(name)
    versions = sorted({each.version for each in symbols if each.is_function and each.version})
    if versions:
        raise NoSuchFunction(f"{shown}: no function {wanted!r}: {name} is there in version {' and '.join(versions)}")
    if any(each.section == SHN_UNDEF for each in symbols):
        _refuse_imported(binary, name)
    if any(each.kind in {STT_OBJECT, STT_TLS} for each in symbols):
        raise NoSuchFunction(f"{shown}: {name} is a variable: only a function can be probed")
    _refuse_inlined(binary, name)
    clones = sorted({each.name for each in binary.clones(name)})
    if clones:
        raise NoSuchFunction(
            f"{shown}: no function {wanted!r}, only {_listed(clones)}: the compiler made that of it and may have"
            f" changed its arguments; ask for it by that name"
        )
    names = {each.name for each in binary.all_functions()}
    if not names:
        raise NoSuchFunction(
            f"{shown}: no function {wanted!r}: it has no symbols, it was stripped, and no file of its debug information"
            f" was found ({_debug_file_of(binary)}): install that, build it without stripping,"
            f" or name an address (0x…)"
        )
    if not reads_cxx() and any(each.startswith("_Z") for each in names):
        raise NoSuchFunction(
            f"{shown}: no function {wanted!r}: names as in C++ source take libstdc++.so.6, which is not here:"
            f" install it, or ask for the symbol"
        )
    is_source = "::" in wanted or "(" in wanted
    pool = {shortened(demangle(each) or each) for each in names} if is_source else names
    nearest = nearest_names(wanted, pool)
    hint = f"; nearest: {', '.join(nearest)}" if nearest else f"; none of its {len(names):,} is like it"
    if not binary.has_local_symbols:
        hint += (
            f"; it was stripped: only the {len(names):,} that it exports are known, and no file of its debug"
            f" information was found ({_debug_file_of(binary)})"
        )
    what = "function matches" if any(each in wanted for each in "*?[") else "function"
    raise NoSuchFunction(f"{shown}: no {what} {wanted!r}{hint}")


def refuse_chosen(binary: Binary, wanted: str) -> NoReturn:
    """Raise `ChosenAtRunTime`, naming those that are chosen from, as far as they have symbols."""
    chosen = {each.name.lstrip("_") for each in binary.symbols(wanted.partition("@")[0]) if each.kind == STT_GNU_IFUNC}
    candidates = sorted(
        {
            symbol.name
            for symbol in binary.all_functions()
            for name in chosen
            if symbol.kind != STT_GNU_IFUNC
            and symbol.name.lstrip("_").startswith((f"{name}_", f"{name}."))
            and not symbol.name.lstrip("_").startswith((f"{name}_chk", f"{name}_ifunc", f"{name}.resolver"))
        }
    )
    text = (
        f"{binary.elf.shown}: {wanted} is chosen at run time (STT_GNU_IFUNC): its symbol is that of the code which"
        f" chooses, not of the function"
    )
    if candidates:
        raise ChosenAtRunTime(f"{text}; ask for what it chooses from: {_listed(candidates, 12)}")
    raise ChosenAtRunTime(
        f"{text}, and what it chooses from has no symbols here: install its debug symbols ({_debug_file_of(binary)})"
    )


def refuse_address(binary: Binary, address: int, wanted: str) -> NoReturn:
    """Raise `NoSuchFunction` for what lies outside the code."""
    code = [
        f"{each.address:#x} to {each.address + each.file_size - 1:#x}"
        for each in binary.elf.segments
        if each.kind == PT_LOAD and each.flags & PF_X and each.file_size
    ]
    place = f"{wanted} (at {address:#x})" if wanted != f"{address:#x}" else wanted
    raise NoSuchFunction(f"{binary.elf.shown}: {place} is not in its code, which is at {' and '.join(code) or 'none'}")


def refuse_line_without_dwarf(binary: Binary, wanted: str) -> NoReturn:
    """Raise `NoSuchFunction` for a line, where nothing tells of lines."""
    if binary.undecoded is not None:
        raise NoSuchFunction(f"{binary.elf.shown}: {wanted}: lines take debug information, and {binary.undecoded}")
    raise NoSuchFunction(
        f"{binary.elf.shown}: {wanted}: lines take debug information, and it has none, nor was a file of it found"
        f" ({_debug_file_of(binary)}): build it with -g, or install its debug symbols"
    )


def _refuse_imported(binary: Binary, name: str) -> NoReturn:
    from pytest_ebpf.binaries.locate import definition_of  # noqa: PLC0415 - which needs Binary

    found = definition_of(binary, name)
    shown = binary.elf.shown
    if found is None:
        raise Imported(
            f"{shown}: {name} is not in it, it only calls it, and none of the libraries that it needs has it:"
            f" name the library that is loaded later"
        )
    soname, path = found
    raise Imported(f"{shown}: {name} is not in it, it only calls it: {soname} has it ({path}); name that library")


def _refuse_inlined(binary: Binary, name: str) -> None:
    """Raise `OnlyInlined` if the debug information says so."""
    callers = binary.inlined_into(name)
    if callers:
        raise OnlyInlined(
            f"{binary.elf.shown}: {name} was inlined everywhere, into {_listed(sorted(callers))}: it has no code of"
            f" its own; probe its callers, or build it with __attribute__((noinline)) or -fno-inline"
        )


def _debug_file_of(binary: Binary) -> str:
    if binary.build_id is None:
        return "it has no build id to look for it by"
    return f"/usr/lib/debug/.build-id/{binary.build_id[:2]}/{binary.build_id[2:]}.debug"


def _listed(names: list[str], shown: int = _SHOWN) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
