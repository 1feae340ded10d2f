"""Functions of the kernel and of its modules: which there are, what they take, and where that is."""

from __future__ import annotations

import fnmatch
import functools
import os
import re
import zlib
from typing import TYPE_CHECKING

from pytest_ebpf.binaries.nearest import nearest_names
from pytest_ebpf.engine.kernel_attaching import check_kprobes
from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions.definition import Definition
from pytest_ebpf.functions.finding import FEW, asks_debug_information
from pytest_ebpf.functions.planning import planned
from pytest_ebpf.functions.reading import reads_of
from pytest_ebpf.matching import is_wildcard
from pytest_ebpf.probes import kallsyms, modules
from pytest_ebpf.probes.machines import machine
from pytest_ebpf.probes.spec import MAX_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pytest_ebpf.functions.definition import Group
    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.probes.signature import Signature

__all__ = ["find", "kernel_function", "matching", "signature_of"]

_PROPER = "vmlinux"
"""What bpftrace calls what is in no module."""
_REACHED_INSIDE = re.compile(r"\.cold(\.\d+)?$")
"""Parts of functions that are jumped to from these, and so never called."""
_SHOWN = 5


def find(wanted: Wanted, traceable: Callable[[], bytes]) -> Definition:
    """Find a function of the kernel, or those that a pattern names.

    Args:
        wanted: What is asked for.
        traceable: Asks which functions a probe can be on many of (`pytest_ebpf.protocols.Session.traceable`).

    Raises:
        UsageError: There is none, or it cannot be asked so.
        BrokerError: The kernel does not say, or has no kprobes.
        Unavailable: The kernel tells no types.
    """
    return _functions(wanted, traceable) if is_wildcard(wanted.function) else kernel_function(wanted)


def _functions(wanted: Wanted, traceable: Callable[[], bytes]) -> Definition:
    check_kprobes(wanted.function)
    known = kallsyms.functions()
    matches = matching(wanted, known)
    lines = (line.split() for line in traceable().decode(errors="replace").splitlines())
    can = {line[0] for line in lines}
    probed = [name for name in matches if known.times[name] == 1 and name in can]
    left_out = [name for name in matches if known.times[name] > 1 or name not in can]
    if not probed:
        raise UsageError(
            f"{wanted}: none of what matches can be probed: the kernel has several of that name, or lets none be"
            f" traced: {_some(left_out)}"
        )
    if len(probed) > MAX_FUNCTIONS:
        raise UsageError(
            f"{wanted} matches {len(probed):,} functions of the kernel, and a probe is on {MAX_FUNCTIONS:,} at most,"
            " since each call of them by whatever process is slowed down: ask for a pattern that names fewer"
        )
    named = {known.modules[name] for name in probed if name in known.modules}
    loading = _loading(named)

    def changed() -> bool:
        now = kallsyms.functions()
        return now is not known and (_loading(named) != loading or _matches(wanted, now) != matches)

    return Definition(
        wanted=wanted,
        shown=str(wanted),
        groups=tuple(_groups(wanted, probed, known)),
        clones=kallsyms.copies_among({*matches}, known.times),
        find_left_out=lambda: left_out,
        find_changed=changed,
    )


def matching(wanted: Wanted, known: kallsyms.Listed) -> list[str]:
    """Return the functions that a name or a pattern means, in their order.

    Raises:
        UsageError: There is none.
    """
    found = _matches(wanted, known)
    if not found:
        near = nearest_names(wanted.function, known.times)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise UsageError(f"this kernel ({os.uname().release}) has no function {wanted.function}{hint}")
    return found


def _matches(wanted: Wanted, known: kallsyms.Listed) -> list[str]:
    is_wanted = re.compile(fnmatch.translate(wanted.function)).match
    found = sorted(name for name in known.times if is_wanted(name) and not _REACHED_INSIDE.search(name))
    if wanted.provider:
        return [name for name in found if wanted.provider == (known.modules.get(name) or _PROPER)]
    return found


def _groups(wanted: Wanted, probed: list[str], known: kallsyms.Listed) -> Iterator[Group]:
    if len(probed) > FEW or not asks_debug_information(wanted):
        named = {known.modules.get(name, "") for name in probed}
        yield planned(
            wanted, reads_of(wanted, machine(), None), (), probed, machine(), kernel=True, loading=_loading(named)
        )
        return
    for name in probed:
        module = known.modules.get(name, "")
        reads = reads_of(wanted, machine(), functools.partial(signature_of, module, name))
        yield planned(wanted, reads, (), (name,), machine(), kernel=True, loading=_loading([module]))


def signature_of(module: str, name: str) -> Signature | None:
    """Return what BTF tells of a function; None: nothing, as of a copy that the compiler made."""
    try:
        return modules.btf_of(module).signature(name)
    except UsageError:
        return None


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


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
