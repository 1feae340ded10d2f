"""Bytes that go from one process to another in a memfd which nobody can change any more (``memfd_create(2)``)."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from pytest_ebpf.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read", "written"]

# Python has them since 3.9, where the C library's headers had them when it was built (fcntl(2)).
_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034
_F_SEAL_WRITE = 8
_SEALS = 1 | 2 | 4 | _F_SEAL_WRITE
"""``F_SEAL_SEAL``, ``F_SEAL_SHRINK``, ``F_SEAL_GROW``, ``F_SEAL_WRITE``."""


@contextlib.contextmanager
def written(name: str, *pieces: bytes) -> Iterator[int]:
    """Open a file in memory that holds these bytes for good.

    Args:
        name: As ``/proc/PID/fd`` shows it.
        pieces: One after the other.

    Raises:
        OSError: There is no descriptor, or no memory, left for it.
    """
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALS)
        yield descriptor
    finally:
        os.close(descriptor)


def read(descriptor: int, limit: int, what: str) -> bytes:
    """Read what another process wrote down; it can neither change it meanwhile nor keep us waiting.

    Args:
        descriptor: Of the file.
        limit: Bytes at most.
        what: It is, for messages.

    Raises:
        BrokerError: It is not sealed, or too long.
    """
    try:
        sealed = fcntl.fcntl(descriptor, _F_GET_SEALS) & _F_SEAL_WRITE
    except OSError:
        sealed = 0
    if not sealed:
        raise BrokerError(f"{what} comes in a memfd that is sealed against writing")
    size = os.fstat(descriptor).st_size
    if size > limit:
        raise BrokerError(f"{what} has {limit} bytes at most, and this one {size}")
    return os.pread(descriptor, size, 0)
