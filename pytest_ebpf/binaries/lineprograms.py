"""Line programs: what the compiler noted of which code is of which line (DWARF 5, section 6.2).

Read here and not through pyelftools, which takes 17 seconds for those of a C library.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_ebpf.binaries.raw import leb, section_bytes, signed_leb, text_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.dwarfinfo import DWARFInfo

__all__ = ["Program", "Row", "programs_of"]

_VERSIONS = range(2, 6)
_LONG = 0xFFFFFFFF
"""Instead of a size: 64-bit DWARF."""
_END_SEQUENCE, _SET_ADDRESS = 1, 2
"""``DW_LNE_*``."""
_COPY, _ADVANCE_PC, _ADVANCE_LINE, _SET_FILE, _NEGATE_STMT, _CONST_ADD_PC, _FIXED_ADVANCE_PC = 1, 2, 3, 4, 6, 8, 9
"""``DW_LNS_*``."""
_PATH, _FOLDER = 1, 2
"""``DW_LNCT_path``, ``DW_LNCT_directory_index``."""
_STRING, _LINE_STRP, _STRP, _UDATA, _BLOCK = 0x08, 0x1F, 0x0E, 0x0F, 0x09
_SIZES = {0x0B: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x1E: 16, 0x25: 1, 0x26: 2, 0x27: 3, 0x28: 4}
"""Of ``DW_FORM_data*`` and ``DW_FORM_strx*``."""


class Row(NamedTuple):
    """One row of the table that a program makes."""

    address: int
    file: int
    line: int
    is_statement: bool
    ends: bool
    """The code before this address ends here."""


class _Texts(NamedTuple):
    """Sections that names may be in."""

    line: bytes
    other: bytes


def programs_of(dwarf: DWARFInfo) -> Iterator[Program]:
    """Yield the line programs. Raises what damaged ones lead to: `IndexError`, `ValueError`."""
    data = section_bytes(dwarf.debug_line_sec)
    texts = _Texts(section_bytes(dwarf.debug_line_str_sec), section_bytes(dwarf.debug_str_sec))
    order: Literal["little", "big"] = "little" if dwarf.config.little_endian else "big"
    at = 0
    while at + 4 <= len(data):
        program = Program(data, at, order, texts)
        yield program
        at = program.end


class Program:
    """One line program, its header read."""

    def __init__(self, data: bytes, at: int, order: Literal["little", "big"], texts: _Texts) -> None:
        self._data = data
        self._order = order
        self._texts = texts
        self._width = 4
        size = self._number(at, 4)
        at += 4
        if size == _LONG:
            self._width = 8
            size = self._number(at, 8)
            at += 8
        self.end = at + size
        if self.end > len(data):
            raise ValueError("a line program is cut off")
        version = self._number(at, 2)
        if version not in _VERSIONS:
            raise ValueError(f"a line program has version {version}")
        at += 2 + (2 if version == 5 else 0)  # noqa: PLR2004 - sizes of addresses and segments
        self._start = at + self._width + self._number(at, self._width)
        at += self._width
        self._smallest = data[at]
        at += 2 if version >= 4 else 1  # noqa: PLR2004 - operations in an instruction
        self._is_statement = bool(data[at])
        self._line_base = int.from_bytes(data[at + 1 : at + 2], order, signed=True)
        self._line_range, self._first_special = data[at + 2], data[at + 3]
        self._operands = data[at + 4 : at + 3 + self._first_special]
        at += 3 + self._first_special
        self.files: dict[int, str]
        """Paths by number; relative to the folder that is not told here, before DWARF 5."""
        self.files = self._read_files(at) if version == 5 else self._read_old_files(at)  # noqa: PLR2004 - DWARF 5

    def _number(self, at: int, size: int) -> int:
        if at + size > len(self._data):
            raise ValueError("a line program is cut off")
        return int.from_bytes(self._data[at : at + size], self._order)

    def _read_old_files(self, at: int) -> dict[int, str]:
        folders = [""]
        while self._data[at]:
            folder, at = text_at(self._data, at)
            folders.append(os.fsdecode(folder))
        at += 1
        files: dict[int, str] = {}
        while self._data[at]:
            name, at = text_at(self._data, at)
            folder_index, at = leb(self._data, at)
            _, at = leb(self._data, at)
            _, at = leb(self._data, at)
            files[len(files) + 1] = _joined(folders, folder_index, name)
        return files

    def _read_files(self, at: int) -> dict[int, str]:
        entries, at = self._read_table(at)
        folders = [os.fsdecode(path) for path, _ in entries]
        entries, at = self._read_table(at)
        return {number: _joined(folders, folder, name) for number, (name, folder) in enumerate(entries)}

    def _read_table(self, at: int) -> tuple[list[tuple[bytes, int]], int]:
        """Read a table of names; return paths with the indexes of folders."""
        formats = []
        count = self._data[at]
        at += 1
        for _ in range(count):
            kind, at = leb(self._data, at)
            form, at = leb(self._data, at)
            formats.append((kind, form))
        count, at = leb(self._data, at)
        entries = []
        for _ in range(count if formats else 0):
            path, folder = b"", 0
            for kind, form in formats:
                value, at = self._value(at, form)
                if kind == _PATH and isinstance(value, bytes):
                    path = value
                elif kind == _FOLDER and isinstance(value, int):
                    folder = value
            entries.append((path, folder))
        return entries, at

    def _value(self, at: int, form: int) -> tuple[bytes | int, int]:
        if form in {_LINE_STRP, _STRP}:
            texts = self._texts.line if form == _LINE_STRP else self._texts.other
            return text_at(texts, self._number(at, self._width))[0], at + self._width
        if form in _SIZES:
            return self._number(at, _SIZES[form]), at + _SIZES[form]
        if form == _STRING:
            return text_at(self._data, at)
        value, at = leb(self._data, at)
        if form == _BLOCK:
            return b"", at + value
        if form == _UDATA:
            return value, at
        raise ValueError(f"a name in a line program has the unknown form {form:#x}")

    def rows(self) -> Iterator[Row]:  # noqa: C901, PLR0912 - one branch an opcode
        """Run the program."""
        data, at = self._data, self._start
        first, base, span, smallest = self._first_special, self._line_base, self._line_range, self._smallest
        address, file, line, is_statement = 0, 1, 1, self._is_statement
        while at < self.end:
            code = data[at]
            at += 1
            if code >= first:
                address += (code - first) // span * smallest
                line += base + (code - first) % span
                yield Row(address, file, line, is_statement, ends=False)
            elif code == 0:
                size, at = leb(data, at)
                what = data[at]
                if what == _END_SEQUENCE:
                    yield Row(address, file, line, is_statement, ends=True)
                    address, file, line, is_statement = 0, 1, 1, self._is_statement
                elif what == _SET_ADDRESS:
                    address = self._number(at + 1, size - 1)
                at += size
            elif code == _COPY:
                yield Row(address, file, line, is_statement, ends=False)
            elif code == _ADVANCE_PC:
                value, at = leb(data, at)
                address += value * smallest
            elif code == _ADVANCE_LINE:
                value, at = signed_leb(data, at)
                line += value
            elif code == _SET_FILE:
                file, at = leb(data, at)
            elif code == _NEGATE_STMT:
                is_statement = not is_statement
            elif code == _CONST_ADD_PC:
                address += (255 - first) // span * smallest
            elif code == _FIXED_ADVANCE_PC:
                address += self._number(at, 2)
                at += 2
            else:  # what does not change a row, and what is not known
                for _ in range(self._operands[code - 1]):
                    _, at = leb(data, at)


def _joined(folders: list[str], index: int, name: bytes) -> str:
    folder = folders[index] if index < len(folders) else ""
    if folder and not folder.startswith("/") and folders[0]:
        folder = f"{folders[0]}/{folder}"
    return os.path.normpath(os.path.join(folder, os.fsdecode(name)))
