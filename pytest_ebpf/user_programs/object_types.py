"""The types of a compiled object, out of its own BTF."""

from __future__ import annotations

import contextlib
import difflib
import functools
import io
import re
import shlex
import sys
from typing import TYPE_CHECKING

from pytest_ebpf.binaries.elf import Elf
from pytest_ebpf.binaries.errors import Corrupt, NotABinary
from pytest_ebpf.binaries.symbols import STT_OBJECT, tables_of
from pytest_ebpf.errors import ProgramError, UsageError
from pytest_ebpf.hints import listed
from pytest_ebpf.probes.btf_types import Btf
from pytest_ebpf.probes.types import Structure
from pytest_ebpf.user_programs.registry import event_type
from pytest_ebpf.user_programs.types import Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_ebpf.probes.types import Type
    from pytest_ebpf.user_programs.registry import EventType

__all__ = ["ObjectTypes", "nearest"]

_MAPS = ".maps"
_NOT_VARIABLES = frozenset({_MAPS, ".kconfig", ".ksyms", "license", "version"})
_OWN = "ebpf_"
"""Before the names of what ``include/pytest_ebpf.bpf.h`` declares for itself."""
_NUMBER = "ebpf_program"
"""A variable that has the program's number, if it includes that header."""
_PLACE = re.compile(r"(u(?:ret)?probe(?:\.s)?|usdt)/(.+?):(.+)")
_COMPILE = "  try     its text, or clang -target bpf -g -O2 -c …, and no llvm-strip but with -g"
_FEW = 20
"""Names that a message lists."""
_USUAL = "event"
"""What a structure of events is called where nothing else tells."""


def nearest(name: str, names: Iterable[str]) -> str:
    """Return what a name may have been meant to be, as the end of a message."""
    known = sorted(names)
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; there are {listed(name, known)}" if known else "; there are none"


class ObjectTypes:
    """What an object says of its own types."""

    def __init__(self, data: bytes, shown: str, given: Mapping[str, str]) -> None:
        """Read it.

        Args:
            data: The whole file.
            shown: What messages call it.
            given: Which structures its outputs get, by the output's name.

        Raises:
            ProgramError: It is no compiled BPF program, or has no types.
            UsageError: It has no such output or structure.
        """
        self._shown = shown
        self._given = given
        elf = _checked(data, shown)
        self._btf = _btf_of(elf)
        symbols = [symbol for table in tables_of(elf) for symbol in table]
        sections = [(symbol, elf.sections[symbol.section].name) for symbol in symbols if symbol.is_function]
        self._sections = {symbol.name: section for symbol, section in sections if section != ".text"}
        # In the object's BTF they are not filled in: libbpf does so by the symbols (btf_fixup_datasec()).
        self._offsets = {symbol.name: symbol.address for symbol in symbols if symbol.kind == STT_OBJECT}
        for output, name in given.items():
            asked = f"types={{{output!r}: {name!r}}}: {shown} has no"
            if output not in self._maps:
                raise UsageError(f"{asked} output {output!r}{nearest(output, self._maps)}")
            if name.removeprefix("struct ") not in self._btf.structures():
                raise UsageError(f"{asked} structure {name!r}{nearest(name, self._btf.structures())}")

    def programs(self) -> list[str]:
        """Return the names of its programs."""
        return list(self._sections)

    def maps(self) -> list[str]:
        """Return the names of its maps."""
        return list(self._maps)

    def places(self) -> dict[str, str]:
        """Return by program the places in files that the sections name: libbpf would look for them elsewhere."""
        places = {name: _place(section) for name, section in self._sections.items()}
        return {name: place for name, place in places.items() if place is not None}

    def of_map(self, name: str) -> tuple[Type | None, Type | None]:
        """Return the types of a map's keys and values; None: nothing tells."""
        members = self._maps.get(name, {})
        key, value = members.get("key"), members.get("value")
        return (None if key is None else self._btf.type_of(key), None if value is None else self._btf.type_of(value))

    @functools.cached_property
    def _maps(self) -> Mapping[str, Mapping[str, int]]:
        return {each.name: self._btf.pointed_members(each.type) for each in self._btf.section(_MAPS)}

    def of_output(self, name: str) -> Type:
        """Return the type of what is written to a perf buffer or ring.

        It is what the test said, else the value type that the map declares, else the structure that is called as the
        map or ``event``.

        Raises:
            UsageError: None of these is there.
        """
        if name in self._given:
            return self._btf.structure(self._given[name].removeprefix("struct "))
        declared = self.of_map(name)[1]
        if isinstance(declared, Structure):
            return declared
        names = self._btf.structures()
        for candidate in (name, _USUAL):
            if candidate in names:
                return self._btf.structure(candidate)
        known = sorted(each for each in names if not each.startswith(_OWN))
        there = f"{', '.join(known[:_FEW])}{' …' if len(known) > _FEW else ''}" if known else "it has none"
        raise UsageError(
            f"{self._shown}: nothing tells which structure the events of {name} are\n"
            f'  try     types={{"{name}": "…"}} with one of its structures: {there}\n'
            "          one that only local variables have is not described: struct event *anchor; makes it so"
        )

    def record_sizes(self) -> dict[str, int]:
        """Return the bytes of a record of each map that is an output, where they are known."""
        found = {}
        for name in self._maps:
            with contextlib.suppress(UsageError):
                found[name] = self.of_output(name).size
        return found

    @functools.cached_property
    def _emitted(self) -> Mapping[str, Type]:
        if not any(each.name == _NUMBER for each in self._btf.section(".rodata")):
            return {}
        names = self._btf.structures()
        return {name: self._btf.structure(name) for name in names if not name.startswith(_OWN)}

    def emitted(self) -> Mapping[str, Type]:
        """Return the structures that it may write by ``ebpf_emit()``, by name; none if it cannot."""
        return self._emitted

    def of_event(self, number: int) -> EventType:
        """Return what ``ebpf_emit()`` wrote, by the number of its type in the object's BTF."""
        return event_type(self._btf, number)

    @functools.cached_property
    def _variables(self) -> Mapping[str, Variable]:
        found = {}
        for section in self._btf.sections():
            if section not in _NOT_VARIABLES:
                for each in self._btf.section(section):
                    kind = self._btf.type_of(each.type)
                    if kind is not None and each.name in self._offsets and not each.name.startswith(_OWN):
                        found[each.name] = Variable(section, self._offsets[each.name], each.size, kind)
        return found

    def variables(self) -> Mapping[str, Variable]:
        """Return the global variables by name."""
        return self._variables


def _checked(data: bytes, shown: str) -> Elf:
    try:
        elf = Elf(io.BytesIO(data), shown)
    except (NotABinary, Corrupt) as error:
        why = str(error).removeprefix(f"{shown}: ").partition(": ")[0]
        raise ProgramError(f"pytest-ebpf: {shown} is no compiled BPF program: {why}\n{_COMPILE}") from None
    if not elf.sections:
        raise ProgramError(
            f"pytest-ebpf: {shown} is no compiled BPF program: it is cut off, its sections are not there\n{_COMPILE}"
        )
    if elf.machine != "BPF" or elf.order != ("<" if sys.byteorder == "little" else ">"):
        order = "" if elf.machine != "BPF" else f" of {'big' if elf.order == '>' else 'little'}-endian machines"
        raise ProgramError(
            f"pytest-ebpf: {shown} is compiled for {elf.machine}{order}, and not for this machine's BPF\n{_COMPILE}"
        )
    return elf


def _btf_of(elf: Elf) -> Btf:
    try:
        section = elf.section(".BTF")
        found = b"" if section is None else elf.data_of(section)
        if found:
            return Btf(found)
    except UsageError as error:
        raise ProgramError(f"pytest-ebpf: the types of {elf.shown} cannot be read: {error}\n{_COMPILE}") from None
    raise ProgramError(f"pytest-ebpf: {elf.shown} does not describe its types: it has no section .BTF\n{_COMPILE}")


def _place(section: str) -> str | None:
    """Return the place in a program that a section names, as `pytest_ebpf.functions.wanted.parse` reads it."""
    if (match := _PLACE.fullmatch(section)) is None:
        return None
    kind, target, name = match.groups()
    return f"{kind.replace('.s', '')}:{shlex.quote(target)}:{shlex.quote(name)}"
