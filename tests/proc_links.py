"""What ``/proc/PID/fd/N`` says of a file that a record tells of: for comparing the two."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from call_stream import FILE

if TYPE_CHECKING:
    from call_stream import FileSeen

PIPEFS, ANONYMOUS, PIDFS = 0x50495045, 0x09041934, 0x50494446  # linux/magic.h


def link_of(file: FileSeen) -> bytes:
    """The text of the link, as proc_pid_readlink() writes it (d_path(), and d_dname() of what has no place)."""
    if stat.S_ISSOCK(file.mode) and file.bits & FILE["FILE_SOCKET"]:
        return b"socket:[%d]" % file.inode
    if file.magic == PIPEFS:
        return b"pipe:[%d]" % file.inode
    if file.magic == ANONYMOUS:
        return b"anon_inode:" + file.path.removeprefix(b"/")
    if file.magic == PIDFS:
        return b"anon_inode:[pidfd]"
    deleted = file.bits & FILE["FILE_DELETED"] or file.path.startswith(b"/memfd:")
    return file.path + b" (deleted)" * bool(deleted)
