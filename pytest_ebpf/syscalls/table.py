"""What to copy of which system call. Compiled into the kernel programs by table_build.py."""

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
    interrupted: bool = False
    indirect: bool = False
    length: str = "fixed"
    length_arg: int = 0
    when: tuple[int, ...] = ()
    """Values of ``args[when_arg] & when_mask`` with which the argument is one; all if empty. Within 64 numbers."""
    when_arg: int = 0
    when_mask: int = 0xFFFFFFFF
    skip: int = 0
    """Bytes from where the argument points."""


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
    moves: bool = False
    """Whether it may change the paths of files that it does not name."""


def call_specs(machine: str) -> Mapping[tuple[str, int], CallSpec]:
    """Return what to copy, by ABI and number; only of calls of which there is something."""
    from pytest_ebpf.syscalls.numbers import names  # noqa: PLC0415 - prototypes are made of what is here
    from pytest_ebpf.syscalls.prototype import prototypes  # noqa: PLC0415 - likewise

    specs = {}
    for abi in ("native", "compat", "x32"):
        known = prototypes(abi)
        for number, name in names(abi, machine).items():
            if name in known:
                spec = known[name].spec()
                if spec.captures or spec.files or spec.moves:
                    specs[abi, number] = spec
    return specs
