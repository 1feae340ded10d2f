"""The names of system calls and their numbers, by ABI: of the ``system-calls`` package, which follows the kernel.

An ABI is ``native``, ``compat`` (i386 or 32-bit ARM) or ``x32``, as in ``enum call_abi`` of ``bpf/events.h``. x32's
numbers come without the bit that tells them from x86-64's (``__X32_SYSCALL_BIT``), as in the records.
"""

from __future__ import annotations

import functools
import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_ebpf.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["all_names", "name_of", "names", "number_of"]

# The package's name of each ABI's table, by what uname -m says.
_TABLES = {
    "x86_64": {"native": "x86_64", "compat": "i386", "x32": "x32"},
    "aarch64": {"native": "arm64", "compat": "arm"},
}
_X32_BIT = 0x40000000


def names(abi: str, machine: str | None = None) -> Mapping[int, str]:
    """Return the names of an ABI's calls by their numbers; nothing where the machine has no such ABI.

    Args:
        abi: ``native``, ``compat`` or ``x32``.
        machine: As ``uname -m`` says; this one's if not given.

    Raises:
        Unavailable: A machine that is not known.
    """
    return _names(abi, machine or _machine())


def name_of(abi: str, number: int, machine: str | None = None) -> str | None:
    """Return the name of a call; None for a number that no call has."""
    return names(abi, machine).get(number)


def number_of(abi: str, name: str, machine: str | None = None) -> int | None:
    """Return the number of a call; None where the ABI has no such call."""
    return _numbers(abi, machine or _machine()).get(name)


@functools.cache
def _machine() -> str:
    return os.uname().machine


@functools.cache
def all_names(machine: str | None = None) -> frozenset[str]:
    """Return the names of the calls of all ABIs."""
    return frozenset(name for abi in ("native", "compat", "x32") for name in names(abi, machine).values())


@functools.cache
def _names(abi: str, machine: str) -> Mapping[int, str]:
    # A run that traces no system calls does without.
    from system_calls import syscalls  # noqa: PLC0415

    if machine not in _TABLES:
        known = " and ".join(sorted(_TABLES))
        raise Unavailable(f"pytest-ebpf: the system calls of {machine} are not known, those of {known} are")
    table = _TABLES[machine].get(abi)
    if table is None:
        return {}
    found = syscalls().load_arch_table(table)
    return MappingProxyType({number & ~_X32_BIT: name for name, number in found.items()})


@functools.cache
def _numbers(abi: str, machine: str) -> dict[str, int]:
    return {name: number for number, name in _names(abi, machine).items()}
