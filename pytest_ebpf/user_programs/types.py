"""What the types of a program's maps, variables and events are told by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from pytest_ebpf.probes.types import Type
    from pytest_ebpf.user_programs.registry import EventType

__all__ = ["BccRequest", "ObjectRequest", "TypeSource", "Variable"]


class ObjectRequest(NamedTuple):
    """A program that a test asks for."""

    path: Path
    """Of the object, or of its text."""
    defines: Mapping[str, str | int | None]
    """Macros that the text is compiled with; None as a value: without one."""
    attach: Mapping[str, str | None]
    """By program, where to; None: nowhere."""
    variables: Mapping[str, Any]
    """Values of global variables."""
    maps: Mapping[str, Mapping[str, int]]
    """By map, the sizes that it is made with, by libbpf's names for them."""
    without: Collection[str]
    """Programs that are not loaded."""
    types: Mapping[str, str]
    """By output, which structure its records are."""


class BccRequest(NamedTuple):
    """A program of BCC's that a test asks for."""

    program: str | os.PathLike[str]
    """Its text, or the path of a file that has it."""
    attach: Mapping[str, str | None]
    """By function, where to; None: nowhere."""
    cflags: tuple[str, ...]
    types: Mapping[str, Any]
    """By output, what is submitted to it."""


class Variable(NamedTuple):
    """A global variable."""

    section: str
    """``.data``, ``.bss``, ``.rodata``, or one of the program's own."""
    offset: int
    """Bytes from the section's start."""
    size: int
    """Bytes."""
    type: Type


class TypeSource(Protocol):
    """Tells types: an object's BTF, or BCC."""

    def of_map(self, name: str) -> tuple[Type | None, Type | None]:
        """Return the types of a map's keys and values; None: nothing tells."""

    def of_output(self, name: str) -> Type:
        """Return the type of what a program writes to a perf buffer or ring.

        Raises:
            UsageError: Nothing tells, or several could be; with how to say which.
        """

    def emitted(self) -> Mapping[str, Type]:
        """Return the structures that it may write by ``ebpf_emit()``, by name; none if it cannot."""

    def of_event(self, number: int) -> EventType:
        """Return what ``ebpf_emit()`` wrote, by the number that it gave to its type."""

    def variables(self) -> Mapping[str, Variable]:
        """Return the global variables by name."""
