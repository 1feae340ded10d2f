"""Where each field of a record is: read from the BTF of the compiled object, through libbpf.

``bpf/events.h`` is the one definition; no offset and no size is written in Python.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from typing import Any

from pytest_ebpf.engine.native import library, object_path

__all__ = ["Layouts", "StructLayout", "layouts"]

_MAX_FIELDS = 128
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


@dataclass(frozen=True, slots=True)
class StructLayout:
    """One C structure, its nested members flattened to dotted names."""

    size: int
    """Bytes."""
    names: tuple[str, ...]
    unpacker: struct.Struct
    offsets: dict[str, int]
    """Bytes from the start, by dotted name."""
    codes: dict[str, str]
    """Of the `struct` module, by dotted name."""


@dataclass(frozen=True, slots=True)
class Layouts:
    """The structures and enums of one compiled object."""

    structs: dict[str, StructLayout]
    enums: dict[str, dict[str, int]]


def _text(ffi: Any, field: Any) -> str:
    return str(ffi.string(field.name).decode())


def _struct(btf: Any, name: str) -> StructLayout:
    ffi, lib = library()
    fields = ffi.new("struct pe_field[]", _MAX_FIELDS)
    count = lib.pe_struct_fields(btf, name.encode(), fields, _MAX_FIELDS)
    size = lib.pe_struct_size(btf, name.encode())
    if count < 0 or size < 0:
        message = f"the kernel object has no structure {name!r} in its BTF"
        raise LookupError(message)
    offsets: dict[str, int] = {}
    codes: dict[str, str] = {}
    layout = "<"
    at = 0
    for field in sorted(fields[0:count], key=lambda field: field.offset):
        code = f"{field.size}s" if field.array else _CODES[field.size]
        name_of = _text(ffi, field)
        offsets[name_of], codes[name_of] = field.offset, code.lower() if field.is_signed else code
        layout += f"{field.offset - at}x{codes[name_of]}"
        at = field.offset + field.size
    layout += f"{size - at}x"
    return StructLayout(size=size, names=tuple(offsets), unpacker=struct.Struct(layout), offsets=offsets, codes=codes)


def _enum(btf: Any, name: str) -> dict[str, int]:
    ffi, lib = library()
    values = ffi.new("struct pe_field[]", _MAX_FIELDS)
    count = lib.pe_enum_values(btf, name.encode(), values, _MAX_FIELDS)
    if count < 0:
        message = f"the kernel object has no enum {name!r} in its BTF"
        raise LookupError(message)
    return {_text(ffi, value): value.offset for value in values[0:count]}


@functools.cache
def load(object_name: str, structs: tuple[str, ...], enums: tuple[str, ...]) -> Layouts:
    """Read layouts from the BTF of ``objects/<object_name>.bpf.o``.

    Raises:
        LookupError: The object does not have one of them.
    """
    ffi, lib = library()
    path = object_path(object_name)
    btf = lib.btf__parse_elf(str(path).encode(), ffi.NULL)
    if btf == ffi.NULL:
        message = f"{path} has no readable BTF"
        raise LookupError(message)
    try:
        return Layouts({name: _struct(btf, name) for name in structs}, {name: _enum(btf, name) for name in enums})
    finally:
        lib.btf__free(btf)


@functools.cache
def layouts() -> Layouts:
    """Return the layouts of the built-in records and of the control page."""
    return load(
        "tracing",
        (
            *("text_record", "fork_record", "exec_record", "exit_record", "identity_record", "control"),
            *("record_header", "call_record", "call_piece", "call_data_record", "file_record", "socket_names"),
            *("probe_record", "probe_piece", "probe_count", "program_record"),
        ),
        ("record_type", "text_field", "control_flag", "call_abi", "call_flag", "data_flag", "file_bit", "probe_flag"),
    )
