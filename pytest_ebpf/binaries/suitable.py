"""Which files can be probed: programs and libraries that run on this machine."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from pytest_ebpf.binaries.elf import ET_CORE, ET_REL, PF_X, PT_LOAD, SHT_NOBITS
from pytest_ebpf.binaries.errors import NotABinary, OtherMachine

if TYPE_CHECKING:
    from pytest_ebpf.binaries.elf import Elf

__all__ = ["check_kind", "check_machine"]

_RUNS = {"x86_64": ("x86-64", "i386"), "aarch64": ("aarch64",)}
"""Programs of which machines are probed on one (``uname -m``)."""


def check_kind(elf: Elf) -> None:
    """Raise `NotABinary` for what no process maps to execute it."""
    text = elf.section(".text")
    if elf.kind == ET_REL:
        what = "an object file, whose code has no place yet: name the program or library that it is linked into"
    elif elf.kind == ET_CORE:
        what = "a core dump: name the program that it is of"
    elif text is not None and text.kind == SHT_NOBITS:
        what = "a file of debug information without code: name the program or library that it belongs to"
    elif not any(each.kind == PT_LOAD and each.flags & PF_X for each in elf.segments):
        what = "without code that could be executed: name a program or a library"
    else:
        return
    raise NotABinary(f"{elf.shown}: it is {what}")


def check_machine(machine: str, shown: str) -> None:
    """Raise `OtherMachine` for what cannot run here."""
    here = platform.machine()
    runs = _RUNS.get(here, ())
    if machine not in runs:
        raise OtherMachine(
            f"{shown}: it is for {machine} machines, this one is {here}: name one that was built for this machine"
        )
