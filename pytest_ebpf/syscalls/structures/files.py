"""What is said of files and file systems."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.syscalls.buffers import BytesOut, Member, Structure, StructureKind, abbreviated, cut, structure
from pytest_ebpf.syscalls.kinds import Memory, register
from pytest_ebpf.syscalls.scalars import named
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Device, Fields, Hex, HexBytes, Permissions, Pointer, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

_mode = named("file_mode")
_OWNERS = (Member("st_uid", "I"), Member("st_gid", "I"))
_TIMES = tuple(Member(f"st_{which}time{part}", "q") for which in "amc" for part in ("", "_nsec"))
_STAT = {  # asm/stat.h
    "x86_64": (
        *(Member("st_dev", "Q", Device), Member("st_ino", "Q"), Member("st_nlink", "Q")),
        *(Member("st_mode", "I", _mode), *_OWNERS, Member("_pad", "I"), Member("st_rdev", "Q", Device)),
        *(
            Member("st_size", "q"),
            Member("st_blksize", "q"),
            Member("st_blocks", "q"),
            *_TIMES,
            Member("_unused", "3q"),
        ),
    ),
    "aarch64": (
        *(Member("st_dev", "Q", Device), Member("st_ino", "Q"), Member("st_mode", "I", _mode), Member("st_nlink", "I")),
        *(*_OWNERS, Member("st_rdev", "Q", Device), Member("_pad", "Q"), Member("st_size", "q")),
        *(Member("st_blksize", "i"), Member("_pad2", "i"), Member("st_blocks", "q"), *_TIMES, Member("_unused", "2I")),
    ),
}


def _size_or_device(fields: Mapping[str, Any]) -> str:
    return "st_rdev" if {"S_IFCHR", "S_IFBLK"} & set(fields["st_mode"].names) else "st_size"


structure("stat", Structure(*_STAT[os.uname().machine], text=abbreviated("st_mode", _size_or_device)))

_STATX_TIME = Structure(Member("tv_sec", "q"), Member("tv_nsec", "I"), Member("_pad", "i"))
structure(
    "statx",  # linux/stat.h
    Structure(
        Member("stx_mask", "I", named("statx_mask")),
        Member("stx_blksize", "I"),
        Member("stx_attributes", "Q", named("statx_attributes")),
        *(Member(f"stx_{name}", "I") for name in ("nlink", "uid", "gid")),
        Member("stx_mode", "H", _mode),
        *(Member(f"stx_{name}", "Q") for name in ("ino", "size", "blocks")),
        Member("stx_attributes_mask", "Q", named("statx_attributes")),
        *(Member(f"stx_{which}time", f"0q{_STATX_TIME.size}s", _STATX_TIME.read) for which in "abcm"),
        *(Member(f"stx_{name}", "I") for name in ("rdev_major", "rdev_minor", "dev_major", "dev_minor")),
        Member("stx_mnt_id", "Q"),
        *(Member(f"stx_{name}", "I") for name in ("dio_mem_align", "dio_offset_align")),
        Member("_spare", "12Q"),
        text=abbreviated("stx_mask", "stx_attributes", "stx_mode", "stx_size"),
    ),
)


def _fsid(numbers: tuple[int, ...]) -> Fields:
    return Fields({"val": tuple(Hex(number) for number in numbers)})


structure(
    "statfs",  # asm-generic/statfs.h
    Structure(
        Member("f_type", "q", named("filesystem_magics")),
        Member("f_bsize", "q"),
        *(Member(f"f_{name}", "Q") for name in ("blocks", "bfree", "bavail", "files", "ffree")),
        Member("f_fsid", "2I", _fsid),
        *(Member(f"f_{name}", "q") for name in ("namelen", "frsize")),
        Member("f_flags", "q", named("statfs_flags")),
        Member("_spare", "4q"),
    ),
)
structure("utimbuf", Structure(Member("actime", "q"), Member("modtime", "q")))

_SPECIAL_TIMES = {(1 << 30) - 1: "UTIME_NOW", (1 << 30) - 2: "UTIME_OMIT"}  # linux/stat.h; by tv_nsec


def _file_time(fields: Mapping[str, Any]) -> str:
    return _SPECIAL_TIMES.get(fields["tv_nsec"]) or repr(Fields(fields))


structure("file_time", Structure(Member("tv_sec", "q"), Member("tv_nsec", "Q"), text=_file_time))

_OPEN_HOW = Structure(
    Member("flags", "Q", named("open_flags")),
    Member("mode", "Q", Permissions),
    Member("resolve", "Q", named("resolve_flags")),
    text=lambda fields: repr(Fields({name: value for name, value in fields.items() if name != "mode" or value})),
)


@register("open_how", _OPEN_HOW)
class SizedKind(StructureKind):
    """A structure that may grow: its size is an argument, which is the parameter."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy as much as there is."""
        return (Capture("bytes", self.at, 1, length="arg", length_arg=self.argument(self.parameters[0])),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the fields that are known; the kernel refuses a structure that is shorter than its first version."""
        size = self._shape.size
        if len(piece.data) < size:
            return Pointer(piece.address)
        found = self._shape.read(piece.data)
        rest = piece.data[size:]
        if not any(rest):
            return super().decode(view, piece)
        text = f"{repr(found)[:-1]}, /* bytes {size}..{len(piece.data) - 1} */ {HexBytes(rest).written()}}}"
        gap = Gap(f"{self.names[self.at]} has fields that are not known here")
        return Cut(Fields(dict(found), lambda _: text), gap)


@register("file_handle")
class HandleKind(Memory):
    """``struct file_handle`` (name_to_handle_at(2)); with ``out`` the kernel fills it in."""

    portable = False
    noun = "a structure"
    fields = ("handle_bytes", "handle_type", "f_handle")
    example = Fields({"handle_bytes": 0, "handle_type": 0, "f_handle": b""})
    _room = 8 + 128  # MAX_HANDLE_SZ

    def captures(self) -> tuple[Capture, ...]:
        """Copy its header before, and all of it when the call filled it in."""
        if "out" in self.parameters:
            return (Capture("bytes", self.at, 8), Capture("bytes", self.at, self._room, at_exit=True))
        return (Capture("bytes", self.at, self._room),)

    def value(self, view: View) -> Any:
        """Return it."""
        out = "out" in self.parameters
        return self.read(view, self.first + (out and view.succeeded))

    def decode(self, view: View, piece: Piece) -> Any:
        """Return its fields."""
        size, kind = struct.unpack_from("@Ii", piece.data)
        if "out" in self.parameters and not view.succeeded:
            return Fields({"handle_bytes": size})
        return Fields({"handle_bytes": size, "handle_type": kind, "f_handle": HexBytes(piece.data[8 : 8 + size])})


class Names(tuple[str, ...]):
    """Names that the kernel returns one behind the other, each with its NUL."""

    __slots__ = ()

    def written(self) -> str:
        """Write them as they lie in memory."""
        return quoted("".join(f"{name}\0" for name in self))


@register("names_out")
class NamesKind(BytesOut):
    """A list of names that the kernel returns: listxattr(2)."""

    noun = "a list"
    example = ("",)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return a tuple."""
        del view
        names = os.fsdecode(piece.data).split("\0")
        return cut(self, piece, Names(names[:-1]))


class Entries(tuple[Fields, ...]):  # noqa: SLOT001 - those of a tuple have to be empty
    """Entries of a directory."""

    address: int
    """Where they are in the caller's memory."""

    def written(self) -> str:
        """Write where they are, and how many: strace writes no more of them."""
        return f"{self.address:#x} /* {len(self)} entries */"


def _entries(data: bytes) -> Iterator[Fields]:
    """Take ``struct linux_dirent64`` apart (getdents(2))."""
    at = 0
    while at + 19 <= len(data):
        inode, offset, length, kind = struct.unpack_from("@QqHB", data, at)
        if length == 0 or at + length > len(data):
            return
        name = data[at + 19 : at + length].partition(b"\0")[0]
        yield Fields({"d_ino": inode, "d_off": offset, "d_type": kind, "d_name": os.fsdecode(name)})
        at += length


def _old_entries(data: bytes) -> Iterator[Fields]:
    """Take ``struct linux_dirent`` apart."""
    at = 0
    while at + 18 <= len(data):
        inode, offset, length = struct.unpack_from("@QqH", data, at)
        if length == 0 or at + length > len(data):
            return
        name, _, _ = data[at + 18 : at + length - 1].partition(b"\0")
        kind = data[at + length - 1]
        yield Fields({"d_ino": inode, "d_off": offset, "d_type": kind, "d_name": os.fsdecode(name)})
        at += length


@register("dirents", _entries)
@register("old_dirents", _old_entries)
class EntriesKind(BytesOut):
    """What getdents(2) returns."""

    portable = False
    noun = "a list"
    example = (Fields({**dict.fromkeys(("d_ino", "d_off", "d_type"), 0), "d_name": ""}),)

    def __init__(self, at: int, names: Any, parameters: Any, take: Callable[[bytes], Iterator[Fields]]) -> None:
        """Prepare it; see `Kind`."""
        super().__init__(at, names, parameters)
        self._take = take

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the entries."""
        del view
        found = Entries(self._take(piece.data))
        found.address = piece.address
        return cut(self, piece, found)
