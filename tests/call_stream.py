"""System calls as their records say them, read here by the layouts alone: the product's own reader is not used."""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from calls_stream import number_of

from pytest_ebpf.broker import launch
from pytest_ebpf.engine.layout import layouts
from pytest_ebpf.engine.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAYOUTS = layouts()
TYPES = LAYOUTS.enums["record_type"]
ABIS = LAYOUTS.enums["call_abi"]
FLAGS = LAYOUTS.enums["call_flag"]
DATA = LAYOUTS.enums["data_flag"]
FILE = LAYOUTS.enums["file_bit"]

MARK = 99
"""No way to seek: by it `Tracing.seen` knows its own call."""


class Piece(NamedTuple):
    """A ``call_piece`` and its bytes."""

    capture: int
    part: int
    address: int
    data: bytes
    flags: int


class FileSeen(NamedTuple):
    """A ``file_record``."""

    fields: dict[str, Any]
    path: bytes
    local: bytes
    remote: bytes

    def __getattr__(self, name: str) -> Any:
        return self.fields[name]


@dataclass(frozen=True)
class Call:
    """A ``call_record``."""

    fields: dict[str, Any]
    args: tuple[int, ...]
    files: tuple[FileSeen | None, ...]
    pieces: dict[tuple[int, int], Piece]

    def __getattr__(self, name: str) -> Any:
        return self.fields[name]

    @property
    def host_pid(self) -> int:
        return int(self.fields["header.host_pid"])

    @property
    def host_tid(self) -> int:
        return int(self.fields["header.host_tid"])

    @property
    def window(self) -> int:
        return int(self.fields["header.window"])

    @property
    def time_ns(self) -> int:
        return int(self.fields["header.time_ns"])

    @property
    def unfinished(self) -> bool:
        return bool(self.flags & FLAGS["CALL_UNFINISHED"])

    @property
    def in_progress(self) -> bool:
        return bool(self.flags & FLAGS["CALL_IN_PROGRESS"])

    def text(self, capture: int = 0, part: int = 0) -> bytes | None:
        """What was captured there, None if nothing was or could be."""
        piece = self.pieces.get((capture, part))
        return None if piece is None or piece.flags & DATA["DATA_UNREADABLE"] else piece.data


def records(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = struct.unpack_from("<I", data, at)[0]
        size = length & ~(3 << 30)
        if not length & 1 << 30:
            yield data[at + 8 : at + 8 + size]
        at += 8 + (size + 7) // 8 * 8


def unpacked(structure: str, body: bytes) -> dict[str, Any]:
    layout = LAYOUTS.structs[structure]
    return dict(zip(layout.names, layout.unpacker.unpack_from(body), strict=True))


def pieces_of(data: bytes) -> dict[tuple[int, int], Piece]:
    """Those that stand one after the other."""
    pieces = {}
    while data:
        fields = unpacked("call_piece", data)
        start = LAYOUTS.structs["call_piece"].size
        end = start + fields["length"]
        piece = Piece(fields["capture"], fields["part"], fields["address"], data[start:end], fields["flags"])
        assert len(piece.data) == fields["length"]
        pieces[piece.capture, piece.part] = piece
        data = data[end + -end % 8 :]
    return pieces


@dataclass
class Stream:
    """All that one session has told."""

    calls: list[Call] = field(default_factory=list)
    files: dict[int, FileSeen] = field(default_factory=dict)
    others: list[int] = field(default_factory=list)
    """Types of the other records, in order."""
    pieces: dict[tuple[int, int], dict[tuple[int, int], Piece]] = field(default_factory=dict)

    def feed(self, data: bytes) -> list[Call]:
        """Take records; return the calls among them."""
        first = len(self.calls)
        for body in records(data):
            (kind,) = struct.unpack_from("<I", body)
            if kind == TYPES["RECORD_CALL_DATA"]:
                fields = unpacked("call_data_record", body)
                start = LAYOUTS.structs["call_data_record"].offsets["piece.address"]
                key = fields["host_tid"], fields["entered_ns"]
                self.pieces.setdefault(key, {}).update(pieces_of(body[start:]))
            elif kind == TYPES["RECORD_FILE"]:
                self._file(body)
            elif kind == TYPES["RECORD_CALL"]:
                fields = unpacked("call_record", body)
                size = LAYOUTS.structs["call_record"].size
                assert len(body) >= size + fields["length"]
                key = fields["header.host_tid"], fields["entered_ns"]
                pieces = self.pieces.setdefault(key, {})
                pieces.update(pieces_of(body[size : size + fields["length"]]))
                ids = struct.unpack("<2Q", fields.pop("files"))
                files = tuple(self.files[number] if number else None for number in ids)
                self.calls.append(Call(fields, struct.unpack("<6Q", fields.pop("args")), files, pieces))
            else:
                self.others.append(kind)
        return self.calls[first:]

    def _file(self, body: bytes) -> None:
        fields = unpacked("file_record", body)
        rest = body[LAYOUTS.structs["file_record"].size :]
        path = local = remote = b""
        if fields["bits"] & FILE["FILE_SOCKET"]:
            names = unpacked("socket_names", rest)
            local = names["local"][: names["local_length"]]
            remote = names["remote"][: names["remote_length"]]
        else:
            parts = rest[: fields["length"]].split(b"\0")
            path = (b"..." if fields["bits"] & FILE["FILE_CUT"] else b"") + b"/" + b"/".join(parts[-2::-1])
        assert fields["id"] not in self.files, "an id was used twice"
        assert fields["id"]
        self.files[fields["id"]] = FileSeen(fields, path, local, remote)


@dataclass
class Tracing:
    """A session of this process, and what it has told."""

    session: Session
    stream: Stream = field(default_factory=Stream, repr=False)

    def every(self, since: int = 0) -> list[Call]:
        """The calls since the last time, of this process too, that were entered after that time (`monotonic_ns`).

        Pulling is made of calls itself.
        """
        return [call for call in self.stream.feed(self.session.pull()) if call.entered_ns > since]

    def calls(self, name: str | int | None = None, *, pid: int | None = None) -> list[Call]:
        """The calls since the last time, of other processes only unless a pid is given."""
        number = None if name is None else number_of(name)
        return [
            call
            for call in self.every()
            if (number is None or call.number == number)
            and (call.host_pid != os.getpid() if pid is None else call.host_pid == pid)
        ]

    def seen(self, fd: int) -> FileSeen:
        """What a call of this thread, now, is told to name by the descriptor; the table has a slot for lseek(2)."""
        with pytest.raises(OSError, match="Invalid argument"):
            os.lseek(fd, 0, MARK)
        [call] = [call for call in self.calls("lseek", pid=os.getpid()) if call.args[2] == MARK]
        assert call.args[0] == fd
        assert call.files[0] is not None
        return call.files[0]


@contextlib.contextmanager
def tracing(run_directory: Path, *, ring: int = 1 << 22, calls: bool = True) -> Iterator[Tracing]:
    """A session of this process, with a window open and all calls wanted."""
    client = launch.connect(run_directory, os.getpid())
    opened = client.open(ring, calls=calls)
    session = Session(opened.ring_fd, opened.control_fd, opened.spill_fd, ring, client)
    with contextlib.closing(session):
        session.want_calls(None)
        session.window = 1
        yield Tracing(session)
