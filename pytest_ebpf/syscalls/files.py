"""From the kernel's record of a file to what a test sees of it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pytest_ebpf.syscalls.sockets import address_of
from pytest_ebpf.syscalls.values import File

if TYPE_CHECKING:
    from pytest_ebpf.engine.calls import RawFile

__all__ = ["file_of"]

_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "fifo",
    stat.S_IFBLK: "block",
    stat.S_IFCHR: "char",
    stat.S_IFLNK: "symlink",
}
# linux/magic.h
_ANONYMOUS, _PIPES, _NAMESPACES, _SECRET = 0x09041934, 0x50495045, 0x6E736673, 0x5345434D
_PIDS = 0x50494446  # since Linux 6.9; before, a pidfd was an anonymous inode
_MEMORY = {0x01021994, 0x958458F6}  # tmpfs, hugetlbfs


def file_of(raw: RawFile) -> File:
    """Say what a file is."""
    kind, path = _what(raw)
    return File(
        kind=kind,
        path=path,
        inode=raw.inode,
        device=raw.device,
        mode=raw.mode,
        flags=raw.flags,
        deleted=raw.deleted,
        cut=raw.cut,
        local=address_of(raw.local) if raw.local else None,
        remote=address_of(raw.remote) if raw.remote else None,
        socket_type=raw.socket_type,
        socket_protocol=raw.socket_protocol,
    )


def _what(raw: RawFile) -> tuple[str, str]:
    """Return kind and path; those of a file without a path are made as its file system does (``d_dname``)."""
    path = os.fsdecode(raw.path)
    name = path.removeprefix("/")
    if raw.is_socket:
        return "socket", f"socket:[{raw.inode}]"
    if name.startswith("memfd:") and raw.magic in _MEMORY:
        return "memfd", f"{path} (deleted)"
    return {
        _PIPES: ("pipe", f"pipe:[{raw.inode}]"),
        _ANONYMOUS: (name.strip("[]"), f"anon_inode:{name}"),
        _PIDS: ("pidfd", "anon_inode:[pidfd]"),
        _NAMESPACES: ("namespace", f"{name}:[{raw.inode}]"),
        _SECRET: ("secretmem", f"{path} (deleted)"),
    }.get(raw.magic) or (_TYPES.get(stat.S_IFMT(raw.mode), "other"), path)
