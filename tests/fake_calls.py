"""System calls without a kernel: what the kernel side would copy is copied from memory that a test makes up."""

from __future__ import annotations

import struct
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pytest_ebpf.engine.calls import Piece, RawCall
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.syscalls.numbers import names
from pytest_ebpf.syscalls.prototype import prototypes
from pytest_ebpf.syscalls.values import File
from pytest_ebpf.syscalls.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_ebpf.syscalls.table import Capture
    from pytest_ebpf.window import Window

__all__ = ["call", "file"]

_STRUCTURE, _STRING = 4096, 4095
_INTERRUPTED = range(-516, -511)  # -ERESTARTSYS to -ERESTART_RESTARTBLOCK, linux/errno.h


def file(path: str, kind: str = "directory", **more: Any) -> File:
    """Return a file for a slot."""
    known = {"inode": 1, "device": 1, "mode": 0o40755, "flags": 0, "deleted": False, "cut": False}
    return File(kind=kind, path=path, **{**known, **more})


def call(
    name: str,
    *args: int,
    result: int = 0,
    memory: Mapping[int, bytes] | None = None,
    after: Mapping[int, bytes] | None = None,
    files: tuple[File | str | None, File | str | None] = (None, None),
    limit: int = 16384,
    unfinished: bool = False,
) -> Syscall:
    """Return a call of the native ABI.

    Args:
        name: Of the call.
        args: Its arguments; negative ones as two's complements.
        result: What it returned.
        memory: What was in the caller's memory, by address; all else cannot be read.
        after: What the kernel wrote there.
        files: By slot: what was there; ``"lost"`` where its record was.
        limit: Bytes of data to copy.
        unfinished: Whether it never returned.
    """
    number = next(number for number, known in names("native").items() if known == name)
    words: Any = tuple(arg & (1 << 64) - 1 for arg in (*args, *[0] * (6 - len(args))))
    slots: Any = tuple(int(each is not None) * place for place, each in enumerate(files, 1))
    raw = RawCall(
        *(1, 1000, 2000, 1, 41, 41, number, "native"),
        args=words,
        result=result,
        files=slots,
        unfinished=unfinished,
        in_progress=False,
        denied=False,
        trapped=False,
    )
    prototype = prototypes()[name]
    space = dict(memory or {})
    pieces: dict[tuple[int, int], Piece] = {}
    for at_exit in (False, True):
        space |= (after or {}) if at_exit else {}
        for index, capture in enumerate(prototype.spec().captures):
            if capture.when and words[capture.when_arg] & capture.when_mask not in capture.when:
                continue
            filled = result in _INTERRUPTED if capture.interrupted else result >= 0
            found = [] if at_exit else list(_list(raw, index, capture, space))
            if capture.at_exit == at_exit and (not at_exit or filled):
                found += _pieces(raw, index, capture, space, _Limits(limit, memory or {}))
            pieces |= {(index, piece.part): piece for piece in found}
    made = Syscall.__new__(Syscall)
    made.scope = cast("Window", SimpleNamespace(history=SimpleNamespace(session=SimpleNamespace(muted=nullcontext))))
    made.raw_call = raw
    made._made_with = None
    known = {place: each for place, each in enumerate(files, 1) if isinstance(each, File)}
    made.view = View(raw, tuple(pieces.values()), known.get)
    return made


class _Limits(NamedTuple):
    data: int
    """Bytes of data to copy."""
    before: Mapping[int, bytes]
    """The caller's memory as it was when the call was entered: how much room it says there is."""


def _pieces(raw: RawCall, index: int, capture: Capture, space: Mapping[int, bytes], limits: _Limits) -> Iterator[Piece]:
    address = raw.args[capture.arg]
    if not address or (capture.data and not limits.data and capture.kind == "bytes"):
        return
    address += capture.skip
    if capture.kind == "string":
        data = _read(space, address)
        text = None if data is None else data.partition(b"\0")[0]
        yield _piece(index, 0, address, text, _STRING + 1 if text and len(text) > _STRING else None)
    elif capture.kind == "bytes":
        yield from _bytes(raw, index, capture, space, limits, address)
    elif capture.kind == "vector":
        count = raw.args[capture.length_arg]
        yield from _buffers(
            index, 1, _read(space, address, count * 16), space, limits.data * capture.data, raw, capture
        )
    elif capture.kind == "message":
        yield from _message(index, 0, address, raw, capture, space, limits)
    elif capture.kind == "messages":
        count = raw.result if capture.length == "result" else raw.args[capture.length_arg]
        for at in range(count):
            yield from _message(index, at * 128, address + at * 64, raw, capture, space, limits)
    elif capture.kind == "pointers":
        for at in range(raw.args[capture.length_arg]):
            word = _read(space, address + at * 8, 8)
            pointed = None if word is None else struct.unpack("@Q", word)[0]
            yield _piece(
                index, at, pointed or address, None if pointed is None else _read(space, pointed, capture.size)
            )
    else:
        raise NotImplementedError(capture.kind)


def _bytes(
    raw: RawCall, index: int, capture: Capture, space: Mapping[int, bytes], limits: _Limits, address: int
) -> Iterator[Piece]:
    if capture.indirect:
        pointed = _read(space, address, 8)
        address = 0 if pointed is None else struct.unpack("@Q", pointed)[0]
        if not address:
            return
    most = limits.data if capture.data else _STRUCTURE
    length = _length(raw, capture, space)
    if capture.length == "at_pointer":
        most = min(most, _length(raw, capture, limits.before))
    yield _piece(index, 0, address, _read(space, address, min(length, most)), most if length > most else None)


def _buffers(
    index: int, first: int, listed: bytes | None, space: Mapping[int, bytes], limit: int, raw: RawCall, capture: Capture
) -> Iterator[Piece]:
    left = raw.result if capture.at_exit else 1 << 62
    for at, (base, length) in enumerate(struct.iter_unpack("@QQ", listed or b"")):
        used = min(length, left)
        left -= used
        if used and limit:
            yield _piece(index, first + at, base, _read(space, base, min(used, limit)))


def _message(
    index: int,
    base: int,
    address: int,
    raw: RawCall,
    capture: Capture,
    space: Mapping[int, bytes],
    limits: _Limits,
) -> Iterator[Piece]:
    header = _read(space, address, 56)
    yield _piece(index, base, address, header)
    if header is None:
        return
    name, length, vector, count, control, control_length = struct.unpack_from("@QI4xQQQQ", header)
    room = _read(limits.before, address, 56) if capture.at_exit else header
    length = min(length, struct.unpack_from("@I", room or bytes(56), 8)[0])
    listed = _read(space, vector, count * 16) if vector else None
    for part, there, data in (
        *((1, name, length and _read(space, name, length)), (2, vector, listed)),
        (3, control, control_length and _read(space, control, control_length)),
    ):
        if there and data != 0:
            yield _piece(index, base + part, there, data)
    transferred = raw
    if capture.kind == "messages" and capture.at_exit:
        (size,) = struct.unpack("@I", _read(space, address + 56, 4) or bytes(4))
        transferred = raw._replace(result=size)
    yield from _buffers(index, base + 4, listed, space, limits.data * capture.data, transferred, capture)


def _list(raw: RawCall, index: int, capture: Capture, space: Mapping[int, bytes]) -> Iterator[Piece]:
    """Copy what is there from the start: a list of buffers, the head of a message."""
    address, count = raw.args[capture.arg], raw.args[capture.length_arg]
    size = {"vector": count * 16, "message": 56}.get(capture.kind, 0)
    if address and size:
        yield _piece(index, 0, address, _read(space, address, size))


def _length(raw: RawCall, capture: Capture, space: Mapping[int, bytes]) -> int:
    counted = raw.args[capture.length_arg]
    return {
        "fixed": lambda: capture.size,
        "arg": lambda: capture.size * counted,
        "result": lambda: capture.size * max(raw.result, 0),
        "filled": lambda: capture.size * min(max(raw.result, 0), counted),
        "bits": lambda: (counted + 63) // 64 * 8,
        "at_pointer": lambda: int.from_bytes(_read(space, counted, 4) or b"", "little"),
    }[capture.length]()


def _read(space: Mapping[int, bytes], address: int, length: int | None = None) -> bytes | None:
    for start, data in space.items():
        if start <= address < start + max(len(data), 1):
            found = data[address - start :]
            if length is None:
                return found
            return found[:length] if len(found) >= length else None
    return None


def _piece(index: int, part: int, address: int, data: bytes | None, most: int | None = None) -> Piece:
    whole = data or b""
    return Piece(index, part, address, whole[:most], cut=most is not None, unreadable=data is None, at_exit=False)
