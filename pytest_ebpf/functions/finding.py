"""From what is asked for to a file, places in it, and what to read there."""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_ebpf.binaries.binary import Binary
from pytest_ebpf.binaries.locate import locate
from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions.definition import Definition, Group, Identity
from pytest_ebpf.functions.planning import planned
from pytest_ebpf.functions.reading import reads_of
from pytest_ebpf.probes.machines import machine
from pytest_ebpf.probes.spec import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_ebpf.binaries.function import Function
    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.probes.signature import Signature
    from pytest_ebpf.protocols import Session

__all__ = ["FEW", "asks_debug_information", "define", "open_binary", "signature_of"]

FEW = 16
"""Functions of a pattern whose arguments are looked up in the debug information; each becomes a probe of its own."""
_GO = (
    "the return of a function of a Go program cannot be probed: its stacks move, and with them what the probe puts"
    " there, which crashes the program"
)


def define(wanted: Wanted, session: Session) -> Definition:
    """Find what is wanted.

    Args:
        wanted: What is asked for.
        session: Knows what the kernel tells only who has privilege.

    Raises:
        UsageError: There is no such file, function, type or place.
        BrokerError: There is no such tracepoint, or the kernel does not say what it has.
        Unavailable: The kernel does not tell its types.
    """
    if wanted.kind == "uprobe":
        return _uprobe(wanted)
    if wanted.kind == "usdt":
        return _usdt(wanted)
    from pytest_ebpf.functions import finding_kernel  # noqa: PLC0415 - only of who asks

    if wanted.kind == "tracepoint":
        return finding_kernel.tracepoint(wanted, session.format)
    if wanted.kind == "raw_tracepoint":
        return finding_kernel.raw_tracepoint(wanted)
    from pytest_ebpf.functions import kernel_functions  # noqa: PLC0415 - likewise

    return kernel_functions.find(wanted, session.traceable)


def open_binary(target: Any) -> tuple[Binary, str]:
    """Return a program or a library, and what messages call it.

    Args:
        target: Its path or name; the pid of a process that runs it; or such a pid and the name of a library.

    Raises:
        UsageError: There is none, or it cannot be read.
    """
    if isinstance(target, tuple):
        pid, name = target
        return Binary.of_process(pid, os.fspath(name)), f"{name} of process {pid}"
    if isinstance(target, int):
        return Binary.of_process(target), f"the program of process {target}"
    path = os.fspath(locate(target))
    text = os.fspath(target)
    return Binary.open(path), text if "/" in text else path


def _identity(binary: Binary) -> Identity:
    device, inode, mtime_ns, size = binary.identity
    return Identity(device, inode, size, mtime_ns)


def _uprobe(wanted: Wanted) -> Definition:
    binary, shown = open_binary(wanted.target)
    functions = binary.functions(wanted.function)
    if wanted.returns is not None and binary.is_go:
        raise UsageError(f"{shown}: {_GO}; ask for the entry alone, without returns=")
    return Definition(
        wanted=wanted,
        path=binary.path,
        shown=shown,
        identity=_identity(binary),
        groups=tuple(_groups(wanted, binary, functions)),
        find_inlined=lambda: _inlined(binary, functions),
        find_left_out=lambda: _left_out(binary, wanted.function),
        clones={each.name: each.clones for each in functions if each.clones},
        find_undecoded=lambda: binary.undecoded,
    )


def _left_out(binary: Binary, function: str) -> Sequence[str]:
    return binary.left_out(function) if any(each in function for each in "*?[") else ()


def _inlined(binary: Binary, functions: Sequence[Function]) -> Mapping[str, int]:
    if len(functions) > FEW:
        return binary.inlined_among({each.name for each in functions}) or {}
    return {each.name: count for each in functions if (count := each.inlined_at)}


def _groups(wanted: Wanted, binary: Binary, functions: Sequence[Function]) -> Iterator[Group]:
    if len(functions) > 1 and (len(functions) > FEW or not asks_debug_information(wanted)):
        yield _group(wanted, binary, functions, None)
        return
    for function in functions:
        yield _group(wanted, binary, [function], functools.partial(signature_of, binary, function))


def asks_debug_information(wanted: Wanted) -> bool:
    """Whether something is asked that the debug information knows, of each function for itself."""
    said = [*wanted.types, *(value for _, value in wanted.values)]
    return not said or ... in [each for each in said if each is ...] or wanted.returns is True


def signature_of(binary: Binary, function: Function) -> Signature | None:
    """Return what the debug information says of a function; None: nothing."""
    dwarf = binary.dwarf()
    # Behind its start the arguments are no longer where they were passed.
    if dwarf is None or "+" in function.name:
        return None
    from pytest_ebpf.probes.dwarf_functions import signature_at  # noqa: PLC0415 - only of who asks

    return signature_at(dwarf, function.address, function.name)


def _group(
    wanted: Wanted, binary: Binary, functions: Sequence[Function], signature: Callable[[], Signature | None] | None
) -> Group:
    on = machine(binary.machine)
    reads = reads_of(wanted, on, signature)
    group = planned(wanted, reads, [Place(each.offset) for each in functions], [_name(each) for each in functions], on)
    return replace(group, find_undecoded=lambda: binary.undecoded)


def _name(function: Function) -> str:
    return function.line or function.demangled.partition("(")[0] or function.name


def _usdt(wanted: Wanted) -> Definition:
    from pytest_ebpf.functions.finding_usdt import usdt_groups  # noqa: PLC0415 - only of who asks

    binary, shown = open_binary(wanted.target)
    return Definition(
        wanted=wanted,
        path=binary.path,
        shown=shown,
        identity=_identity(binary),
        groups=tuple(usdt_groups(wanted, binary, shown)),
    )
