"""A function call as a line: ``accept_exp(t={num=2, name="keqing"}) = 0``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_ebpf.report import cut_to, offset, printable
from pytest_ebpf.syscalls.values import written

if TYPE_CHECKING:
    from pytest_ebpf.functions.call import FunctionCall

__all__ = ["arguments", "function_row", "line", "outcome"]

_WIDTH = 110
_NAMELESS = re.compile(r"arg\d+")


def arguments(call: FunctionCall) -> str:
    """Write the arguments, with their names where they have any."""
    return ", ".join(
        written(call.raw(name)) if _NAMELESS.fullmatch(name) else f"{name}={written(call.raw(name))}"
        for name in call.group.types
    )


def outcome(call: FunctionCall) -> str:
    """Write what was returned, after an ``=``; nothing where that was not asked for, or nothing is returned."""
    if not call.group.spec.returns:
        return ""
    if not call.returned:
        return " = ?"
    return "" if call.group.result is None else f" = {written(call.raw_result())}"


def line(call: FunctionCall) -> str:
    """Write a call."""
    return f"{call.function}({arguments(call)}){outcome(call)}"


def function_row(call: FunctionCall) -> str:
    """Write a call as a line of a message."""
    pid = call.process.raw("pid") or f"host:{call.raw_call.process[0]}"
    note = "" if call.returned or not call.group.spec.returns else "   (not returned)"
    return f"{offset(call.time_ns, call.scope)}  {pid} {cut_to(printable(line(call)), _WIDTH)}{note}"
