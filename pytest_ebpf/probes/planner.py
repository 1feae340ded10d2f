"""The work of `plan`: a table of fetches, and what reads values from what they fetch."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_ebpf._values import Gap
from pytest_ebpf.errors import UsageError
from pytest_ebpf.hints import did_you_mean, listed
from pytest_ebpf.probes.arguments import NO_FLOATS, ByReference, Nowhere, OnStack, Registers
from pytest_ebpf.probes.asked import Argument, Asked, Cell, is_late, length_of
from pytest_ebpf.probes.chains import Chain, chain_of
from pytest_ebpf.probes.readers import (
    Area,
    Buffer,
    Constant,
    Copied,
    Each,
    Followed,
    Memory,
    Part,
    Reader,
    String,
    Struct,
    Words,
)
from pytest_ebpf.probes.spec import MAX_FETCHES, MAX_KEPT, MAX_STEPS, Base, Fetch, FetchKind
from pytest_ebpf.probes.text_types import Text, is_text, parse_text
from pytest_ebpf.probes.types import (
    WORD,
    Array,
    Boolean,
    Bytes,
    Character,
    Chars,
    Integer,
    Opaque,
    PointerTo,
    Slice,
    Structure,
    Type,
    points_further,
    spelled,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.probes.machines import Machine

__all__ = ["Argument", "Asked", "Planner", "is_late"]

STRUCTURE_MOST = 4096
"""Bytes that are copied of a structure at most."""
MOST_BYTES = 16384
"""Bytes that are copied from what is pointed to, further than the arguments themselves point."""
ITEMS_MOST = 64
"""Items of an array that are read each for itself."""
_LENGTH = Integer(WORD, signed=False)


@dataclass(slots=True)
class _Task:
    """A pointer that may be followed."""

    followed: Followed
    kind: Type
    """Of what it leads to."""
    cell: Cell
    """Of what it leads to."""
    depth: int
    seen: tuple[Structure, ...]
    length: tuple[Type, Cell] | None = None
    """What and where the number of its items is, if the type does not tell."""


def _target(kind: Type | None) -> Type | None:
    """Return what can be read of the type that a pointer leads to; None: nothing."""
    if isinstance(kind, Array) and kind.count is None:
        return Chars() if kind.item == Character() else None
    if kind is None or isinstance(kind, Opaque) or (not kind.size and not isinstance(kind, Chars | Bytes)):
        return None
    return kind


class Planner:
    """The fetches of one probe, as they are asked for.

    Raises:
        UsageError: There are more than a probe can have.
    """

    def __init__(
        self, asked: Mapping[str, Asked], result: Asked | None, on: Machine, *, kernel: bool, depth: int
    ) -> None:
        self.fetches: list[Fetch] = []
        self.cells: dict[str, tuple[Type, Cell]] = {}
        """Of each value that is asked for: what and where it is."""
        self._machine = on
        self._kernel = kernel
        self._depth = depth
        self._left = MOST_BYTES
        self._tasks: deque[_Task] = deque()
        found = {}
        # Buffers last: their lengths are other arguments.
        for name, each in sorted(asked.items(), key=lambda item: length_of(item[1]) is not None):
            found[name] = self._root(name, each, Base.REGISTER)
        self.readers: dict[str, Reader] = {name: found[name] for name in asked}
        self.result: Reader | None = None
        if result is not None:
            self.result = self._root("the result", replace(result, at_return=True), Base.RESULT)

    def follow(self) -> None:
        """Follow the pointers within what is read, as far as there is room."""
        while self._tasks:
            task = self._tasks.popleft()
            task.followed.why = self._reason_not_to(task)
            if task.followed.why is None:
                self._left -= min(_copied(task.kind), STRUCTURE_MOST)
                self._grant(task)

    def add(self, fetch: Fetch) -> int:
        """Return the number of a fetch, a new one if there is none like it.

        Raises:
            UsageError: There are too many.
        """
        if fetch in self.fetches:
            return self.fetches.index(fetch)
        self.fetches.append(fetch)
        if len(self.fetches) > MAX_FETCHES:
            raise UsageError(f"a probe reads {MAX_FETCHES} values at most, and more are asked for: name fewer")
        kept = {each.register for each in self.fetches if each.at_return and each.base is Base.REGISTER}
        if len(kept) > MAX_KEPT:
            raise UsageError(
                f"at the return, {MAX_KEPT} registers of the entry are known at most, and {len(kept)} are asked for"
            )
        return len(self.fetches) - 1

    def locate(self, path: list[str]) -> tuple[Type, Cell]:
        """Return what and where a value is: that of an argument, or of a field behind it.

        Raises:
            UsageError: There is none; with the nearest name.
        """
        name, *fields = path
        self._check(name, self.cells, "a value that is asked for")
        kind, cell = self.cells[name]
        for at, field_name in enumerate(fields):
            cell, target = self._entered(kind, cell)
            so_far = ".".join(path[: at + 1])
            if not isinstance(target, Structure):
                raise UsageError(f"{so_far} is {spelled(kind)}, which has no field {field_name!r}")
            fields_here = {field.name: field for field in target.fields}
            self._check(field_name, fields_here, f"a field of {so_far}, {target.name}")
            field = fields_here[field_name]
            if field.bit_size is not None:
                raise UsageError(f"{so_far}.{field_name} is a bit-field: the kernel compares whole bytes")
            kind, cell = field.type, cell.part(f"{so_far}.{field_name}", field.offset)
        return kind, cell

    @staticmethod
    def _entered(kind: Type, cell: Cell) -> tuple[Cell, Type | None]:
        """Follow a pointer, if it is one."""
        if not isinstance(kind, PointerTo):
            return cell, kind
        chain = cell.pointee()
        return (cell, None) if chain is None else (Cell(cell.name, chain), kind.target())

    @staticmethod
    def _check(name: str, known: Mapping[str, object], what: str) -> None:
        if name in known:
            return
        hint = did_you_mean(name, known, cutoff=0.6) or f"; these are: {listed(name, known) or 'none'}"
        raise UsageError(f"{name!r} is not {what}{hint}")

    # --- the values that are asked for ---

    def _root(self, name: str, asked: Asked, base: Base) -> Reader:
        if isinstance(asked, Text):
            return self._text(name, asked)
        kind, placement = asked.type, asked.placement
        if isinstance(placement, Nowhere):
            return Constant(Gap(f"{name} cannot be read: {placement.why}"))
        if isinstance(placement, ByReference):
            start = Base.REGISTER if placement.from_entry else base
            address = self._cell(f"&{name}", placement.address, start, late=is_late(asked))
            cell = replace(address, name=name, address=address.pointee(), words=(), offset=0)
        else:
            cell = self._cell(name, placement, base, late=is_late(asked))
            if isinstance(kind, Array):  # C passes its address
                array = kind
                kind = PointerTo(lambda: array)
        self.cells[name] = (kind, cell)
        return self._object(kind, cell)

    def _cell(self, name: str, placement: Registers | OnStack, base: Base, *, late: bool) -> Cell:
        if isinstance(placement, OnStack):
            return Cell(name, Chain(Base.STACK, offsets=(placement.offset,), late=late, kernel=self._kernel))
        words = (
            None if word is None else Chain(base, word, late=late, kernel=self._kernel) for word in placement.words
        )
        return Cell(name, words=tuple(words))

    def _text(self, name: str, text: Text) -> Reader:
        chain = chain_of(text, self._machine, kernel=self._kernel)
        cell = Cell(text.text, chain, hint=_hint(text)) if text.in_memory else Cell(text.text, words=(chain,))
        self.cells[name] = (text.type, cell)
        if isinstance(text.type, Bytes) and isinstance(text.length, Text):
            length = replace(text.length, at_return=text.at_return)
            where = chain_of(length, self._machine, kernel=self._kernel)
            at = Cell(length.text, where) if length.in_memory else Cell(length.text, words=(where,))
            followed = Followed(Constant(None))
            self._grant(_Task(followed, text.type, cell, 1, (), (length.type, at)))
            return followed
        return self._object(text.type, cell)

    def _object(self, kind: Type, cell: Cell) -> Reader:
        """Plan a value that is asked for itself. Of a pointer, only what it leads to is read."""
        target = _target(kind.target()) if isinstance(kind, PointerTo) else None
        chain = cell.pointee()
        if target is not None and chain is not None and chain.steps <= MAX_STEPS:
            followed = Followed(Constant(None))
            self._grant(_Task(followed, target, Cell(f"*{cell.name}", chain, inner="->"), 1, ()))
            return followed
        if isinstance(kind, Chars | Bytes):
            followed = Followed(Constant(None))
            self._grant(_Task(followed, kind, cell, 1, ()))
            return followed
        return self._value(kind, self._area(kind, cell), cell, 0, ())

    # --- what they consist of ---

    def _area(self, kind: Type, cell: Cell) -> Area:
        """Read a whole object."""
        if cell.address is not None:
            return self._copy(kind, cell)
        words = (Gap(NO_FLOATS) if word is None else self.add(word.fetch(FetchKind.VALUE)) for word in cell.words)
        return Words(tuple(words), kind.size)

    def _copy(self, kind: Type, cell: Cell) -> Copied:
        size = min(kind.size, STRUCTURE_MOST)
        return Copied(self._memory(cell, cell.there().fetch(FetchKind.BYTES, size)), size)

    def _memory(self, cell: Cell, fetch: Fetch) -> Memory:
        return Memory(self.add(fetch), cell.there().steps, cell.name, cell.there().labels, cell.hint)

    def _value(self, kind: Type, area: Area, cell: Cell, depth: int, seen: tuple[Structure, ...]) -> Reader:
        """Plan a value within an object that is read."""
        if not points_further(kind):
            return Part(kind, area, cell.offset)
        if isinstance(kind, Structure):
            return self._structure(kind, area, cell, depth, (*seen, kind))
        if isinstance(kind, Array) and kind.count is not None:
            size = kind.item.size
            items = (cell.part(f"{cell.name}[{at}]", at * size) for at in range(min(kind.count, ITEMS_MOST)))
            return Each(kind, tuple(self._value(kind.item, area, item, depth, seen) for item in items))
        if isinstance(kind, PointerTo | Slice):
            return self._pointer(kind, area, cell, depth, seen)
        return Constant(Gap(f"{cell.name} has no size of its own"))

    def _structure(self, kind: Structure, area: Area, cell: Cell, depth: int, seen: tuple[Structure, ...]) -> Reader:
        name = cell.name.removeprefix("*")
        readers: dict[str, Reader] = {}
        for field in kind.fields:
            if field.bit_size is not None:
                readers[field.name] = Part(field.type, area, cell.offset, field)
            else:
                part = cell.part(f"{name}{cell.inner}{field.name}", field.offset)
                readers[field.name] = self._value(field.type, area, part, depth, seen)
        return Struct(readers)

    def _pointer(
        self, kind: PointerTo | Slice, area: Area, cell: Cell, depth: int, seen: tuple[Structure, ...]
    ) -> Reader:
        followed = Followed(Part(PointerTo(lambda: None), area, cell.offset))
        target = Bytes("", kind.item, kind.limit) if isinstance(kind, Slice) else _target(kind.target())
        chain = cell.pointee()
        if target is not None and chain is not None:
            length = (_LENGTH, cell.part(f"{cell.name}.length", WORD)) if isinstance(kind, Slice) else None
            there = Cell(f"*{cell.name}", chain, inner="->")
            self._tasks.append(_Task(followed, target, there, depth + 1, seen, length))
        return followed

    # --- what they point to ---

    def _reason_not_to(self, task: _Task) -> Gap | None:
        chain, name = task.cell.there(), task.cell.name
        own = "ask for it in the text form, as in 'u64@arg0+8->16'"
        if task.depth > self._depth or chain.steps > MAX_STEPS:
            return Gap(f"{name} is not read: {self._depth} pointers are followed, one after the other", own)
        if task.kind in task.seen:
            return Gap(f"{name} is not read: {spelled(task.kind)} leads to itself", own)
        room = MAX_FETCHES - len(self.fetches) >= (2 if isinstance(task.kind, Bytes) else 1)
        if not room or _copied(task.kind) > self._left:
            most = f"{MAX_FETCHES} values and {MOST_BYTES} bytes"
            return Gap(f"{name} is not read: a probe reads {most} at most, what is nearer first", own)
        return None

    def _grant(self, task: _Task) -> None:
        """Read what a pointer leads to."""
        kind, cell, followed = task.kind, task.cell, task.followed
        if isinstance(kind, Chars):
            followed.target = String(self._memory(cell, cell.there().fetch(FetchKind.STRING, kind.limit)))
        elif isinstance(kind, Bytes):
            followed.target = self._buffer(kind, cell, task.length)
        else:
            area = self._copy(kind, cell)
            followed.memory = area.memory
            followed.target = self._value(kind, area, cell, task.depth, task.seen)

    def _buffer(self, kind: Bytes, cell: Cell, length: tuple[Type, Cell] | None) -> Reader:
        if isinstance(kind.length, int):
            memory = self._memory(cell, cell.there().fetch(FetchKind.BYTES, min(kind.size, kind.limit)))
            return Buffer(kind, memory)
        number, at = length or self._length(kind.length, cell)
        fetch = at.value(number.size)
        if fetch is None:
            raise UsageError(f"{at.name}, the length of {cell.name}, cannot be read")
        index = self.add(replace(fetch, at_return=cell.there().late))
        memory = self._memory(
            cell,
            cell.there().fetch(
                FetchKind.BUFFER, kind.item, limit=kind.limit, length_fetch=index, length_width=number.size
            ),
        )
        return Buffer(kind, memory, Part(number, Words((index,), number.size)))

    def _length(self, given: str, buffer: Cell) -> tuple[Type, Cell]:
        if is_text(given):
            text = parse_text(given)
            chain = chain_of(text, self._machine, kernel=self._kernel)
            kind, cell = text.type, Cell(given, chain) if text.in_memory else Cell(given, words=(chain,))
        else:
            kind, cell = self.locate(given.split("."))
        if not isinstance(kind, Integer):
            raise UsageError(f"{given}, the length of {buffer.name}, is no number: {spelled(kind)}")
        return kind, cell


def _hint(text: Text) -> str:
    """Say how a number is written that is no address."""
    base = text.text.rpartition("@")[2]
    plain = text.anchor.kind in {"argument", "result"} and text.offsets == (0,)
    if not plain or not isinstance(text.type, Integer | Boolean):
        return ""
    return f"; the value of {base} itself is {spelled(text.type)}({base})"


def _copied(kind: Type) -> int:
    """Return how many bytes are copied of what a pointer leads to."""
    return kind.limit if isinstance(kind, Chars | Bytes) else min(kind.size, STRUCTURE_MOST)
