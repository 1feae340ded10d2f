"""The values that a probe's hits have, beyond Python's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.syscalls.values import Fields, Missing

__all__ = ["UNREADABLE", "Structured", "Unreadable"]


@dataclass(frozen=True, slots=True, eq=False)
class Unreadable(Missing):
    """What nobody could read: the address is not mapped, or not readable, in the task.

    It equals `UNREADABLE`. Whether it equals anything else nobody can say, so asking raises `TraceIncomplete`.
    """

    step: int = 0
    """Which dereference failed, counted from 0."""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Unreadable):
            any_will_do = not (self.why and other.why)
            return any_will_do or (self.address, self.step) == (other.address, other.step)
        raise TraceIncomplete(self.why)

    def __hash__(self) -> int:
        return hash(Unreadable)  # those that are equal have the same

    def __repr__(self) -> str:
        return f"UNREADABLE({self.why})" if self.why else "UNREADABLE"

    __str__ = __repr__


UNREADABLE = Unreadable("")
"""Equals whatever could not be read."""


class Structured(Fields):
    """A structure's fields, as attributes or by name: `Fields` whose unreadable ones are values too."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        value = self.raw(name)
        return value if isinstance(value, Unreadable) else super().__getitem__(name)
