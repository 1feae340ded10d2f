"""The call table as the kernel programs read it: ``struct call_spec`` of ``bpf/events.h``. Runs in the broker."""

from __future__ import annotations

import functools
import os
import struct
from typing import TYPE_CHECKING

from pytest_ebpf.engine.layout import layouts
from pytest_ebpf.syscalls.table import call_specs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_ebpf.engine.layout import StructLayout
    from pytest_ebpf.syscalls.table import CallSpec, Capture, Slot

__all__ = ["packed_specs"]


_FLAGS = ("at_exit", "data", "interrupted", "indirect")


def packed_specs(machine: str | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield the key in the map ``call_specs`` and the ``struct call_spec`` of each call that has one.

    Args:
        machine: As ``uname -m`` says; this one's if not given.
    """
    machine = machine or os.uname().machine
    numbers = _numbers()
    abis = layouts().enums["call_abi"]
    for (abi, number), spec in call_specs(machine).items():
        if number < numbers:
            yield abis[f"CALL_{abi.upper()}"] * numbers + number, _packed(spec)


@functools.cache
def _numbers() -> int:
    """CALL_NUMBERS of ``bpf/events.h``: as many as there are bits for."""
    wanted = struct.calcsize(layouts().structs["control"].codes["wanted"])
    return wanted * 8 // layouts().enums["call_abi"]["CALL_ABIS"]


def _packed(spec: CallSpec) -> bytes:
    layout = layouts().structs["call_spec"]
    captures = [_capture(capture) for capture in spec.captures]
    slots = [_slot(slot) for slot in spec.files]
    values: dict[str, int | bytes] = {
        "captures": _list(captures, layout, "captures"),
        "files": _list(slots, layout, "files"),
        "used": int(bool(captures or slots or spec.moves)),
        "names": int(any(slot.kind != "result" for slot in spec.files)),
        "late": int(any(capture.at_exit for capture in spec.captures)),
        "opens": int(any(slot.kind == "result" for slot in spec.files)),
        "moves": int(spec.moves),
    }
    return _pack(layout, values)


def _list(items: Sequence[bytes], layout: StructLayout, field: str) -> bytes:
    data = b"".join(items)
    room = struct.calcsize(layout.codes[field])
    if len(data) > room:
        message = f"{len(items)} {field} for one system call: more than struct call_spec has room for"
        raise ValueError(message)
    return data.ljust(room, b"\0")


def _capture(capture: Capture) -> bytes:
    enums = layouts().enums
    flags = enums["capture_flag"]
    base = min(capture.when, default=0)
    return _pack(
        layouts().structs["capture"],
        {
            "kind": enums["capture_kind"][f"CAPTURE_{capture.kind.upper()}"],
            "arg": capture.arg,
            "flags": sum(flags[f"CAPTURE_{name.upper()}"] * getattr(capture, name) for name in _FLAGS),
            "length": enums["capture_length"][f"LENGTH_{capture.length.upper()}"],
            "length_arg": capture.length_arg,
            "size": capture.size,
            "when": sum(1 << value - base for value in {*capture.when}),
            "when_arg": capture.when_arg,
            "when_mask": capture.when_mask,
            "when_base": base,
            "skip": capture.skip,
        },
    )


def _slot(slot: Slot) -> bytes:
    kind = layouts().enums["file_slot"][f"SLOT_{slot.kind.upper()}"]
    return _pack(layouts().structs["slot"], {"kind": kind, "arg": slot.arg, "path_arg": slot.path_arg})


def _pack(layout: StructLayout, values: dict[str, int | bytes]) -> bytes:
    rest = (b"" if code.endswith("s") else 0 for code in layout.codes.values())
    return layout.unpacker.pack(*(values.get(name, zero) for name, zero in zip(layout.names, rest, strict=True)))
