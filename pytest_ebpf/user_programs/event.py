"""What a BPF program of the test's own told of."""

from __future__ import annotations

__all__ = ["ProgramEvent"]


class ProgramEvent:
    """To be."""
