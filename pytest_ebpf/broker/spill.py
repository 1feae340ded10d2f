"""Where a ring is emptied into before it overflows. Runs in the broker.

The client reads its ring when it is asked a question, and has no thread to do so earlier (see
``engine/session.py``). So the broker empties a ring that fills up into this file, which both have open;
who drains, either of the two, holds ``flock(2)`` on it from the first look at the ring to the last byte
written, so that no record is ever in neither place for who holds it.
"""

from __future__ import annotations

import fcntl
import os
from typing import Protocol

__all__ = ["Spill"]


class Source(Protocol):
    """The part of `pytest_ebpf.engine.ring.Ring` that is used here."""

    def drain(self) -> bytes:
        """Take all finished records."""


class Spill:
    """A file in memory, shared with one client."""

    def __init__(self) -> None:
        """Make it."""
        self.client_fd = os.memfd_create("pytest-ebpf-spill", os.MFD_CLOEXEC)
        """The client's descriptor, until `handed_over`."""
        try:
            # An open file description of our own: flock(2) locks are between these, not between descriptors.
            # O_APPEND, since the client cuts the file to nothing whenever it has read it.
            self._fd = os.open(f"/proc/self/fd/{self.client_fd}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except BaseException:
            os.close(self.client_fd)
            raise

    @property
    def size(self) -> int:
        """Bytes that the client has not read yet (it may lie, to its own harm only)."""
        return os.fstat(self._fd).st_size

    def take(self, ring: Source) -> bool:
        """Empty the ring into the file.

        Returns:
            False: the client is draining at this moment, and there is nothing to do.

        Raises:
            OSError: The file cannot grow (``ulimit -f``, memory). What was in the ring is lost, what the file
                held is whole.
        """
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            before = self.size
            try:
                self._write(ring.drain())
            except OSError:
                os.ftruncate(self._fd, before)
                raise
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        return True

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def handed_over(self) -> None:
        """Close the client's descriptor: the client has its own now."""
        if self.client_fd >= 0:
            os.close(self.client_fd)
            self.client_fd = -1

    def close(self) -> None:
        """Let go of the file; it lives as long as the client has it open."""
        self.handed_over()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
