"""What a user can make the broker hold."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass

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
