"""``pytest-ebpf list``: what the kernel itself has that can be probed."""

from __future__ import annotations

import fnmatch
import os
from typing import TYPE_CHECKING

from pytest_ebpf.binaries.nearest import nearest_names
from pytest_ebpf.engine import tracefs
from pytest_ebpf.engine.kernel_attaching import check_kprobes
from pytest_ebpf.engine.native import library
from pytest_ebpf.errors import BrokerError, UsageError
from pytest_ebpf.functions.finding_kernel import fields
from pytest_ebpf.functions.kernel_functions import matching, signature_of
from pytest_ebpf.probes import kallsyms
from pytest_ebpf.probes.btf_types import kernel_btf
from pytest_ebpf.probes.types import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.probes.types import Type

__all__ = ["functions", "raw_tracepoints", "tracepoints"]


def tracepoints(wanted: Wanted) -> Iterator[str]:
    """Yield a line for each tracepoint, with the fields of its record.

    Raises:
        UsageError: There is none of that name.
        BrokerError: The kernel does not say.
    """
    _, lib = library()
    try:
        known = tracefs.events(lib)
    except BrokerError as error:
        raise BrokerError(
            f"{error}\n"
            f"  try     as root; or pytest-ebpf list 'raw_tracepoint:{wanted.function}', which is for everybody"
        ) from None
    for name in _matching(f"{wanted.provider}:{wanted.function}", known, "tracepoint"):
        shown = fields(tracefs.fields_of(lib, name))
        yield f"tracepoint:{name}{_listed((name, each.type) for name, each in shown.items())}"


def raw_tracepoints(wanted: Wanted) -> Iterator[str]:
    """Yield a line for each tracepoint, with the arguments that the kernel passes.

    Raises:
        UsageError: There is none of that name.
        Unavailable: The kernel tells no types.
    """
    btf = kernel_btf()
    for name in _matching(wanted.function, btf.tracepoints(), "raw tracepoint"):
        yield f"raw_tracepoint:{name}{_listed(btf.tracepoint(name).arguments)}"


def functions(wanted: Wanted) -> Iterator[str]:
    """Yield a line for each function of the kernel that it has once, and knows the types of.

    Raises:
        BrokerError: The kernel has no kprobes.
        UsageError: There is none of that name.
        Unavailable: The kernel tells no types.
    """
    check_kprobes(wanted.function)
    known = kallsyms.functions()
    for name in matching(wanted, known):
        module = known.modules.get(name, "")
        signature = None if known.times[name] > 1 else signature_of(module, name)
        if signature is not None:
            yield f"kprobe:{module}{':' if module else ''}{name}    {signature}"


def _matching(pattern: str, names: Iterable[str], kind: str) -> list[str]:
    names = set(names)
    found = sorted(name for name in names if fnmatch.fnmatchcase(name, pattern))
    if not found:
        near = nearest_names(pattern, names)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise UsageError(f"this kernel ({os.uname().release}) has no {kind} {pattern}{hint}")
    return found


def _listed(arguments: Iterable[tuple[str, Type]]) -> str:
    shown = ", ".join(f"{spelled(kind)} {name}".strip() for name, kind in arguments)
    return f"    ({shown})" if shown else ""
