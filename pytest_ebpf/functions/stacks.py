"""From where a function was called: the addresses of a stack, as functions in files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf.binaries.binary import Binary
from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions.reach import executable_maps
from pytest_ebpf.probes import kallsyms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ebpf.functions.call import FunctionCall

__all__ = ["Frame", "frames"]

_LINE = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) ..x. ([0-9a-f]+) \S+ \d+ +(/.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Frame:
    """One function on the way to a call."""

    address: int
    """In the process's memory, or the kernel's: of the innermost where it is, of others where the call returns to."""
    function: str | None
    """Its symbol, and how far behind: ``main+0x1c``; None: it is not known."""
    path: str | None
    """The file that it is in; of the kernel ``[kernel]``, or its module; None: it is not known."""

    def __str__(self) -> str:
        where = f" ({self.path})" if self.path else ""
        return f"{self.function or hex(self.address)}{where}"


class _Mapping(NamedTuple):
    start: int
    end: int
    offset: int
    """In the file, of what lies at the start."""
    path: str


def frames(call: FunctionCall) -> tuple[Frame, ...]:
    """Return the frames of a call, innermost first; only as many as were recorded."""
    inside = tuple(map(_kernel_frame, call.raw_call.hit.kernel_stack))
    addresses = list(call.raw_call.hit.stack)
    if not addresses:
        return inside
    caller = call.caller
    if isinstance(caller, int) and not (_kernel_knows(call) and caller in addresses[1:2]):
        addresses.insert(1, caller)
    mappings = list(_mappings(call))
    return inside + tuple(_frame(address, mappings) for address in addresses)


def _kernel_frame(address: int) -> Frame:
    found = kallsyms.symbol_at(address)
    if found is None:
        return Frame(address, None, "[kernel]")
    behind = f"+{address - found.address:#x}" if address > found.address else ""
    return Frame(address, f"{found.name}{behind}", f"[{found.module or 'kernel'}]")


def _kernel_knows(call: FunctionCall) -> bool:
    """Whether a kernel since 6.12 tells who called: where the function begins with ``push %rbp`` or ``endbr64``.

    ``is_uprobe_at_func_entry()``, arch/x86/events/core.c.
    """
    try:
        start = Binary.open(call.definition.path).elf.bytes_at(call.group.places[call.raw_call.place].offset, 4)
    except UsageError:
        return True
    return start[:1] == b"\x55" or start == b"\xf3\x0f\x1e\xfa"


def _frame(address: int, mappings: list[_Mapping]) -> Frame:
    found = next((each for each in mappings if each.start <= address < each.end), None)
    if found is None:
        return Frame(address, None, None)
    try:
        name = Binary.open(found.path).symbol_at(address - found.start + found.offset)
    except UsageError:
        name = None  # stripped of all symbols, or another file by now
    return Frame(address, name, found.path)


def _mappings(call: FunctionCall) -> Iterator[_Mapping]:
    """Return what the process had mapped to be executed, the surest first."""
    hit, definition = call.raw_call.hit, call.definition
    if definition.path:
        # Where the probe is in the file is known, and so is where the file is in memory.
        base = hit.ip - call.group.places[hit.place].offset
        binary = Binary.open(definition.path)
        for each in binary.elf.code_segments():
            yield _Mapping(base + each.offset, base + each.offset + each.file_size, each.offset, definition.path)
    life, history = call.process.life, call.scope.history
    for mapped in executable_maps(call.scope, life.key):
        yield _Mapping(mapped.start, mapped.start + mapped.length, mapped.offset, mapped.path)
    pid = history.pid_in_proc(life) if life.exit is None else 0
    if pid:
        yield from _in_proc(pid)


def _in_proc(pid: int) -> Iterator[_Mapping]:
    try:
        text = Path(f"/proc/{pid}/maps").read_bytes()
    except OSError:
        return
    for start, end, offset, path in _LINE.findall(text):
        yield _Mapping(int(start, 16), int(end, 16), int(offset, 16), os.fsdecode(path))
