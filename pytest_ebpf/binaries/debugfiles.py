"""Debug information in a file of its own: by ``.gnu_debuglink``, by build id, and what several share (dwz(1)).

https://sourceware.org/gdb/current/onlinedocs/gdb.html/Separate-Debug-Files.html
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf.binaries.elf import Elf
from pytest_ebpf.binaries.errors import NoSuchFile, NotABinary, Undecoded, reading
from pytest_ebpf.binaries.roots import inside
from pytest_ebpf.binaries.split import check_whole
from pytest_ebpf.binaries.zstd import decompressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from elftools.dwarf.dwarfinfo import DWARFInfo

__all__ = ["FoundDwarf", "build_id_of", "find_dwarf", "separate_file"]

_FOLDER = "/usr/lib/debug"
_NT_GNU_BUILD_ID = 3


def build_id_of(elf: Elf) -> str | None:
    """Return the build id, in hexadecimal digits."""
    for note in elf.notes():
        if note.owner == b"GNU" and note.kind == _NT_GNU_BUILD_ID and note.data:
            return note.data.hex()
    return None


def separate_file(elf: Elf, path: str, root: str) -> Elf | None:
    """Open the file that holds a file's debug information; None if there is none that belongs to it."""
    for candidate, is_that in _candidates(elf, path, root):
        try:
            found = Elf.open(candidate)
        except (NoSuchFile, NotABinary):
            continue
        if is_that(found) and not os.path.sameopenfile(found.stream.fileno(), elf.stream.fileno()):
            return found
        found.close()
    return None


def _candidates(elf: Elf, path: str, root: str) -> Iterator[tuple[str, _Check]]:
    build_id = build_id_of(elf)
    if build_id is not None:
        yield _by_build_id(build_id, root), _Check(build_id=build_id)
    section = elf.section(".gnu_debuglink")
    if section is None:
        return
    data = elf.data_of(section)
    name, _, _ = data.partition(b"\0")
    checksum = data[len(name) + 4 & ~3 :][:4]
    if not name or b"/" in name or len(checksum) != 4:  # noqa: PLR2004 - a 32-bit CRC
        return
    check = _Check(checksum=int.from_bytes(checksum, "little" if elf.order == "<" else "big"))
    folder = os.path.dirname(os.path.realpath(path))
    text = os.fsdecode(name)
    yield f"{folder}/{text}", check
    yield f"{folder}/.debug/{text}", check
    prefix = os.path.realpath(root).rstrip("/")
    within = folder.removeprefix(prefix) if prefix else folder
    yield inside(root, f"{_FOLDER}{within}/{text}"), check
    if within.startswith("/usr/"):  # where /lib is a link to /usr/lib, packages may still say /lib
        yield inside(root, f"{_FOLDER}{within.removeprefix('/usr')}/{text}"), check


def _by_build_id(build_id: str, root: str) -> str:
    return inside(root, f"{_FOLDER}/.build-id/{build_id[:2]}/{build_id[2:]}.debug")


class _Check:
    """Whether a file is the one that was meant, and not that of another build."""

    def __init__(self, *, build_id: str | None = None, checksum: int | None = None) -> None:
        self._build_id = build_id
        self._checksum = checksum

    def __call__(self, elf: Elf) -> bool:
        if self._checksum is None:
            return build_id_of(elf) == self._build_id
        elf.stream.seek(0)
        checksum = 0
        while data := elf.stream.read(1 << 20):
            checksum = zlib.crc32(data, checksum)
        return checksum == self._checksum


class FoundDwarf(NamedTuple):
    """The debug information of a file."""

    dwarf: DWARFInfo | None = None
    path: str | None = None
    """Where it is."""
    undecoded: Undecoded | None = None
    """Why what there is cannot be read."""


def find_dwarf(elf: Elf, separate: Callable[[], Elf | None], root: str) -> FoundDwarf:
    """Return a file's own DWARF, or that of its separate file. Raises `Corrupt`."""
    undecoded = None
    for find in (lambda: elf, separate):
        file = find()
        try:
            found = _dwarf_of(file, root) if file is not None else None
        except Undecoded as refusal:
            undecoded = undecoded or refusal
            continue
        if file is not None and found is not None:
            return FoundDwarf(found, file.shown)
    return FoundDwarf(undecoded=undecoded)


def _dwarf_of(elf: Elf, root: str) -> DWARFInfo | None:
    """Return a file's own DWARF, None if it has none. Raises `Corrupt`, and `Undecoded`."""
    # Imported here: only who asks for types, lines or inlined functions needs it.
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415

    if elf.section(".debug_info") is None and elf.section(".zdebug_info") is None:
        return None
    with reading(elf.shown, "debug information (DWARF)"):
        dwarf: DWARFInfo = ELFFile(decompressed(elf)).get_dwarf_info(relocate_dwarf_sections=False, follow_links=False)
        check_whole(dwarf)
        section = elf.section(".gnu_debugaltlink")
        if section is None:
            return dwarf
        shared = _shared_file(elf, elf.data_of(section), root)
        if shared is None:  # half of the names are there: what is left would tell half the truth
            return None
        dwarf.supplementary_dwarfinfo = ELFFile(decompressed(shared)).get_dwarf_info(
            relocate_dwarf_sections=False, follow_links=False
        )
        return dwarf


def _shared_file(elf: Elf, link: bytes, root: str) -> Elf | None:
    """Open what ``.gnu_debugaltlink`` names: Debian keeps there what the programs of a package share."""
    name, _, build_id = link.partition(b"\0")
    text = os.fsdecode(name)
    folder = os.path.dirname(os.path.realpath(elf.path))
    for candidate in (
        _by_build_id(build_id.hex(), root),
        inside(root, text) if text.startswith("/") else os.path.normpath(f"{folder}/{text}"),
    ):
        try:
            found = Elf.open(candidate)
        except (NoSuchFile, NotABinary):
            continue
        if build_id_of(found) == build_id.hex():
            return found
        found.close()
    return None
