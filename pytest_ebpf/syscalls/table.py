"""What to copy of which system call. Imported by the broker as it starts: kept light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CallSpec", "Capture", "Slot", "call_specs"]


@dataclass(frozen=True, slots=True)
class Capture:
    """``struct capture`` of ``bpf/events.h``; its enums by their names, lower-cased, without prefix."""

    kind: str
    arg: int
    size: int = 0
    at_exit: bool = False
    data: bool = False
    length: str = "fixed"
    length_arg: int = 0


@dataclass(frozen=True, slots=True)
class Slot:
    """``struct slot`` of ``bpf/events.h``."""

    kind: str = "none"
    arg: int = 0
    path_arg: int = 0


@dataclass(frozen=True, slots=True)
class CallSpec:
    """``struct call_spec`` of ``bpf/events.h``."""

    captures: tuple[Capture, ...]
    files: tuple[Slot, ...]


_FD = (Slot("fd", 0),)
_X86_64 = {
    0: CallSpec((Capture("bytes", 1, 1, at_exit=True, data=True, length="result"),), _FD),
    1: CallSpec((Capture("bytes", 1, 1, data=True, length="arg", length_arg=2),), _FD),
    3: CallSpec((), _FD),
    20: CallSpec((Capture("vector", 1, 16, data=True, length="arg", length_arg=2),), _FD),
    42: CallSpec((Capture("bytes", 1, 1, length="arg", length_arg=2),), _FD),
    46: CallSpec((Capture("message", 1, data=True),), _FD),
    47: CallSpec((Capture("message", 1, at_exit=True, data=True),), _FD),
    51: CallSpec((Capture("bytes", 1, 1, at_exit=True, length="at_pointer", length_arg=2),), _FD),
    59: CallSpec((Capture("string", 0), Capture("strings", 1)), (Slot("cwd", 0, 0),)),
    74: CallSpec((), _FD),
    257: CallSpec((Capture("string", 1),), (Slot("base", 0, 1),)),
}


def call_specs(machine: str) -> Mapping[tuple[str, int], CallSpec]:
    """Return what to copy, by ABI and number; only of calls of which there is something."""
    return {("native", number): spec for number, spec in _X86_64.items()} if machine == "x86_64" else {}
