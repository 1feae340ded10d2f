"""Objects out of C."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["compiled"]


def compiled(path: Path) -> bytes:
    """Return the object that a C file compiles to.

    Raises:
        UsageError: It is none.
    """
    raise UsageError(f"{path} is no object: compile it with clang -target bpf -g -O2 -c, and give the .bpf.o")
