"""Writes what to copy of which system call as the C tables that ``bpf/captures.h`` includes. Run by ``setup.py``.

So the compiler lays it out and checks it, it is loaded with the programs, and the broker, which runs with privilege,
does without all that knows what the arguments mean.
"""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

from pytest_ebpf.syscalls import constants
from pytest_ebpf.syscalls.table import call_specs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_ebpf.syscalls.table import CallSpec, Capture, Slot

__all__ = ["table_text"]

_FLAGS = ("at_exit", "data", "interrupted", "indirect")


def table_text(specs: Mapping[tuple[str, int], CallSpec]) -> str:
    """Return the C text.

    Args:
        specs: By ABI and number, as `pytest_ebpf.syscalls.table.call_specs` returns them.
    """
    # Many calls have the same one. The first is that of the calls of which there is nothing to do.
    places = {spec: place for place, spec in enumerate(dict.fromkeys(specs.values()), 1)}
    lines = [
        "static const struct call_spec call_specs[] = {",
        "\t{},",
        *(f"\t{_spec(spec)}," for spec in places),
        "};",
        "static const __u16 call_spec_places[CALL_ABIS][CALL_NUMBERS] = {",
        *(f"\t[CALL_{abi.upper()}][{number}] = {places[spec]}," for (abi, number), spec in specs.items()),
        "};",
    ]
    return "\n".join(lines) + "\n"


def _spec(spec: CallSpec) -> str:
    fields = {
        "captures": _braced(map(_capture, spec.captures)),
        "files": _braced(map(_slot, spec.files)),
        "names": int(any(slot.kind != "result" for slot in spec.files)),
        "late": int(any(capture.at_exit for capture in spec.captures)),
        "opens": int(any(slot.kind == "result" for slot in spec.files)),
        "moves": int(spec.moves),
    }
    return _fields(fields)


def _capture(capture: Capture) -> str:
    base = min(capture.when, default=0)
    when = sum(1 << value - base for value in {*capture.when})
    fields = {
        "kind": f"CAPTURE_{capture.kind.upper()}",
        "arg": capture.arg,
        "flags": " | ".join(f"CAPTURE_{name.upper()}" for name in _FLAGS if getattr(capture, name)),
        "length": f"LENGTH_{capture.length.upper()}",
        "length_arg": capture.length_arg,
        "size": capture.size,
        "when": when and hex(when),
        "when_arg": capture.when_arg,
        "when_mask": capture.when_mask if capture.when else 0,
        "when_base": base,
        "skip": capture.skip,
    }
    return _fields(fields)


def _slot(slot: Slot) -> str:
    return f"{{ SLOT_{slot.kind.upper()}, {slot.arg}, {slot.path_arg} }}"


def _fields(values: Mapping[str, object]) -> str:
    return _braced(f".{name} = {value}" for name, value in values.items() if value)


def _braced(items: Iterable[str]) -> str:
    return f"{{ {', '.join(items)} }}"


if __name__ == "__main__":
    constants.read_from(sys.argv[1])
    sys.stdout.write(table_text(call_specs(platform.machine())))
