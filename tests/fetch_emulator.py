"""What the kernel programs do with a probe's spec, in Python, over memory and registers that a test makes up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_ebpf.probes.spec import NO_REGISTER, Base, Fetch, FetchKind, Filter, Op, Piece, ProbeHit, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Task", "fire"]

MASK = (1 << 64) - 1


@dataclass
class Task:
    """A thread at a probe."""

    registers: dict[int, int] = field(default_factory=dict)
    sp: int = 0x7FFE_0000_0000
    memory: dict[int, bytes] = field(default_factory=dict)
    results: dict[int, int] = field(default_factory=dict)
    context: int = 0
    _next: int = 0x5555_0000_0000

    def put(self, data: bytes) -> int:
        """Map bytes somewhere, with nothing after them, and return where."""
        at = self._next
        self._next += (len(data) + 0x1FFF) // 0x1000 * 0x1000
        self.memory[at] = data
        return at

    def read(self, address: int, size: int) -> bytes | None:
        for start, data in self.memory.items():
            if start <= address and address + size <= start + len(data):
                return data[address - start : address - start + size]
        return None

    def read_string(self, address: int, limit: int) -> tuple[bytes, bool] | None:
        """Return the bytes before a NUL, and whether there are more than `limit`."""
        for start, data in self.memory.items():
            if start <= address < start + len(data):
                rest = data[address - start :]
                if 0 not in rest[: limit + 1] and len(rest) <= limit:
                    return None
                text = rest.split(b"\0")[0]
                return text[:limit], len(text) > limit
        return None


class Unread(Exception):  # noqa: N818 - not an error of the test
    def __init__(self, address: int, step: int) -> None:
        super().__init__()
        self.address, self.step = address & MASK, step


def fire(spec: Spec, task: Task, *, is_return: bool = False, cut_after: int | None = None) -> ProbeHit | None:
    """Return the record of a hit; None: a filter says no.

    Args:
        spec: What to do.
        task: Where it is hit.
        is_return: Whether the function returns; `Task.registers` are still those of its entry.
        cut_after: Pieces for which the record has room.
    """
    pieces: dict[int, Piece] = {}
    for index, fetch in enumerate(spec.fetches):
        if fetch.at_return is is_return:
            try:
                pieces[index] = _fetched(fetch, task, pieces)
            except Unread as error:
                pieces[index] = Piece(b"", error.address, unreadable=True, step=error.step)
    if not is_return and not all(_passes(each, pieces[each.fetch]) for each in spec.filters):
        return None
    told = {index: piece for index, piece in pieces.items() if not spec.fetches[index].quiet}
    room = dict(list(told.items())[:cut_after])
    return ProbeHit(
        spec=1,
        place=0,
        host_tid=1,
        time_ns=0,
        entered_ns=0,
        ip=0,
        sp=task.sp,
        is_return=is_return,
        no_frame=False,
        cut=room != told,
        pieces=room,
    )


def _base(fetch: Fetch, task: Task) -> int:
    value = {
        Base.REGISTER: lambda: task.registers[fetch.register],
        Base.STACK: lambda: task.sp,
        Base.CONSTANT: lambda: fetch.constant,
        Base.RESULT: lambda: task.results[fetch.register],
        Base.CONTEXT: lambda: task.context,
    }[fetch.base]()
    if fetch.index != NO_REGISTER:
        value += task.registers[fetch.index] * fetch.scale
    return value


def _fetched(fetch: Fetch, task: Task, pieces: Mapping[int, Piece]) -> Piece:
    steps = len(fetch.offsets) - 1
    address = (_base(fetch, task) + fetch.offsets[0]) & MASK
    for step, offset in enumerate(fetch.offsets[1:]):
        there = task.read(address, fetch.word)
        if there is None:
            raise Unread(address, step)
        address = (int.from_bytes(there, "little") + offset) & MASK
    if fetch.kind is FetchKind.VALUE:
        return Piece(address.to_bytes(8, "little"), 0)
    if fetch.kind is FetchKind.STRING:
        found = task.read_string(address, fetch.size)
        if found is None:
            raise Unread(address, steps)
        return Piece(found[0], address, cut=found[1])
    size, cut = fetch.size, False
    if fetch.kind is FetchKind.BUFFER:
        assert fetch.length_fetch is not None
        length = pieces[fetch.length_fetch]
        if length.unreadable:
            raise Unread(length.address, length.step)
        whole = int.from_bytes(length.data[: fetch.length_width], "little") * fetch.size
        size, cut = min(whole, fetch.limit), whole > fetch.limit
    data = task.read(address, size) if size else b""
    if data is None:
        raise Unread(address, steps)
    return Piece(data, address, cut=cut)


def _passes(each: Filter, piece: Piece) -> bool:
    if piece.unreadable:
        return True
    value = int.from_bytes(piece.data[: each.width], "little", signed=each.signed)
    return {
        Op.EQUAL: value == each.value,
        Op.NOT_EQUAL: value != each.value,
        Op.LESS: value < each.value,
        Op.LESS_EQUAL: value <= each.value,
        Op.GREATER: value > each.value,
        Op.GREATER_EQUAL: value >= each.value,
        Op.BITS: bool(value & each.value),
    }[each.op]
