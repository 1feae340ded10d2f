"""What a running process mapped (``/proc/PID/maps``, proc(5)), also in another mount namespace, also replaced since."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf.binaries.elf import Elf
from pytest_ebpf.binaries.errors import Corrupt, NoSuchFile, NotABinary
from pytest_ebpf.binaries.nearest import nearest_names
from pytest_ebpf.binaries.roots import inside

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_library_name", "mapped_file", "root_of", "same_library"]

_LINE = re.compile(r"([0-9a-f]+-[0-9a-f]+) \S+ \S+ \S+ (\d+) +(/.*)")
_DELETED = " (deleted)"
_DT_SONAME = 14


@dataclass(frozen=True, slots=True)
class _Mapping:
    """A file that is mapped."""

    range: str
    inode: int
    path: str
    """As the process sees it."""


def is_library_name(name: str) -> bool:
    """Whether it is a soname, or the start of one: ``libc.so.6``, ``libc``."""
    return ".so" in name or name.startswith("lib")


def same_library(name: str, file: str) -> bool:
    """Whether a library's file goes by a name: ``libc.so.6`` and ``libc-2.31.so`` are ``libc``."""
    if ".so" in name:
        return file == name
    return re.match(rf"{re.escape(name)}(-[\d.]+)?\.so(\.|$)", file) is not None


def root_of(pid: int) -> str:
    """Return under which folder this process finds the files of that one; ``/`` if both see the same.

    Raises `NoSuchFile`.
    """
    own = "/proc/self"
    theirs = f"/proc/{pid}"
    try:
        same = os.path.samestat(os.stat(f"{own}/root"), os.stat(f"{theirs}/root"))
        same = same and os.readlink(f"{own}/ns/mnt") == os.readlink(f"{theirs}/ns/mnt")
    except OSError as error:
        raise _unreadable(pid, error) from error
    return "/" if same else f"{theirs}/root"


def _unreadable(pid: int, error: OSError) -> NoSuchFile:
    if isinstance(error, FileNotFoundError | ProcessLookupError):
        return NoSuchFile(f"process {pid}: there is none: it has ended, or the number is of another pid namespace")
    return NoSuchFile(f"process {pid}: what it mapped cannot be read ({error.strerror}): it must be yours, or you root")


def mapped_file(pid: int, name: str | None = None) -> tuple[str, str, str]:
    """Find the file of a process's program, or of the library `name`.

    Returns the path to open, what to call it, and the root under which further files of the process are.
    Raises `NoSuchFile`.
    """
    root = root_of(pid)
    try:
        if name is None:
            path = os.readlink(f"/proc/{pid}/exe")
            inode = os.stat(f"/proc/{pid}/exe").st_ino
            there = _there(root, path.removesuffix(_DELETED), inode)
            return there or f"/proc/{pid}/exe", f"{path} of process {pid}", root
        mappings = list(_mappings(pid))
    except OSError as error:
        raise _unreadable(pid, error) from error
    found = _find(mappings, name, root)
    if found is None:
        names = {os.path.basename(each.path) for each in mappings}
        nearest = nearest_names(name, names) or sorted(each for each in names if ".so" in each)
        hint = f"; it has {', '.join(nearest)}" if nearest else "; it has no library: it is linked statically"
        raise NoSuchFile(f"process {pid}: it has mapped no library {name!r}{hint}")
    shown = f"{found.path} of process {pid}"
    there = _there(root, found.path.removesuffix(_DELETED), found.inode)
    if there is not None:
        return there, shown, root
    link = f"/proc/{pid}/map_files/{found.range}"
    try:
        os.stat(link)
    except OSError as error:
        raise NoSuchFile(
            f"{shown}: the file was replaced since, and only root may open the one that is mapped: start it again"
        ) from error
    return link, shown, root


def _mappings(pid: int) -> Iterator[_Mapping]:
    seen = set()
    text = os.fsdecode(Path(f"/proc/{pid}/maps").read_bytes())
    for line in text.split("\n"):
        match = _LINE.match(line)
        if match is None or match[3] in seen:
            continue
        seen.add(match[3])
        # seq_path() escapes newlines alone, as \012.
        yield _Mapping(match[1], int(match[2]), match[3].replace("\\012", "\n"))


def _there(root: str, path: str, inode: int) -> str | None:
    """Return where a mapped file is, if the path still leads to it."""
    try:
        real = path if root == "/" else inside(root, path)
        return real if os.stat(real).st_ino == inode else None
    except (OSError, NoSuchFile):
        return None


def _find(mappings: list[_Mapping], name: str, root: str) -> _Mapping | None:
    if "/" in name:
        return next((each for each in mappings if each.path.removesuffix(_DELETED) == name), None)
    for each in mappings:
        if same_library(name, os.path.basename(each.path.removesuffix(_DELETED))):
            return each
    # The file may be called otherwise than the library calls itself.
    for each in mappings:
        if ".so" in each.path and same_library(name, _soname(inside(root, each.path))):
            return each
    return None


def _soname(path: str) -> str:
    try:
        elf = Elf.open(path)
    except (NoSuchFile, NotABinary, Corrupt):
        return ""
    dynamic = elf.dynamic()
    name = elf.dynamic_text(dynamic, dynamic[_DT_SONAME][0]) if _DT_SONAME in dynamic else ""
    elf.close()
    return name
