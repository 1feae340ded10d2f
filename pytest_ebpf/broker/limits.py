"""What a user can make the broker hold."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass

from pytest_ebpf.errors import BrokerError

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a user can make the broker hold, and with it the kernel."""

    sessions: int = 256
    """At most, at the same time."""
    idle: int = 64
    """Connections without a session."""
    ring: int = 1 << 30
    """Bytes of one ring."""
    programs: bool = False
    """Whether others than root may bring BPF programs of their own, which see all that the kernel sees, where it is an
    administrator who runs the broker."""
    memory: int = os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE // 4
    """Bytes of all rings, and of what was drained from them and not read yet."""

    def check_ring(self, size: object, held: int) -> int:
        """Return how large a ring is to be that a client asks for.

        Args:
            size: What it asked for.
            held: Bytes that are held for all clients.

        Raises:
            BrokerError: It cannot be so large.
        """
        # The kernel's own rule: ringbuf_map_alloc(), kernel/bpf/ringbuf.c.
        if not isinstance(size, int) or size < mmap.PAGESIZE or size & (size - 1) or size > self.ring:
            raise BrokerError(
                f"a ring has a power of two of bytes, from {mmap.PAGESIZE} to {self.ring}, and you asked for"
                f" {size!r:.40}"
            )
        if held + size > self.memory:
            raise BrokerError(
                f"a ring of {size} bytes would take the broker above its limit of {self.memory} bytes for all clients:"
                " use smaller rings or fewer workers"
            )
        return size
