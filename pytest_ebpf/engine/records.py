"""Bytes of a ring to records: a name and its fields, as ``bpf/events.h`` has them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_ebpf.engine.layout import layouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_ebpf.engine.layout import StructLayout

__all__ = ["Decoder", "Fields", "Identity", "Record", "path_of_names"]

Fields = dict[str, Any]
Record = tuple[str, Fields]

# Of the kernel's ring buffer: a u32 with the length and two flag bits, a u32 of its own; then the
# record, padded to eight bytes (include/uapi/linux/bpf.h, kernel/bpf/ringbuf.c).
_HEADER = struct.Struct("<II")
_DISCARD = 1 << 30
_BUSY = 1 << 31


def _c_string(value: bytes) -> bytes:
    return value.partition(b"\0")[0]


def path_of_names(names: bytes, *, whole: bool) -> bytes:
    r"""Turn ``true\0bin\0usr\0`` into ``/usr/bin/true``; one cut at its root begins with ``…/``."""
    parts = names.split(b"\0")[-2::-1]
    return (b"/" if whole else "…/".encode()) + b"/".join(parts)


class Identity(Mapping[str, Any]):
    """The fields of ``struct identity``, read out of the record's bytes as they are asked for.

    A dictionary of them takes ten times the memory, and most are never asked for.
    """

    __slots__ = ("_data", "_fields")

    def __init__(self, data: bytes, fields: Mapping[str, tuple[struct.Struct, int]]) -> None:
        """Take the bytes from the structure's first field on, and where each field is."""
        self._data = data
        self._fields = fields

    def __getitem__(self, name: str) -> Any:
        unpacker, offset = self._fields[name]
        value = unpacker.unpack_from(self._data, offset)[0]
        return _c_string(value) if isinstance(value, bytes) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


class _Layout:
    """A record's layout, its identity apart."""

    def __init__(self, layout: StructLayout) -> None:
        within = [name for name in layout.names if name.startswith("identity.")]
        self._start = layout.offsets[within[0]]
        last = within[-1]
        self._end = layout.offsets[last] + struct.calcsize(layout.codes[last])
        self._identity = {
            name.removeprefix("identity."): (
                struct.Struct("<" + layout.codes[name]),
                layout.offsets[name] - self._start,
            )
            for name in within
        }
        # Everything else: what stands before the identity and what stands after it.
        self._outer = {
            name.removeprefix("header."): (struct.Struct("<" + layout.codes[name]), layout.offsets[name])
            for name in layout.names
            if name not in {*within, "unused", "header.type"}
        }

    def read(self, data: bytes, body: int) -> Fields:
        fields: Fields = {
            name: unpacker.unpack_from(data, body + offset)[0] for name, (unpacker, offset) in self._outer.items()
        }
        fields["identity"] = Identity(data[body + self._start : body + self._end], self._identity)
        return fields


class Decoder:
    """Decodes what one session's ring carries; keeps the pieces of texts whose exec is still to come."""

    def __init__(self) -> None:
        layout = layouts()
        types, fields = layout.enums["record_type"], layout.enums["text_field"]
        structs = layout.structs
        self._text = structs["text_record"]
        self._text_type = types["RECORD_TEXT"]
        self._type = struct.Struct("<I")
        self._masks = {name: 1 << fields[f"TEXT_{name.upper()}"] for name in ("exe", "cwd", "argv", "environ")}
        self._fields = {name.removeprefix("TEXT_").lower(): number for name, number in fields.items()}
        self._pending: dict[tuple[int, int], dict[int, list[bytes]]] = {}
        self._decoders: dict[int, tuple[str, _Layout, Callable[[Fields], None] | None]] = {
            types["RECORD_FORK"]: ("fork", _Layout(structs["fork_record"]), self._fork),
            types["RECORD_EXEC"]: ("exec", _Layout(structs["exec_record"]), self._exec),
            types["RECORD_EXIT"]: ("exit", _Layout(structs["exit_record"]), None),
            types["RECORD_IDENTITY"]: ("identity", _Layout(structs["identity_record"]), None),
            types["RECORD_ADOPTED"]: ("adopted", _Layout(structs["identity_record"]), None),
            types["RECORD_LEFT"]: ("left", _Layout(structs["identity_record"]), None),
        }

    def decode(self, data: bytes) -> Iterator[Record]:
        """Yield the records of ``data``, whole ring records as `Session.pull` returns them."""
        at = 0
        while at < len(data):
            length, _ = _HEADER.unpack_from(data, at)
            body = at + _HEADER.size
            size = length & ~(_DISCARD | _BUSY)
            at = body + (size + 7) // 8 * 8
            if length & _DISCARD:
                continue
            (kind,) = self._type.unpack_from(data, body)
            if kind == self._text_type:
                self._keep_text(data, body)
                continue
            name, layout, finish = self._decoders[kind]
            fields = layout.read(data, body)
            if finish is not None:
                finish(fields)
            yield name, fields

    def _keep_text(self, data: bytes, body: int) -> None:
        text = dict(zip(self._text.names, self._text.unpacker.unpack_from(data, body), strict=True))
        start = body + self._text.size
        pieces = self._pending.setdefault((text["host_tid"], text["time_ns"]), {})
        pieces.setdefault(text["field"], []).append(data[start : start + text["length"]])

    @staticmethod
    def _fork(fields: Fields) -> None:
        fields["thread"] = bool(fields["thread"])

    def _exec(self, fields: Fields) -> None:
        tid, time_ns = fields["host_tid"], fields["time_ns"]
        pieces = self._pending.pop((tid, time_ns), {})
        # What is left of this thread belongs to an exec whose own record was lost.
        for stale in [key for key in self._pending if key[0] == tid and key[1] < time_ns]:
            del self._pending[stale]
        for name, number in self._fields.items():
            data: bytes | None = b"".join(pieces.get(number, ()))
            if name in {"filename", "interp"}:
                data = _c_string(data or b"")
            elif name in {"exe", "cwd"}:
                data = path_of_names(data or b"", whole=not fields["truncated"] & self._masks[name])
            elif not fields["captured"] & 1 << number:
                data = None
            fields[name] = data
        fields["secure"] = bool(fields["secure"])
