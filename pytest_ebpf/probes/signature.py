"""What a function takes and returns, as debug information says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ebpf.probes.types import spelled

if TYPE_CHECKING:
    from pytest_ebpf.probes.types import Type

__all__ = ["Signature"]


@dataclass(frozen=True, slots=True)
class Signature:
    """A function, as debug information declares it."""

    name: str
    arguments: tuple[tuple[str, Type], ...]
    """Names and types, in order; an argument without a name has an empty one."""
    result: Type | None
    """None: it returns nothing."""
    variadic: bool = False
    """Whether more may follow, of which nothing is known."""
    changed: bool = False
    """Whether the compiler made a copy that takes other arguments than those declared: nobody knows which."""

    def __str__(self) -> str:
        shown = [f"{spelled(kind)} {name}".strip() for name, kind in self.arguments]
        return f"{spelled(self.result)} {self.name}({', '.join([*shown, *(['...'] if self.variadic else [])])})"
