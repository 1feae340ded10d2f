"""``vmlinux.h``: all types of the running kernel as C, out of its BTF, by libbpf's own dump."""

from __future__ import annotations

import functools
import hashlib
import os
from importlib import metadata
from pathlib import Path

from pytest_ebpf import cache
from pytest_ebpf.engine.native import library
from pytest_ebpf.errors import Unavailable
from pytest_ebpf.headers.kernel import build_id

__all__ = ["generator", "vmlinux_directory", "write_types"]

BTF = Path("/sys/kernel/btf/vmlinux")
_HEAD = """\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#endif

"""
_TAIL = """
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif
"""


@functools.cache
def vmlinux_directory() -> Path:
    """Return a directory that holds ``vmlinux.h``, as ``bpftool btf dump file … format c`` writes it.

    Every access to a record of it is a CO-RE relocation, unless ``BPF_NO_PRESERVE_ACCESS_INDEX`` is defined.

    Raises:
        Unavailable: The kernel shows no types, or the cache cannot be written to.
    """
    return cache.made(f"vmlinux-{build_id()}-{generator()}", _write)


def generator() -> str:
    """Return what tells our versions apart: what one of them made is not for another."""
    ours = hashlib.sha256(metadata.version("pytest-ebpf").encode())
    for path in sorted(Path(__file__).parent.glob("*.*")):
        ours.update(path.read_bytes())
    return ours.hexdigest()[:12]


def write_types(path: Path, head: str, tail: str, *, filled: bool) -> None:
    """Write the kernel's types to a file.

    Args:
        path: Of the file.
        head: Text before them.
        tail: Text after them.
        filled: A structure's gaps are arrays of char, and not bit-fields without a name.

    Raises:
        Unavailable: The kernel shows none, or what libbpf does not understand.
    """
    _, lib = library()
    with path.open("w", encoding="utf-8") as file:
        file.write(head)
        file.flush()
        error = -lib.pe_write_types(os.fsencode(BTF), file.fileno(), filled)
        file.seek(0, os.SEEK_END)
        file.write(tail)
    if error:
        raise Unavailable(
            f"pytest-ebpf: the types of the kernel cannot be written as C: {BTF}: {os.strerror(error)}\n"
            "  needs   a kernel built with CONFIG_DEBUG_INFO_BTF, and /sys mounted"
        )


def _write(folder: Path) -> None:
    write_types(folder / "vmlinux.h", _HEAD, _TAIL, filled=False)
