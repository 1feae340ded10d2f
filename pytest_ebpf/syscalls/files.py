"""From the kernel's record of a file to what a test sees of it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

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


def file_of(raw: RawFile) -> File:
    """Say what a file is."""
    kind = _TYPES.get(stat.S_IFMT(raw.mode), "other")
    path = os.fsdecode(raw.path)
    if raw.is_socket:
        path = f"socket:[{raw.inode}]"
    return File(
        kind=kind,
        path=path,
        inode=raw.inode,
        device=raw.device,
        mode=raw.mode,
        flags=raw.flags,
        deleted=raw.deleted,
        cut=raw.cut,
        socket_type=raw.socket_type,
        socket_protocol=raw.socket_protocol,
    )
