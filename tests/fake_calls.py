"""System calls without a kernel: what the kernel side would copy is copied from memory that a test makes up."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from pytest_ebpf.engine.calls import Piece, RawCall
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.syscalls.numbers import names
from pytest_ebpf.syscalls.prototype import prototypes
from pytest_ebpf.syscalls.values import File
from pytest_ebpf.syscalls.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_ebpf.syscalls.table import Capture

__all__ = ["call", "file"]

_STRUCTURE, _STRING = 4096, 4095


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
    words = tuple(arg & (1 << 64) - 1 for arg in (*args, *[0] * (6 - len(args))))
    raw = RawCall(
        *(1, 1000, 2000, 1, 41, 41, number, "native"),
        args=words,  # type: ignore[arg-type]
        result=result,
        files=tuple(int(each is not None) * place for place, each in enumerate(files, 1)),  # type: ignore[arg-type]
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
            if capture.kind == "vector" and not at_exit:
                pieces |= {(index, piece.part): piece for piece in _list(raw, index, capture, space)}
            if capture.at_exit == at_exit and (not at_exit or result >= 0):
                pieces |= {(index, piece.part): piece for piece in _pieces(raw, index, capture, space, limit)}
    made = Syscall.__new__(Syscall)
    made.raw_call = raw
    made._made_with = None
    known = {place: each for place, each in enumerate(files, 1) if isinstance(each, File)}
    made.view = View(raw, tuple(pieces.values()), known.get)
    return made


def _pieces(raw: RawCall, index: int, capture: Capture, space: Mapping[int, bytes], limit: int) -> Iterator[Piece]:
    address = raw.args[capture.arg]
    if not address or (capture.data and not limit and capture.kind == "bytes"):
        return
    if capture.kind == "string":
        data = _read(space, address)
        text = None if data is None else data.partition(b"\0")[0]
        yield _piece(index, 0, address, text, _STRING + 1 if text and len(text) > _STRING else None)
    elif capture.kind == "bytes":
        if capture.indirect:
            pointed = _read(space, address, 8)
            address = 0 if pointed is None else struct.unpack("@Q", pointed)[0]
            if not address:
                return
        most = limit if capture.data else _STRUCTURE
        length = _length(raw, capture)
        yield _piece(index, 0, address, _read(space, address, min(length, most)), most if length > most else None)
    elif capture.kind == "vector":
        listed = _read(space, address, raw.args[capture.length_arg] * 16)
        left = raw.result if capture.at_exit else 1 << 62
        for at, (base, length) in enumerate(struct.iter_unpack("@QQ", listed or b"")):
            used = min(length, left)
            left -= used
            if used and limit and capture.data:
                yield _piece(index, 1 + at, base, _read(space, base, min(used, limit)))
    else:
        raise NotImplementedError(capture.kind)


def _list(raw: RawCall, index: int, capture: Capture, space: Mapping[int, bytes]) -> Iterator[Piece]:
    """Copy a list of buffers, which is there from the start."""
    address, count = raw.args[capture.arg], raw.args[capture.length_arg]
    if address and count:
        yield _piece(index, 0, address, _read(space, address, count * 16))


def _length(raw: RawCall, capture: Capture) -> int:
    counted = raw.args[capture.length_arg]
    return {
        "fixed": capture.size,
        "arg": capture.size * counted,
        "result": capture.size * max(raw.result, 0),
        "filled": capture.size * min(max(raw.result, 0), counted),
        "bits": (counted + 63) // 64 * 8,
    }[capture.length]


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
