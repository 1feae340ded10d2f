"""Records of system calls as the kernel side writes them, for tests that need no kernel.

Each function returns the bytes of whole ring records, as a pull does.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

import system_calls

from pytest_ebpf.engine.calls import ABIS
from pytest_ebpf.engine.layout import layouts

if TYPE_CHECKING:
    from collections.abc import Iterable

PID = 4100
START_NS = 999_995_000_000
FIRST_NS = 1_000_000_500_000
ADDRESS = 0x7F0000001000

_ARCHITECTURES = {"native": "x86_64", "compat": "i386", "x32": "x32"}
_table = system_calls.syscalls()


def number_of(name: str | int, abi: str = "native") -> int:
    """Return a call's number on x86-64; x32's without its bit."""
    return name if isinstance(name, int) else int(_table.get(name, _ARCHITECTURES[abi])) & ~0x40000000


def ring_record(body: bytes) -> bytes:
    """Put the ring buffer's head before a record."""
    return struct.pack("<II", len(body), 0) + body + bytes(-len(body) % 8)


def _packed(struct_name: str, values: dict[str, Any]) -> bytes:
    layout = layouts().structs[struct_name]
    zeros = (b"" if code.endswith("s") else 0 for code in layout.codes.values())
    assert set(values) <= set(layout.names), set(values) - set(layout.names)
    return layout.unpacker.pack(*(values.get(name, zero) for name, zero in zip(layout.names, zeros, strict=True)))


def piece(
    data: bytes = b"",
    *,
    capture: int = 0,
    part: int = 0,
    tid: int = PID,
    entered_ns: int = FIRST_NS,
    address: int = ADDRESS,
    cut: bool = False,
    unreadable: bool = False,
    at_exit: bool = False,
) -> bytes:
    """Return a RECORD_CALL_DATA, of a piece that does not travel with its call."""
    flags = layouts().enums["data_flag"]
    head = _packed(
        "call_data_record",
        {
            "type": layouts().enums["record_type"]["RECORD_CALL_DATA"],
            "host_tid": tid,
            "entered_ns": entered_ns,
            "piece.address": address,
            "piece.capture": capture,
            "piece.part": part,
            "piece.flags": flags["DATA_CUT"] * cut
            | flags["DATA_UNREADABLE"] * unreadable
            | flags["DATA_AT_EXIT"] * at_exit,
            "piece.length": len(data),
        },
    )
    return ring_record(head + data)


def _travelling(piece: tuple[int, bytes] | tuple[int, int, bytes] | tuple[int, int, bytes, int]) -> bytes:
    if len(piece) == 2:
        piece = piece[0], 0, piece[1]
    capture, part, data, *flags = piece
    head = {"address": ADDRESS, "capture": capture, "part": part, "flags": sum(flags), "length": len(data)}
    return _packed("call_piece", head) + data + bytes(-len(data) % 8)


def call(
    name: str | int,
    args: Iterable[int] = (),
    result: int = 0,
    *,
    tid: int | None = None,
    pid: int = PID,
    start_ns: int = START_NS,
    window: int = 1,
    entered_ns: int = FIRST_NS,
    duration: int = 1000,
    files: Iterable[int] = (),
    pieces: Iterable[tuple[int, bytes] | tuple[int, int, bytes] | tuple[int, int, bytes, int]] = (),
    abi: str = "native",
    unfinished: bool = False,
    in_progress: bool = False,
    denied: bool = False,
    trapped: bool = False,
) -> bytes:
    """Return a RECORD_CALL, with what its arguments point to.

    Args:
        name: Or the number.
        args: Six at most; negative ones are wrapped.
        result: As the kernel returns it.
        tid: The thread; the process's leader if not given.
        pid: In the initial pid namespace.
        start_ns: Of the process.
        window: In which it was entered.
        entered_ns: CLOCK_MONOTONIC.
        duration: Nanoseconds.
        files: Ids of files.
        pieces: (capture, data) or (capture, part, data) or (capture, part, data, flags).
        abi: How it came in.
        unfinished: The thread ended inside.
        in_progress: It has not returned.
        denied: A filter answered it.
        trapped: By a signal.
    """
    thread = pid if tid is None else tid
    flags = layouts().enums["call_flag"]
    raw_args = [arg & (1 << 64) - 1 for arg in args]
    raw_files = list(files)
    travelling = b"".join(map(_travelling, pieces))
    body = _packed(
        "call_record",
        {
            "header.type": layouts().enums["record_type"]["RECORD_CALL"],
            "header.window": window,
            "header.time_ns": entered_ns + duration,
            "header.start_ns": start_ns,
            "header.host_pid": pid,
            "header.host_tid": thread,
            "entered_ns": entered_ns,
            "args": struct.pack("<6Q", *raw_args, *[0] * (6 - len(raw_args))),
            "result": result,
            "files": struct.pack("<2Q", *raw_files, *[0] * (2 - len(raw_files))),
            "number": number_of(name, abi),
            "abi": ABIS.index(abi),
            "flags": flags["CALL_UNFINISHED"] * unfinished
            | flags["CALL_IN_PROGRESS"] * in_progress
            | flags["CALL_DENIED"] * denied
            | flags["CALL_TRAPPED"] * trapped,
            "length": len(travelling),
        },
    )
    return ring_record(body + travelling)


def file(
    number: int,
    path: str = "",
    *,
    window: int = 1,
    inode: int = 0,
    mode: int = 0o100644,
    magic: int = 0xEF53,
    flags: int = 0,
    device: tuple[int, int] = (8, 1),
    pid: int = PID,
    cut: bool = False,
    deleted: bool = False,
    socket: tuple[int, int] | None = None,
    local: bytes = b"",
    remote: bytes = b"",
) -> bytes:
    """Return a RECORD_FILE.

    Args:
        number: Its id.
        path: Absolute.
        window: In which it was named.
        inode: Its number.
        mode: ``st_mode``.
        magic: Of the file system; ext4's if not given.
        flags: ``O_*``.
        device: Major and minor.
        pid: Who named it.
        cut: The path is cut at its start.
        deleted: It was unlinked.
        socket: Type and protocol, of a socket.
        local: Address of a socket.
        remote: The same of its peer.
    """
    bits = layouts().enums["file_bit"]
    names = b"".join(os.fsencode(name) + b"\0" for name in reversed(path.strip("/").split("/"))) if path else b""
    tail = names
    if socket is not None:
        names = b""
        tail = _packed(
            "socket_names",
            {"local_length": len(local), "remote_length": len(remote), "local": local, "remote": remote},
        )
    body = _packed(
        "file_record",
        {
            "header.type": layouts().enums["record_type"]["RECORD_FILE"],
            "header.window": window,
            "header.time_ns": FIRST_NS,
            "header.start_ns": START_NS,
            "header.host_pid": pid,
            "header.host_tid": pid,
            "id": number,
            "inode": inode or number,
            "magic": magic,
            "device": device[0] << 20 | device[1],
            "mode": 0o140777 if socket is not None else mode,
            "flags": flags,
            "bits": bits["FILE_CUT"] * cut
            | bits["FILE_DELETED"] * deleted
            | bits["FILE_SOCKET"] * (socket is not None),
            "length": len(names),
            "socket_type": socket[0] if socket else 0,
            "socket_protocol": socket[1] if socket else 0,
        },
    )
    return ring_record(body + tail)
