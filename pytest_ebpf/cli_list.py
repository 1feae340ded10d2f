"""``pytest-ebpf list``: what can be probed, with the arguments' types where they are known."""

from __future__ import annotations

import fnmatch
import sys
from typing import TYPE_CHECKING

from pytest_ebpf.errors import BrokerError, Unavailable, UsageError
from pytest_ebpf.functions.finding import open_binary, signature_of
from pytest_ebpf.functions.wanted import parse
from pytest_ebpf.probes.types import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ebpf.binaries.function import Function
    from pytest_ebpf.binaries.usdt_arguments import UsdtArgument
    from pytest_ebpf.functions.wanted import Wanted

__all__ = ["lines", "main"]

_FOUND, _NOTHING = 0, 1


def main(text: str) -> int:
    """Run the subcommand; return its exit status: 0, or 1 if there is no such thing.

    Args:
        text: A probe, as ``uprobe:./exp:*`` or ``tracepoint:sched:*``.
    """
    try:
        for line in lines(parse(text)):
            sys.stdout.write(f"{line}\n")
    except (UsageError, BrokerError, Unavailable) as error:
        sys.stderr.write(f"pytest-ebpf list: {str(error).removeprefix('pytest-ebpf: ')}\n")
        return _NOTHING
    return _FOUND


def lines(wanted: Wanted) -> Iterator[str]:
    """Yield a line for each probe that there is.

    Raises:
        UsageError: There is none.
        BrokerError: The kernel does not say, or lets nothing be probed.
        Unavailable: It tells no types.
    """
    if wanted.kind == "uprobe":
        yield from _functions(wanted)
    elif wanted.kind == "usdt":
        yield from _static(wanted)
    else:
        from pytest_ebpf import cli_list_kernel  # noqa: PLC0415 - only of who asks

        yield from {
            "tracepoint": cli_list_kernel.tracepoints,
            "raw_tracepoint": cli_list_kernel.raw_tracepoints,
            "kprobe": cli_list_kernel.functions,
        }[wanted.kind](wanted)


def _functions(wanted: Wanted) -> Iterator[str]:
    binary, _ = open_binary(wanted.target)
    for function in sorted(binary.functions(wanted.function), key=lambda each: each.demangled):
        try:
            signature = signature_of(binary, function)
        except UsageError:
            signature = None  # the others may be read
        yield f"uprobe:{wanted.target}:{_shown(function)}" + (f"    {signature}" if signature is not None else "")


def _shown(function: Function) -> str:
    return f"{function.name} [{function.demangled}]" if function.demangled != function.name else function.name


def _static(wanted: Wanted) -> Iterator[str]:
    binary, shown = open_binary(wanted.target)
    found: dict[str, None] = {}
    for each in binary.usdt():
        if fnmatch.fnmatchcase(each.provider, wanted.provider) and fnmatch.fnmatchcase(each.name, wanted.function):
            arguments = ", ".join(f"{_type(operand)} arg{place}" for place, operand in enumerate(each.arguments))
            found[f"usdt:{wanted.target}:{each.provider}:{each.name}" + (f"    ({arguments})" if arguments else "")] = (
                None
            )
    if not found:
        raise UsageError(f"{shown}: it has no static probe (USDT) of that name")
    yield from sorted(found)


def _type(operand: UsdtArgument) -> str:
    from pytest_ebpf.functions.finding_usdt import own_type  # noqa: PLC0415 - only of who asks

    return spelled(own_type(operand))
