"""An ELF file's headers, sections and segments (elf(5); System V gABI, chapters 4 and 5).

Read here and not through pyelftools, which serves for DWARF: a damaged section leaves the others
readable, and a table of 20,000 symbols is read in milliseconds, not in a second.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from pytest_ebpf.binaries.errors import Corrupt, NoSuchFile, NotABinary, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Elf", "Note", "Section", "Segment", "open_regular"]

PT_LOAD, PT_DYNAMIC, PT_NOTE = 1, 2, 4
PF_X = 1
ET_REL, ET_EXEC, ET_CORE = 1, 2, 4
SHT_NOTE, SHT_NOBITS = 7, 8

_MACHINES = {3: "i386", 40: "arm", 62: "x86-64", 183: "aarch64"}
"""By ``e_machine`` (``linux/elf-em.h``)."""
_OTHERS = {8: "MIPS", 20: "32-bit PowerPC", 21: "PowerPC", 22: "s390", 243: "RISC-V", 247: "BPF", 258: "LoongArch"}
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_WANTED = "a program or a library was expected"


@dataclass(frozen=True, slots=True)
class Segment:
    """What the kernel or the loader maps (``Elf64_Phdr``)."""

    kind: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int


@dataclass(frozen=True, slots=True)
class Section:
    """What the linker made (``Elf64_Shdr``)."""

    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class Note:
    """A note (``Elf64_Nhdr``)."""

    owner: bytes
    kind: int
    data: bytes


def open_regular(path: str, shown: str | None = None) -> BinaryIO:
    """Open a regular file for reading; never wait for the other end of a FIFO, never wake a device.

    `shown` is what the user calls it. Raises `NoSuchFile` and `NotABinary`.
    """
    shown = shown or path
    try:
        # stat(2) first: opening a device can do something to it.
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISREG(mode):
                return os.fdopen(descriptor, "rb")
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise NoSuchFile(f"{shown}: no such file: {_WANTED}; build or install it first") from None
    except ValueError:
        raise NoSuchFile(f"{shown!r}: no such file: a path has no NUL in it") from None
    except OSError as error:
        raise NoSuchFile(
            f"{shown}: it cannot be read ({error.strerror}): a probe needs a file that you may read"
        ) from error
    kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
    raise NotABinary(f"{shown}: it is {kind}: {_WANTED}")


class Elf:
    """One ELF file, its headers read.

    Raises `NotABinary` for what is none, `Corrupt` for one whose headers cannot be read.
    """

    def __init__(self, stream: BinaryIO, shown: str, path: str = "") -> None:
        self.path = path
        """Where it was opened."""
        self.shown = shown
        """What messages call it."""
        self._stream = stream
        # Kept open as long as this object lives, and closed without a ResourceWarning.
        self._closing = weakref.finalize(self, stream.close)
        self.size = stream.seek(0, io.SEEK_END)
        self._check_magic()
        with reading(shown, "ELF header"):
            self._read_header()

    @classmethod
    def open(cls, path: str, shown: str | None = None) -> Elf:
        """Open a file by its path."""
        stream = open_regular(path, shown)
        try:
            return cls(stream, shown or path, path)
        except BaseException:
            stream.close()
            raise

    @property
    def stream(self) -> BinaryIO:
        """The file, opened for reading."""
        return self._stream

    def _check_magic(self) -> None:
        self._stream.seek(0)
        start = self._stream.read(128)
        if start[:4] == b"\x7fELF":
            if len(start) < 52:  # noqa: PLR2004 - sizeof(Elf32_Ehdr)
                raise Corrupt(f"{self.shown}: its ELF header is cut off: build or install the file again")
            return
        if not start:
            raise NotABinary(f"{self.shown}: it is empty: {_WANTED}")
        if start[:2] == b"#!":
            interpreter = start[2:].split(b"\n")[0].strip().decode("utf-8", "backslashreplace")
            raise NotABinary(
                f"{self.shown}: it is a script: what runs is {interpreter}, and the functions are in that program"
            )
        begin = start[:8].decode("latin-1").encode("unicode_escape").decode("ascii")
        raise NotABinary(f"{self.shown}: it is no ELF file (it begins with '{begin}'): {_WANTED}")

    def _read_header(self) -> None:
        ident = self.bytes_at(0, 20)
        self.is_64 = ident[4] == 2  # noqa: PLR2004 - ELFCLASS64
        self.word = 8 if self.is_64 else 4
        self.order = ">" if ident[5] == 2 else "<"  # noqa: PLR2004 - ELFDATA2MSB
        self._word_code = "Q" if self.is_64 else "I"
        fields = struct.unpack(
            f"{self.order}HHI{self._word_code * 3}I6H",
            self.bytes_at(16, 48 if self.is_64 else 36),
        )
        self.kind, machine, _, _, phoff, shoff, _, _, phentsize, phnum, shentsize, shnum, shstrndx = fields
        self.machine = _MACHINES.get(machine) or _OTHERS.get(machine, f"machine {machine}")
        if self.machine == "x86-64" and not self.is_64:
            self.machine = "x32"
        elif self.order == ">" and machine in _MACHINES:
            self.machine += " (big-endian)"
        self.sections: tuple[Section, ...] = ()
        first: tuple[int, ...] = ()
        # The kernel and the loader need no sections; some tools that shrink programs damage their headers.
        with contextlib.suppress(struct.error, Corrupt, ValueError):
            if shoff:
                first = self._section_header(shoff)
                shnum = shnum or first[5]
                shstrndx = first[6] if shstrndx == 0xFFFF else shstrndx  # noqa: PLR2004 - SHN_XINDEX
                self.sections = tuple(self._read_sections(shoff, shentsize, shnum, shstrndx))
        if phnum == 0xFFFF and first:  # noqa: PLR2004 - PN_XNUM
            phnum = first[7]
        self.segments = tuple(self._read_segments(phoff, phentsize, phnum))

    def _section_header(self, at: int) -> tuple[int, ...]:
        code = self._word_code
        form = f"{self.order}II{code * 4}II{code * 2}"
        return struct.unpack(form, self.bytes_at(at, struct.calcsize(form)))

    def _read_sections(self, at: int, step: int, count: int, names_index: int) -> Iterator[Section]:
        if step != (64 if self.is_64 else 40) or count * step > self.size:
            raise Corrupt(f"{self.shown}: its section headers are cut off: build or install the file again")
        headers = [self._section_header(at + step * index) for index in range(count)]
        names = b""
        if names_index < len(headers):
            names = self.bytes_at(headers[names_index][4], headers[names_index][5])
        for name, kind, flags, address, offset, size, link, _, _, _ in headers:
            end = names.find(b"\0", name)
            yield Section(names[name:end].decode("utf-8", "replace"), kind, flags, address, offset, size, link)

    def _read_segments(self, at: int, step: int, count: int) -> Iterator[Segment]:
        if count and (step != (56 if self.is_64 else 32) or count * step > self.size):
            raise Corrupt(f"{self.shown}: its program headers are cut off: build or install the file again")
        for index in range(count):
            if self.is_64:
                data = self.bytes_at(at + step * index, 56)
                kind, flags, offset, address, _, in_file, memory, _ = struct.unpack(f"{self.order}IIQQQQQQ", data)
            else:
                data = self.bytes_at(at + step * index, 32)
                kind, offset, address, _, in_file, memory, flags, _ = struct.unpack(f"{self.order}IIIIIIII", data)
            yield Segment(kind, flags, offset, address, in_file, memory)

    def bytes_at(self, offset: int, size: int) -> bytes:
        """Read a part of the file. Raises `Corrupt` if the file ends before it."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise Corrupt(
                f"{self.shown}: it is cut off: {size:,} bytes were expected at {offset:#x},"
                f" the file has {self.size:,}: build or install it again"
            )
        self._stream.seek(offset)
        return self._stream.read(size)

    def section(self, name: str) -> Section | None:
        """Return the section of this name."""
        return next((each for each in self.sections if each.name == name), None)

    def data_of(self, section: Section) -> bytes:
        """Read a section."""
        if section.kind == SHT_NOBITS:
            return b""
        return self.bytes_at(section.offset, section.size)

    def offset_of(self, address: int) -> int | None:
        """Return where in the file the byte at an address is, as the program headers map it."""
        for each in self.segments:
            if each.kind == PT_LOAD and each.address <= address < each.address + each.file_size:
                return address - each.address + each.offset
        return None

    def code_offset_of(self, address: int) -> int | None:
        """As `offset_of`, of what is mapped to be executed."""
        for each in self.segments:
            inside = each.address <= address < each.address + each.file_size
            if each.kind == PT_LOAD and each.flags & PF_X and inside:
                return address - each.address + each.offset
        return None

    def address_of(self, offset: int) -> int | None:
        """Return at which address a place in the file is mapped to be executed, before relocation."""
        for each in self.segments:
            inside = each.offset <= offset < each.offset + each.file_size
            if each.kind == PT_LOAD and each.flags & PF_X and inside:
                return offset - each.offset + each.address
        return None

    def code_segments(self) -> Iterator[Segment]:
        """Yield what is mapped to be executed."""
        yield from (each for each in self.segments if each.kind == PT_LOAD and each.flags & PF_X)

    def notes(self) -> Iterator[Note]:
        """Yield the notes of the sections, or where there are none those of the segments.

        In this order: the segments of a file that holds only debug information point to what is not in it.
        """
        places = [(each.offset, each.size) for each in self.sections if each.kind == SHT_NOTE]
        if not places:
            places = [(each.offset, each.file_size) for each in self.segments if each.kind == PT_NOTE]
        for offset, size in places:
            if offset + size <= self.size:
                yield from self.notes_in(self.bytes_at(offset, size))

    def notes_in(self, data: bytes, *, strict: bool = False) -> Iterator[Note]:
        """Yield the notes in a section's data; of a damaged one those before the damage, or raise `Corrupt`."""
        at = 0
        while at + 12 <= len(data):
            name_size, size, kind = struct.unpack_from(f"{self.order}III", data, at)
            start = at + 12 + (name_size + 3 & ~3)
            if start + size > len(data):
                if strict:
                    raise Corrupt(f"{self.shown}: its notes are cut off: build or install the file again")
                return
            owner = data[at + 12 : at + 12 + name_size].rstrip(b"\0")
            yield Note(owner, kind, data[start : start + size])
            at = start + (size + 3 & ~3)

    def dynamic(self) -> dict[int, list[int]]:
        """Return what the dynamic segment says, by its tags (``DT_NEEDED`` is 1)."""
        found: dict[int, list[int]] = {}
        for segment in self.segments:
            if segment.kind != PT_DYNAMIC:
                continue
            data = self.bytes_at(segment.offset, segment.file_size // (2 * self.word) * (2 * self.word))
            for tag, value in struct.iter_unpack(f"{self.order}{self._word_code * 2}", data):
                if tag == 0:
                    break
                found.setdefault(tag, []).append(value)
        return found

    def dynamic_text(self, dynamic: dict[int, list[int]], offset: int) -> str:
        """Return a text of ``DT_STRTAB``."""
        table = self.offset_of(dynamic.get(5, [0])[0])
        if table is None:
            return ""
        size = min(dynamic.get(10, [0])[0] - offset, self.size - table - offset, 4096)
        if size <= 0:
            return ""
        return os.fsdecode(self.bytes_at(table + offset, size).split(b"\0")[0])

    def close(self) -> None:
        """Close the file."""
        self._closing()
