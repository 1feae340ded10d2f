"""From a line of source to the places in the code that were made of it (DWARF 5, section 6.2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pytest_ebpf.binaries.errors import NoSuchFunction
from pytest_ebpf.binaries.lineprograms import programs_of
from pytest_ebpf.binaries.nearest import nearest_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.dwarfinfo import DWARFInfo

    from pytest_ebpf.binaries.lineprograms import Program

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
    file = os.path.normpath(file)
    starts: set[int] = set()
    lines: set[int] = set()
    files: set[str] = set()
    for program in programs_of(dwarf):
        numbers = {number for number, path in program.files.items() if f"/{path}".endswith(f"/{file}")}
        files.update(program.files.values())
        if numbers:
            for address, number, is_first in _statements(program, numbers):
                lines.add(number)
                if number == line and is_first:
                    starts.add(address)
    return sorted(starts), Others(sorted(lines), files)


def _statements(program: Program, numbers: set[int]) -> Iterator[tuple[int, int, bool]]:
    """Yield address, line, and whether a stretch of that line's code begins there, of the rows of some files."""
    before: tuple[int, int] | None = None
    for row in program.rows():
        if row.ends:
            before = None
        elif row.is_statement:
            here = (row.file, row.line)
            if row.file in numbers:
                yield row.address, row.line, here != before
            before = here


def refuse_line(shown: str, file: str, line: int, others: Others) -> NoReturn:
    """Raise `NoSuchFunction` for a line without code, or a file that is not there."""
    if others.lines:
        before = [each for each in others.lines if each < line][-_NEARBY:]
        behind = [each for each in others.lines if each > line][:_NEARBY]
        nearest = ", ".join(map(str, before + behind))
        raise NoSuchFunction(f"{shown}: {file}:{line} has no code of its own; the nearest lines that have: {nearest}")
    names = {os.path.basename(each) for each in others.files}
    nearest_files = nearest_names(file, names) or sorted(names)[:3]
    hint = f"; nearest: {', '.join(nearest_files)}" if nearest_files else ""
    raise NoSuchFunction(f"{shown}: none of its code is of {file}{hint}")
