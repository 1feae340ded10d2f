"""One session's ring buffer, mapped: walked and copied by native.c."""

from __future__ import annotations

import os
from typing import Any

from pytest_ebpf.engine.native import library

__all__ = ["Ring", "whole_records"]


def whole_records(data: bytes) -> int:
    """Return how many bytes from the start on are whole records."""
    ffi, lib = library()
    return int(lib.pe_whole_records(ffi.from_buffer(data), len(data)))


class Ring:
    """The reading end of a BPF ring buffer (``kernel/bpf/ringbuf.c``).

    Client and broker may both have the same ring open; only who holds the session's lock drains it.
    """

    def __init__(self, fd: int, size: int) -> None:
        """Map the ring behind the descriptor.

        Args:
            fd: Of a ``BPF_MAP_TYPE_RINGBUF`` map; stays the caller's.
            size: Bytes, as the map was made.

        Raises:
            OSError: It cannot be mapped.
        """
        self._ffi, self._lib = library()
        self.fd = fd
        self.size = size
        self._ring: Any = self._lib.pe_ring_open(fd, size)
        if self._ring == self._ffi.NULL:
            raise OSError(self._ffi.errno, f"mmap of the ring: {os.strerror(self._ffi.errno)}")

    @property
    def filled(self) -> float:
        """How full the ring is, 0 to 1."""
        return float(self._lib.pe_ring_used(self._ring) / self.size)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to read."""
        return bool(self._lib.pe_ring_used(self._ring) == 0)

    def drain(self) -> bytes:
        """Take all finished records, each still with the kernel's eight-byte head."""
        ready = self._lib.pe_ring_ready(self._ring)
        if not ready:
            return b""
        buffer = bytearray(ready)
        self._lib.pe_ring_take(self._ring, self._ffi.from_buffer(buffer), ready)
        return bytes(buffer)

    def close(self) -> None:
        """Unmap the ring; safe to call again."""
        if self._ring is not None:
            self._lib.pe_ring_close(self._ring)
            self._ring = None
