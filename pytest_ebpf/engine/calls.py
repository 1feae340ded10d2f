"""The system calls that a session's ring told of: packed, indexed and searched by native_calls.c."""

from __future__ import annotations

import operator
import os
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ebpf.engine.layout import layouts
from pytest_ebpf.engine.native import library
from pytest_ebpf.engine.records import path_of_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_ebpf.engine.layout import StructLayout

__all__ = ["ABIS", "CallCount", "CallStore", "Piece", "RawCall", "RawFile", "Span"]

ABIS = ("native", "compat", "x32")
"""By ``enum call_abi``: x86-64 or arm64; ia32 or AArch32; x32."""

_NUMBERS = 1024  # PE_CALL_NUMBERS of native_calls.c
_KINDS = 256  # different calls in a summary


class RawCall(NamedTuple):
    """``struct call_record`` of ``bpf/events.h``."""

    window: int
    """In which it was entered."""
    entered_ns: int
    """CLOCK_MONOTONIC."""
    time_ns: int
    """When it returned, its thread ended, or the snapshot was taken."""
    start_ns: int
    """Of the process; with `host_pid` its name."""
    host_pid: int
    host_tid: int
    number: int
    abi: str
    """One of `ABIS`."""
    args: tuple[int, int, int, int, int, int]
    """As 64 unsigned bits."""
    result: int
    """As the kernel returns it: ``-errno`` on failure."""
    files: tuple[int, int]
    """Ids of the files that it names, 0 for none."""
    unfinished: bool
    """Its thread ended inside."""
    in_progress: bool
    """It had not returned when it was last asked for."""
    denied: bool
    """A seccomp filter or a tracer answered it."""
    trapped: bool
    """Likewise, by a SIGSYS: `result` is what the register held."""


class Piece(NamedTuple):
    """``struct call_piece``: what an argument points to, or one item of a list."""

    capture: int
    """Index into the captures of the call's spec (`pytest_ebpf.syscalls.table`)."""
    part: int
    address: int
    data: bytes
    cut: bool
    unreadable: bool
    at_exit: bool


class RawFile(NamedTuple):
    """``struct file_record`` and what follows it."""

    id: int
    time_ns: int
    inode: int
    device: int
    """As ``st_dev`` (`os.makedev`)."""
    mode: int
    magic: int
    """Of its file system (``linux/magic.h``)."""
    flags: int
    """``O_*``, as it was opened or set since."""
    path: bytes
    """As the thread saw it; one that was cut begins with ``…/``; of a socket empty."""
    cut: bool
    deleted: bool
    is_socket: bool
    socket_type: int
    socket_protocol: int
    local: bytes | None
    """Address as ``getsockname(2)`` gives it; None: it has none."""
    remote: bytes | None
    """The same of ``getpeername(2)``."""


class Span(NamedTuple):
    """A process, and the time in which its calls were entered (CLOCK_MONOTONIC ns)."""

    host_pid: int
    start_ns: int
    """Of the process."""
    from_ns: int = 0
    to_ns: int = (1 << 64) - 1
    """Not any more."""


class CallCount(NamedTuple):
    """How often one system call was made."""

    abi: str
    number: int
    calls: int
    errors: int
    time_ns: int
    """Inside, of those that returned."""


class _Reader:
    """Picks fields of a record by their names."""

    def __init__(self, layout: StructLayout, names: Iterable[str]) -> None:
        self.size = layout.size
        self._unpacker = layout.unpacker
        self._pick = operator.itemgetter(*(layout.names.index(name) for name in names))

    def read(self, data: Any) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self._pick(self._unpacker.unpack_from(data))
        return found


_CALL_FIELDS = (
    *("header.window", "entered_ns", "header.time_ns", "header.start_ns", "header.host_pid", "header.host_tid"),
    *("number", "abi", "flags", "result", "args", "files"),
)
_FILE_FIELDS = (
    *("id", "header.time_ns", "inode", "device", "mode", "magic", "flags", "bits", "length"),
    *("socket_type", "socket_protocol"),
)


class CallStore:
    """The calls of a session, from the oldest window that is remembered on."""

    def __init__(self) -> None:
        self._ffi, self._lib = library()
        self._calls = self._ffi.gc(self._lib.pe_calls_new(), self._lib.pe_calls_free)
        layout = layouts()
        self._call = _Reader(layout.structs["call_record"], _CALL_FIELDS)
        self._file = _Reader(layout.structs["file_record"], _FILE_FIELDS)
        self._names = _Reader(layout.structs["socket_names"], ("local_length", "remote_length", "local", "remote"))
        flags, data, bits = (layout.enums[name] for name in ("call_flag", "data_flag", "file_bit"))
        self._unfinished, self._in_progress = flags["CALL_UNFINISHED"], flags["CALL_IN_PROGRESS"]
        self._denied, self._trapped = flags["CALL_DENIED"], flags["CALL_TRAPPED"]
        self._cut, self._unreadable, self._at_exit = (data[f"DATA_{name}"] for name in ("CUT", "UNREADABLE", "AT_EXIT"))
        self._file_cut, self._file_deleted, self._file_socket = (
            bits[f"FILE_{name}"] for name in ("CUT", "DELETED", "SOCKET")
        )

    def take(self, data: bytes) -> bytes:
        """Keep the records of calls, of what they point to, and of files; return all others.

        Args:
            data: Whole ring records, as `pytest_ebpf.engine.session.Session.pull` returns them.

        Raises:
            MemoryError: There is no room for them.
            ValueError: A record is shorter than it says. It is not passed over: a call would be missing, and nobody
                would know.
        """
        # Most of it is never written: what is not cleared is not in memory either.
        rest = self._ffi.new_allocator(should_clear_after_alloc=False)("uint8_t[]", len(data))
        size = self._lib.pe_calls_take(self._calls, self._ffi.from_buffer(data), len(data), rest)
        if size < 0:
            raise MemoryError
        if self._lib.pe_calls_skipped(self._calls):
            raise ValueError("a record of a system call is shorter than it says")
        return bytes(self._ffi.buffer(rest, size))

    def __len__(self) -> int:
        return int(self._lib.pe_calls_length(self._calls))

    @property
    def memory(self) -> int:
        """Bytes that it holds."""
        return int(self._lib.pe_calls_memory(self._calls))

    def _filter(
        self,
        first: int,
        last: int,
        wanted: Iterable[tuple[str, int]] | None,
        spans: Iterable[Span] | None,
        *,
        unwanted: bool = False,
    ) -> tuple[Any, list[Any]]:
        """Return a ``struct pe_call_filter`` and what must live as long as it."""
        ffi = self._ffi
        made = ffi.new("struct pe_call_filter *")
        made.first, made.last = first, last
        kept = []
        if wanted is not None:
            bits = bytearray(len(ABIS) * _NUMBERS // 8)
            for abi, number in wanted:
                bit = ABIS.index(abi) * _NUMBERS + number
                bits[bit // 8] |= 1 << bit % 8
            made.wanted, made.unwanted = ffi.from_buffer("const uint8_t[]", bits), unwanted
            kept.append(bits)
        if spans is not None:
            keys = sorted(spans)
            listed = ffi.new("struct pe_span[]", max(len(keys), 1))
            for place, span in zip(listed, keys, strict=False):
                place.pid, place.start_ns, place.from_ns, place.to_ns = span
            made.spans, made.span_count = listed, len(keys)
            kept.append(listed)
        return made, kept

    def select(
        self,
        first: int,
        last: int,
        wanted: Iterable[tuple[str, int]] | None = None,
        spans: Iterable[Span] | None = None,
    ) -> Sequence[int]:
        """Return the places of calls, by the time when they were entered.

        Args:
            first: Window, of the call's entry.
            last: The same; it may be the first.
            wanted: ABI and number of those to find; None: all.
            spans: Whose calls to find, and entered when; None: all.

        Returns:
            What `call`, `pieces` take, until `forget` is called. Of a call that was seen in progress and
            then returned, only the latter.
        """
        made, kept = self._filter(first, last, wanted, spans)
        found = bytearray(4 * len(self))
        count = self._lib.pe_calls_select(self._calls, made, self._ffi.from_buffer("uint32_t[]", found))
        del kept
        if count < 0:
            raise MemoryError
        return memoryview(found)[: 4 * count].cast("I")

    def narrow(
        self,
        places: Sequence[int],
        wanted: Iterable[tuple[str, int]] | None = None,
        spans: Iterable[Span] | None = None,
        *,
        unwanted: bool = False,
    ) -> Sequence[int]:
        """Return those of some places whose calls pass, in the same order.

        Args:
            places: As `select` returned them.
            wanted: As of `select`.
            spans: As of `select`.
            unwanted: Return those that `wanted` does not list.
        """
        made, kept = self._filter(0, 0, wanted, spans, unwanted=unwanted)
        found = bytearray(4 * len(places))
        count = self._lib.pe_calls_narrow(
            self._calls,
            made,
            self._ffi.from_buffer("uint32_t[]", places),
            len(places),
            self._ffi.from_buffer("uint32_t[]", found),
        )
        del kept
        return memoryview(found)[: 4 * count].cast("I")

    def count(
        self,
        first: int,
        last: int,
        wanted: Iterable[tuple[str, int]] | None = None,
        spans: Iterable[Span] | None = None,
    ) -> list[CallCount]:
        """Count the calls that `select` would find, by ABI and number."""
        made, kept = self._filter(first, last, wanted, spans)
        counts = self._counts(lambda out, room: self._lib.pe_calls_count(self._calls, made, out, room))
        del kept
        return counts

    def count_places(self, places: Sequence[int]) -> list[CallCount]:
        """Count the calls at some places, by ABI and number."""
        listed = self._ffi.from_buffer("uint32_t[]", places)
        return self._counts(
            lambda out, room: self._lib.pe_calls_count_places(self._calls, listed, len(places), out, room)
        )

    def _counts(self, count: Callable[[Any, int], int]) -> list[CallCount]:
        room = _KINDS
        while True:
            counts = self._ffi.new("struct pe_call_count[]", room)
            found = count(counts, room)
            if found >= 0:
                break
            room *= 2
        return [
            CallCount(ABIS[each.abi], each.number, each.calls, each.errors, each.time_ns) for each in counts[0:found]
        ]

    def call(self, index: int) -> RawCall:
        """Return a call.

        Raises:
            IndexError: There is none at this place.
        """
        at = self._lib.pe_calls_record(self._calls, index)
        if at == self._ffi.NULL:
            raise IndexError(index)
        data = self._ffi.buffer(at, self._call.size)
        window, entered_ns, time_ns, start_ns, pid, tid, number, abi, flags, result, args, files = self._call.read(data)
        return RawCall(
            *(window, entered_ns, time_ns, start_ns, pid, tid, number, ABIS[abi]),
            args=struct.unpack("<6Q", args),
            result=result,
            files=struct.unpack("<2Q", files),
            unfinished=bool(flags & self._unfinished),
            in_progress=bool(flags & self._in_progress),
            denied=bool(flags & self._denied),
            trapped=bool(flags & self._trapped),
        )

    def pieces(self, index: int) -> tuple[Piece, ...]:
        """Return what a call's arguments point to; of those with the same capture and part, the latest."""
        count = self._lib.pe_calls_pieces(self._calls, index, self._ffi.NULL, 0)
        if not count:
            return ()
        found = self._ffi.new("struct pe_piece[]", count)
        self._lib.pe_calls_pieces(self._calls, index, found, count)
        pieces = {
            (each.capture, each.part): Piece(
                each.capture,
                each.part,
                each.address,
                bytes(self._ffi.buffer(each.data, each.length)),
                cut=bool(each.flags & self._cut),
                unreadable=bool(each.flags & self._unreadable),
                at_exit=bool(each.flags & self._at_exit),
            )
            for each in found
        }
        return tuple(pieces[key] for key in sorted(pieces))

    def file(self, file_id: int) -> RawFile | None:
        """Return what a file was when a call named it; None: its record was lost, or the id is 0."""
        size = self._ffi.new("uint32_t *")
        at = self._lib.pe_calls_file(self._calls, file_id, size)
        if at == self._ffi.NULL:
            return None
        data = bytes(self._ffi.buffer(at, size[0]))
        number, time_ns, inode, device, mode, magic, flags, bits, length, kind, protocol = self._file.read(data)
        body = data[self._file.size :]
        is_socket = bool(bits & self._file_socket)
        local = remote = None
        path = b""
        if is_socket:
            local_length, remote_length, locally, remotely = self._names.read(body)
            local, remote = locally[:local_length] or None, remotely[:remote_length] or None
        else:
            path = path_of_names(body[:length], whole=not bits & self._file_cut)
        return RawFile(
            *(number, time_ns, inode, os.makedev(device >> 20, device & 0xFFFFF), mode, magic, flags, path),
            cut=bool(bits & self._file_cut),
            deleted=bool(bits & self._file_deleted),
            is_socket=is_socket,
            socket_type=kind,
            socket_protocol=protocol,
            local=local,
            remote=remote,
        )

    def forget(self, before: int) -> None:
        """Forget the calls and files of the windows before this one.

        Raises:
            MemoryError: There was no room to move the others; all are still there.
        """
        if self._lib.pe_calls_forget(self._calls, before):
            raise MemoryError
