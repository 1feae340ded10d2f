"""A function in a file, as a probe needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_ebpf.binaries.demangling import demangle

if TYPE_CHECKING:
    from pytest_ebpf.binaries.binary import Binary

__all__ = ["Function"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A place in the code of a file that is reached when the function is called."""

    name: str
    """Its symbol without a version; ``symbol+0x10`` of a place behind its start, ``0x1139`` where no symbol is."""
    address: int
    """As in the file, before relocation."""
    offset: int
    """Bytes from the start of the file."""
    size: int
    """Bytes; 0: not known."""
    source: str
    """Where it was found: ``symtab``, ``dynsym``, ``gnu_debugdata``, ``debug file``, ``line`` or ``address``."""
    version: str | None = None
    """``GLIBC_2.34``, of an exported symbol."""
    aliases: tuple[str, ...] = ()
    """Other symbols at the same address."""
    clones: tuple[str, ...] = ()
    """Copies or parts that the compiler made of it (``f.constprop.0``, ``f.isra.0``, ``f.part.0``).

    A call may go to one of them and never reach this place; their arguments may differ.
    Known if the function was asked for by its name.
    """
    line: str | None = None
    """``exp.c:17``, if that was asked for."""
    binary: Binary = field(repr=False, compare=False)

    @property
    def demangled(self) -> str:
        """Its name as in C++ or Rust source; else the symbol."""
        return demangle(self.name) or self.name

    @property
    def inlined_at(self) -> int | None:
        """At how many places its code was put into other functions, where no probe sees it.

        None: not known, there is no debug information.
        """
        if self.line is not None:  # each copy of a line is a place of its own
            return 0
        callers = self.binary.inlined_into(self.name.partition("+")[0])
        return None if callers is None else sum(callers.values())
