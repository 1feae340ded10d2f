"""From a line of source to the places in the code that were made of it (DWARF 5, section 6.2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pytest_ebpf.binaries.errors import NoSuchFunction
from pytest_ebpf.binaries.nearest import nearest_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.dwarfinfo import DWARFInfo
    from elftools.dwarf.lineprogram import LineProgram

__all__ = ["Others", "addresses_of", "refuse_line"]

_NEARBY = 2
"""Lines named on each side of one without code."""


class Others(NamedTuple):
    """What there is where a line was not found."""

    lines: list[int]
    """Of the file."""
    files: set[str]


def addresses_of(dwarf: DWARFInfo, file: str, line: int) -> tuple[list[int], Others]:
    """Return where each stretch of code of a line begins, in all functions that it is in, and what else there is.

    `file` is the end of a path: ``exp.c``, ``src/exp.c``. A line whose code lies in several stretches, as
    optimisation or a loop makes it, has several places.
    """
    starts: set[int] = set()
    lines: set[int] = set()
    files: set[str] = set()
    seen = set()
    for unit in dwarf.iter_CUs():
        top = unit.get_top_DIE()
        at = top.attributes.get("DW_AT_stmt_list")
        if at is None or at.value in seen:
            continue
        seen.add(at.value)
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        folder = top.attributes.get("DW_AT_comp_dir")
        paths = _paths(program, os.fsdecode(folder.value) if folder is not None else "")
        numbers = {number for number, path in paths.items() if f"/{path}".endswith(f"/{file}")}
        files.update(paths.values())
        if numbers:
            for address, number, is_first in _rows(program, numbers):
                lines.add(number)
                if number == line and is_first:
                    starts.add(address)
    return sorted(starts), Others(sorted(lines), files)


def _paths(program: LineProgram, folder: str) -> dict[int, str]:
    """Return the paths of a line program's files, by number: from 1 before DWARF 5, where 0 is the main file."""
    header = program.header
    is_5 = header.version >= 5  # noqa: PLR2004 - DWARF 5
    folders = [os.fsdecode(each) for each in header.include_directory]
    if not is_5:
        folders = [folder, *folders]
    found = {}
    for number, each in enumerate(header.file_entry, 0 if is_5 else 1):
        where = folders[each.dir_index] if each.dir_index < len(folders) else ""
        found[number] = os.path.normpath(os.path.join(folder, where, os.fsdecode(each.name)))  # noqa: PTH118
    return found


def _rows(program: LineProgram, numbers: set[int]) -> Iterator[tuple[int, int, bool]]:
    """Yield address, line, and whether a stretch of that line's code begins there, of the rows of some files."""
    before: tuple[int, int] | None = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if state.end_sequence:
            before = None
            continue
        here = (state.file, state.line)
        if state.file in numbers and state.is_stmt:
            yield state.address, state.line, here != before
        if state.is_stmt:
            before = here


def refuse_line(shown: str, file: str, line: int, others: Others) -> NoReturn:
    """Raise `NoSuchFunction` for a line without code, or a file that is not there."""
    if others.lines:
        before = [each for each in others.lines if each < line][-_NEARBY:]
        behind = [each for each in others.lines if each > line][:_NEARBY]
        nearest = ", ".join(map(str, before + behind))
        raise NoSuchFunction(f"{shown}: {file}:{line} has no code of its own; the nearest lines that have: {nearest}")
    names = {os.path.basename(each) for each in others.files}  # noqa: PTH119 - of any bytes
    nearest_files = nearest_names(file, names) or sorted(names)[:3]
    hint = f"; nearest: {', '.join(nearest_files)}" if nearest_files else ""
    raise NoSuchFunction(f"{shown}: none of its code is of {file}{hint}")
