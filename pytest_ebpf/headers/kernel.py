"""Which kernel runs: what tells its builds apart, and the version that it was built with."""

from __future__ import annotations

import struct
from pathlib import Path

from pytest_ebpf.errors import Unavailable

__all__ = ["build_id"]

NOTES = Path("/sys/kernel/notes")
"""ELF notes of the kernel's image (kernel/ksysfs.c)."""
_NOTE = struct.Struct("III")
_NT_GNU_BUILD_ID = 3


def build_id() -> str:
    """Return the build id of the running kernel, in hexadecimal digits.

    Raises:
        Unavailable: It shows none.
    """
    try:
        notes = NOTES.read_bytes()
    except OSError as error:
        raise Unavailable(
            f"pytest-ebpf: the kernel's build id cannot be read: {NOTES}: {error.strerror}\n"
            "  needs   /sys mounted: headers made from the kernel's types are kept by its build id"
        ) from error
    at = 0
    while at + _NOTE.size <= len(notes):
        owner, size, kind = _NOTE.unpack_from(notes, at)
        start = at + _NOTE.size + (owner + 3 & ~3)
        if kind == _NT_GNU_BUILD_ID and notes[at + _NOTE.size :].startswith(b"GNU\0"):
            return notes[start : start + size].hex()
        at = start + (size + 3 & ~3)
    raise Unavailable(
        f"pytest-ebpf: the kernel has no build id in {NOTES}\n"
        "  needs   a kernel linked with --build-id: headers made from its types are kept by it"
    )
