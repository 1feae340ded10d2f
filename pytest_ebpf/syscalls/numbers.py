"""Names and numbers of system calls (PLACEHOLDER: helper data replaces this)."""

from __future__ import annotations

import functools
import os

from system_calls import syscalls

_ARCHES = {
    "x86_64": {"native": "x86_64", "compat": "i386", "x32": "x32"},
    "aarch64": {"native": "arm64", "compat": "arm"},
}


@functools.cache
def names(abi: str, machine: str | None = None) -> dict[int, str]:
    arch = _ARCHES[machine or os.uname().machine].get(abi)
    if arch is None:
        return {}
    return {number & ~0x40000000: name for name, number in syscalls().load_arch_table(arch).items()}


def name_of(abi: str, number: int, machine: str | None = None) -> str | None:
    return names(abi, machine).get(number)
