"""Bytes of a ring to records: a name and its fields, as ``bpf/events.h`` has them."""

from __future__ import annotations

import functools
import itertools
import operator
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pytest_ebpf.engine.layout import layouts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ebpf.engine.layout import StructLayout
    from pytest_ebpf.probes.spec import Piece, ProbeHit

__all__ = ["Decoder", "Fields", "ProbeFields", "path_of_names"]

_Place: TypeAlias = tuple[struct.Struct, int]
"""How a field is read, and the bytes before it."""

_FLAGS = frozenset({"thread", "secure"})
_FLAG = "?3x"  # a u32 that is 0 or 1

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


class Fields(Mapping[str, Any]):
    """The fields of a structure, read out of a record's bytes as they are asked for.

    A dictionary of them takes several times the memory, and most are never asked for.
    """

    __slots__ = ("_data", "_layout")

    def __init__(self, data: bytes, layout: Mapping[str, _Place]) -> None:
        """Take a record's bytes, and where in them each field is."""
        self._data = data
        self._layout = layout

    def __getitem__(self, name: str) -> Any:
        unpacker, offset = self._layout[name]
        value = unpacker.unpack_from(self._data, offset)[0]
        return _c_string(value) if isinstance(value, bytes) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout)

    def __len__(self) -> int:
        return len(self._layout)


class RecordFields(Fields):
    """A record's own, its identity nested, and the texts that came before it."""

    __slots__ = ("_identity", "texts")

    def __init__(self, data: bytes, layout: _Layout) -> None:
        """Take the record's bytes."""
        super().__init__(data, layout.outer)
        self._identity = layout.identity
        self.texts = _NO_TEXTS
        """By name; None: it was not captured."""

    def __getitem__(self, name: str) -> Any:
        if name == "identity":
            return Fields(self._data, self._identity)
        if name in self.texts:
            return self.texts[name]
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        return itertools.chain(self._layout, ("identity",), self.texts)

    def __len__(self) -> int:
        return len(self._layout) + 1 + len(self.texts)


class ProbeHead(NamedTuple):
    """What tells which call a probe's record is of."""

    spec: int
    place: int
    host_tid: int
    time_ns: int
    entered_ns: int
    window: int
    host_pid: int
    start_ns: int
    is_return: bool
    no_frame: bool


class ProbeFields(Fields):
    """A probe's record and its pieces."""

    __slots__ = ("_pieces",)

    def __init__(self, data: bytes, layout: _Layout, pieces: _Pieces) -> None:
        """Take the bytes of the record, with all that follows it."""
        super().__init__(data, layout.outer)
        self._pieces = pieces

    def head(self) -> ProbeHead:
        """Return what tells which call it is of: all that most calls are ever asked for."""
        return self._pieces.head(self._data)

    def hit(self) -> ProbeHit:
        """Return what the probe's own side knows it by."""
        return self._pieces.hit(self._data)


class ProgramFields(Fields):
    """The record of an event that a program of the user's own wrote; the event itself is ``data``."""

    __slots__ = ("_event",)

    def __init__(self, data: bytes, layout: _Layout) -> None:
        """Take the bytes of the record, with the event's behind them."""
        super().__init__(data, layout.outer)
        self._event = layout.size

    def __getitem__(self, name: str) -> Any:
        if name == "data":
            return self._data[self._event : self._event + self["length"]]
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        return itertools.chain(self._layout, ("data",))

    def __len__(self) -> int:
        return len(self._layout) + 1


class _Pieces:
    """Reads what follows a ``struct probe_record``."""

    def __init__(self, structs: Mapping[str, StructLayout], enums: Mapping[str, Mapping[str, int]]) -> None:
        record, piece = structs["probe_record"], structs["probe_piece"]
        self._start = record.size
        self._record = record.unpacker
        outer = [name.removeprefix("header.") for name in record.names]
        self._outer = operator.itemgetter(
            *map(outer.index, ("spec", "place", "host_tid", "time_ns", "entered_ns", "ip", "sp", "flags", "length"))
        )
        self._head = operator.itemgetter(
            *map(outer.index, ("spec", "place", "host_tid", "time_ns", "entered_ns", "window", "host_pid", "start_ns")),
            outer.index("flags"),
        )
        self._size = piece.size
        self._unpacker = piece.unpacker
        self._pick = operator.itemgetter(
            *(piece.names.index(name) for name in ("address", "fetch", "flags", "step", "length"))
        )
        self._cut, self._unreadable = (enums["data_flag"][f"DATA_{name}"] for name in ("CUT", "UNREADABLE"))
        self._return, self._pieces_cut, self._no_frame = (
            enums["probe_flag"][f"PROBE_{name}"] for name in ("RETURN", "CUT", "NO_FRAME")
        )

    def head(self, data: bytes) -> ProbeHead:
        spec, place, tid, time_ns, entered_ns, window, pid, start_ns, bits = self._head(self._record.unpack_from(data))
        back, no_frame = bool(bits & self._return), bool(bits & self._no_frame)
        return ProbeHead(spec, place, tid, time_ns, entered_ns, window, pid, start_ns, back, no_frame)

    def hit(self, data: bytes) -> ProbeHit:
        make_piece, make_hit = _classes()
        spec, place, host_tid, time_ns, entered_ns, ip, sp, bits, size = self._outer(self._record.unpack_from(data))
        pieces, stacks = {}, {_STACK: b"", _KERNEL_STACK: b""}
        at = self._start
        end = at + size
        while at < end:
            address, fetch, flags, step, length = self._pick(self._unpacker.unpack_from(data, at))
            at += self._size
            if fetch in stacks:
                stacks[fetch] = data[at : at + length]
            else:
                cut, unreadable = flags & self._cut != 0, flags & self._unreadable != 0
                pieces[fetch] = make_piece(data[at : at + length], address, cut, unreadable, step)
            at += (length + 7) // 8 * 8
        return make_hit(
            *(spec, place, host_tid, time_ns, entered_ns, ip, sp),
            bits & self._return != 0,
            bits & self._no_frame != 0,
            bits & self._pieces_cut != 0,
            pieces,
            *(struct.unpack(f"<{len(stack) // 8}Q", stack) for stack in stacks.values()),
        )


@functools.cache
def _classes() -> tuple[type[Piece], type[ProbeHit]]:
    """Import them when a probe tells something: most runs have none."""
    from pytest_ebpf.probes.spec import Piece, ProbeHit  # noqa: PLC0415 - see above

    return Piece, ProbeHit


_STACK, _KERNEL_STACK = 254, 253
"""``PROBE_STACK`` and ``PROBE_KERNEL_STACK`` of ``bpf/events.h``."""

_NO_TEXTS: Mapping[str, bytes | None] = MappingProxyType({})


class _Layout:
    """Where the fields of a record are, its identity's apart."""

    def __init__(self, layout: StructLayout) -> None:
        self.size = layout.size
        self.identity: dict[str, _Place] = {}
        self.outer: dict[str, _Place] = {}
        for name, offset in layout.offsets.items():
            code = _FLAG if name in _FLAGS else layout.codes[name]
            place = (struct.Struct("<" + code), offset)
            if name.startswith("identity."):
                self.identity[name.removeprefix("identity.")] = place
            elif name not in {"unused", "header.type"}:
                self.outer[name.removeprefix("header.")] = place


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
        identity = _Layout(structs["identity_record"])
        self._decoders = {
            types["RECORD_FORK"]: ("fork", _Layout(structs["fork_record"])),
            types["RECORD_EXEC"]: ("exec", _Layout(structs["exec_record"])),
            types["RECORD_EXIT"]: ("exit", _Layout(structs["exit_record"])),
            types["RECORD_IDENTITY"]: ("identity", identity),
            types["RECORD_ADOPTED"]: ("adopted", identity),
            types["RECORD_LEFT"]: ("left", identity),
        }
        self._probe_type = types["RECORD_PROBE"]
        self._probe = _Layout(structs["probe_record"])
        self._pieces = _Pieces(structs, layout.enums)
        self._program_type = types["RECORD_PROGRAM"]
        self._program = _Layout(structs["program_record"])

    def decode(self, data: bytes) -> Iterator[tuple[str, Fields]]:
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
            if kind == self._probe_type:
                yield "probe", ProbeFields(data[body : body + size], self._probe, self._pieces)
                continue
            if kind == self._program_type:
                yield "program", ProgramFields(data[body : body + size], self._program)
                continue
            name, layout = self._decoders[kind]
            fields = RecordFields(data[body : body + layout.size], layout)
            if name == "exec":
                fields.texts = self._texts_of(fields)
            yield name, fields

    def _keep_text(self, data: bytes, body: int) -> None:
        text = dict(zip(self._text.names, self._text.unpacker.unpack_from(data, body), strict=True))
        start = body + self._text.size
        pieces = self._pending.setdefault((text["host_tid"], text["time_ns"]), {})
        pieces.setdefault(text["field"], []).append(data[start : start + text["length"]])

    def _texts_of(self, record: Fields) -> dict[str, bytes | None]:
        tid, time_ns = record["host_tid"], record["time_ns"]
        pieces = self._pending.pop((tid, time_ns), {})
        # What is left of this thread belongs to an exec whose own record was lost.
        for stale in [key for key in self._pending if key[0] == tid and key[1] < time_ns]:
            del self._pending[stale]
        texts: dict[str, bytes | None] = {}
        for name, number in self._fields.items():
            data: bytes | None = b"".join(pieces.get(number, ()))
            if name in {"filename", "interp"}:
                data = _c_string(data or b"")
            elif name in {"exe", "cwd"}:
                data = path_of_names(data or b"", whole=not record["truncated"] & self._masks[name])
            elif not record["captured"] & 1 << number:
                data = None
            texts[name] = data
        return texts
