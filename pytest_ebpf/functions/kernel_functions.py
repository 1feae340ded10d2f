"""Functions of the kernel and of its modules: which there are, what they take, and where that is."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions.definition import Definition
from pytest_ebpf.functions.planning import planned
from pytest_ebpf.functions.reading import reads_of
from pytest_ebpf.probes import kallsyms, modules
from pytest_ebpf.probes.machines import machine

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_ebpf.functions.wanted import Wanted

__all__ = ["kernel_function"]

_PROPER = "vmlinux"
"""What bpftrace calls what is in no module."""


def kernel_function(wanted: Wanted) -> Definition:
    """Find a function of the kernel, whose arguments BTF tells.

    Raises:
        UsageError: The kernel has no such function, or several, or it no such argument.
        Unavailable: The kernel tells no types.
    """
    known = kallsyms.functions()
    module = known.modules.get(wanted.function, "")
    _check_module(wanted, known, module)
    reads = reads_of(wanted, machine(), lambda: modules.btf_of(module).signature(wanted.function))
    if known.times[wanted.function] > 1:
        # Before 6.7 it takes one of them and does not say so (b022f0c7e404).
        raise UsageError(
            f"{wanted}: the kernel has {known.times[wanted.function]} functions of that name, and a probe would see the"
            " calls of one: probe what calls them"
        )
    copies = kallsyms.copies_of(wanted.function, known.times)
    loading = _loading([module])
    return Definition(
        wanted=wanted,
        shown=str(wanted),
        groups=(planned(wanted, reads, (), (wanted.function,), machine(), kernel=True, loading=loading),),
        clones={wanted.function: copies} if copies else {},
        find_changed=lambda: _loading([module]) != loading,
    )


def _check_module(wanted: Wanted, known: kallsyms.Listed, module: str) -> None:
    """Make sure that a function is in the module that was named."""
    said = wanted.provider
    if not said or said == (module or _PROPER) or not known.times:
        return
    if said != _PROPER and said not in modules.loaded():
        raise UsageError(f"{wanted}: the kernel has no module {said} loaded: modprobe {said}, and ask then")
    there = f": it is in {f'the module {module}' if module else 'the kernel proper'}"
    if not known.times[wanted.function]:
        there = ""
    raise UsageError(f"{wanted}: there is no function {wanted.function} in {said}{there}")


def _loading(named: Collection[str]) -> int:
    """Return a number that is another one when one of these modules was loaded again."""
    there = modules.loaded()
    found = sorted((name, there.get(name, 0)) for name in named if name)
    return zlib.crc32(repr(found).encode()) if found else 0
