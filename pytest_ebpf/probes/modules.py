"""The modules of the running kernel: which are loaded, and their types."""

from __future__ import annotations

import functools
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf.errors import Unavailable, UsageError
from pytest_ebpf.probes.btf_types import Btf, kernel_btf

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["btf_of", "joined", "loaded"]

_MODULES = "/sys/module"
_HEADER = struct.Struct("<HBBIIIII")
"""``struct btf_header``, include/uapi/linux/btf.h: the offsets are from its end."""


def loaded(path: str = _MODULES) -> Mapping[str, int]:
    """Return the modules that are there, each with a number that another loading of it would not have.

    It is the inode of the module's folder: sysfs gives none out again before it has counted through them all.
    """
    try:
        with os.scandir(path) as entries:
            return {entry.name: entry.inode() for entry in entries}
    except OSError:
        return {}


def btf_of(module: str) -> Btf:
    """Return the types that a module can use: its own, and those of the kernel proper (its name: empty).

    Raises:
        Unavailable: The kernel has none to show.
    """
    return _types(module, loaded().get(module)) if module else kernel_btf()


def joined(base: bytes, split: bytes) -> bytes:
    """Return BTF that stands by itself of one that goes on, in its numbers and names, where another ends.

    Raises:
        UsageError: One of them is no BTF.
    """
    parts = [_parts(each) for each in (base, split)]
    types, strings = b"".join(each for each, _ in parts), b"".join(each for _, each in parts)
    header = (*_HEADER.unpack_from(base)[:3], _HEADER.size, 0, len(types), len(types), len(strings))
    return _HEADER.pack(*header) + types + strings


def _parts(data: bytes) -> tuple[bytes, bytes]:
    if len(data) < _HEADER.size:
        raise UsageError("this is no BTF: it has no header")
    *_, length, types, types_length, strings, strings_length = _HEADER.unpack_from(data)
    return (
        data[length + types : length + types + types_length],
        data[length + strings : length + strings + strings_length],
    )


@functools.lru_cache(maxsize=8)
def _types(module: str, _loading: int | None) -> Btf:
    path = f"/sys/kernel/btf/{module}"
    try:
        return Btf(joined(Path("/sys/kernel/btf/vmlinux").read_bytes(), Path(path).read_bytes()))
    except OSError as error:
        raise Unavailable(
            f"pytest-ebpf: the types of the kernel's module {module} cannot be read: {path}: {error.strerror}\n"
            "  needs   a kernel built with CONFIG_DEBUG_INFO_BTF_MODULES\n"
            "  try     texts that say what to read: kernel_function('name', first='u64(arg0)')"
        ) from error
