"""Where a function's arguments and its result are when it is entered and when it returns.

Sources: System V Application Binary Interface, AMD64 Architecture Processor Supplement, 3.2.3 (x86-64);
Procedure Call Standard for the Arm 64-bit Architecture, 6.8.2 and 6.9 (arm64).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_ebpf.probes.machines import AARCH64, Machine
from pytest_ebpf.probes.types import WORD, Array, Field, Float, Opaque, Structure, Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ByReference", "Nowhere", "OnStack", "Placement", "Registers", "places", "result_place"]

NO_FLOATS = "it is in a floating point register, which the kernel does not show to BPF programs"


@dataclass(frozen=True, slots=True)
class Registers:
    """Words of the saved registers, one for each eight bytes of the value."""

    words: tuple[int | None, ...]
    """None: a floating point register, which is not among them."""


@dataclass(frozen=True, slots=True)
class OnStack:
    """In memory, so many bytes above the stack pointer at the function's entry."""

    offset: int


@dataclass(frozen=True, slots=True)
class ByReference:
    """In memory, whose address is passed."""

    address: Registers | OnStack
    from_entry: bool = False
    """Of a result: the address is the one that was passed at the entry."""


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Where no probe can read it."""

    why: str
    """One clause, to follow "because"."""


Placement: TypeAlias = Registers | OnStack | ByReference | Nowhere


def places(types: Sequence[Type], machine: Machine, result: Type | None = None) -> list[Placement]:
    """Return where each argument is when the function is entered.

    Args:
        types: Of the arguments, ``this`` among them, in order. An array stands for its address, as in C.
        machine: Whose calling convention.
        result: What the function returns: a large structure is returned through an address that the caller passes.
    """
    return _Aarch64(machine).places(types) if machine is AARCH64 else _X86(machine).places(types, result)


def result_place(result: Type, machine: Machine) -> Placement:
    """Return where the result is when the function has returned."""
    return _Aarch64(machine).result(result) if machine is AARCH64 else _X86(machine).result(result)


def _rounded(number: int, to: int) -> int:
    return -(-number // to) * to


class _Convention:
    """The registers and the stack, as they are used up."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.integers = 0
        self.floats = 0
        self.stack = 0

    def push(self, size: int, alignment: int) -> OnStack:
        """Take room on the stack."""
        self.stack = _rounded(self.stack, max(alignment, WORD))
        at = OnStack(self.machine.stack + self.stack)
        self.stack += _rounded(max(size, 1), WORD)
        return at

    def take(self, count: int) -> tuple[int, ...]:
        """Take general registers."""
        self.integers += count
        return self.machine.arguments[self.integers - count : self.integers]

    def pointer(self) -> Registers | OnStack:
        """Place an address."""
        if self.integers < len(self.machine.arguments):
            return Registers(self.take(1))
        return self.push(WORD, WORD)


# --- x86-64 ---


class _X86(_Convention):
    def places(self, types: Sequence[Type], result: Type | None) -> list[Placement]:
        if result is not None and _in_memory(result):
            self.integers = 1
        return [self._place(kind) for kind in types]

    def _place(self, kind: Type) -> Placement:
        if isinstance(kind, Array):
            return self.pointer()
        if isinstance(kind, Structure) and kind.by_reference:
            return ByReference(self.pointer())
        classes = _eightbytes(kind)
        if classes is None or "x87" in classes:
            return self.push(kind.size, kind.alignment)
        integers, floats = classes.count("integer"), classes.count("sse")
        if self.integers + integers > len(self.machine.arguments) or self.floats + floats > self.machine.floats:
            return self.push(kind.size, kind.alignment)
        self.floats += floats
        words = iter(self.take(integers))
        return _registers(tuple(next(words) if each == "integer" else None for each in classes))

    def result(self, kind: Type) -> Placement:
        if _in_memory(kind):
            return ByReference(Registers(self.machine.results[:1]))
        classes = _eightbytes(kind) or []
        words = iter(self.machine.results)
        return _registers(tuple(next(words) if each == "integer" else None for each in classes))


def _registers(words: tuple[int | None, ...]) -> Registers | Nowhere:
    if words and not any(word is not None for word in words):
        return Nowhere(NO_FLOATS)
    return Registers(words)


def _in_memory(kind: Type) -> bool:
    """Whether x86-64 returns such a value through an address that the caller passes."""
    return isinstance(kind, Structure) and (kind.by_reference or _eightbytes(kind) is None)


_PAIR = 2 * WORD
_VECTOR_CLASSES = {"x87": "x87up", "sse": "sseup"}


def _eightbytes(kind: Type) -> list[str] | None:
    """Return the class of each eight bytes of a value; None: it is passed in memory."""
    if kind.size > _PAIR:
        return None
    classes = [""] * -(-kind.size // WORD)
    for field in _scalars(Field("", kind, 0)):
        if field.bit_size is None and field.offset % field.type.alignment:
            return None  # a packed structure
        for at, sort in _classes(field):
            classes[at] = _merged(classes[at], sort)
    if "memory" in classes or ("x87up" in classes and classes[0] != "x87"):
        return None
    if "sseup" in classes and classes[0] != "sse":
        classes[classes.index("sseup")] = "sse"
    # What has no class is padding, and an empty class of C++ is nothing else.
    return classes if any(classes) else []


def _scalars(field: Field) -> Iterator[Field]:
    kind = field.type
    if isinstance(kind, Structure):
        for each in kind.fields:
            yield from _scalars(Field("", each.type, field.offset + each.offset, each.bit_offset, each.bit_size))
    elif isinstance(kind, Array):
        for index in range(kind.count or 0):
            yield from _scalars(Field("", kind.item, field.offset + index * kind.item.size))
    else:
        yield field


def _classes(field: Field) -> Iterator[tuple[int, str]]:
    """Return which eight bytes a scalar takes, and of which class each is."""
    kind, first = field.type, field.offset // WORD
    if field.bit_size is not None:
        start = field.offset * 8 + field.bit_offset
        yield from ((at, "integer") for at in range(start // 64, (start + field.bit_size - 1) // 64 + 1))
        return
    sort = "x87" if isinstance(kind, Float) and kind.x87 else "sse" if isinstance(kind, Float | Opaque) else "integer"
    yield first, sort
    if kind.size > WORD:
        yield first + 1, _VECTOR_CLASSES.get(sort, sort)


def _merged(one: str, other: str) -> str:
    """Merge the classes of what shares eight bytes (rules a to f)."""
    if not one or one == other:
        return other
    if "memory" in {one, other}:
        return "memory"
    if "integer" in {one, other}:
        return "integer"
    return "memory" if "x87" in one + other else "sse"


# --- arm64 ---

_INDIRECT = 8  # x8: where the caller wants a structure to be returned
_MOST_ALIKE = 4  # members of a homogeneous floating point aggregate


class _Aarch64(_Convention):
    def places(self, types: Sequence[Type]) -> list[Placement]:
        return [self._place(kind) for kind in types]

    def _place(self, kind: Type) -> Placement:  # noqa: PLR0911 - a table
        if isinstance(kind, Array):
            return self.pointer()
        alike = _floats_alike(kind)
        if alike:
            if self.floats + alike <= self.machine.floats:
                self.floats += alike
                return Nowhere(NO_FLOATS)
            self.floats = self.machine.floats
            return self.push(kind.size, kind.alignment)
        if isinstance(kind, Structure) and (kind.by_reference or kind.size > _PAIR):
            return ByReference(self.pointer())
        if not kind.size:
            return Registers(())
        count = -(-kind.size // WORD)
        if kind.alignment == _PAIR:
            self.integers = _rounded(self.integers, 2)
        if self.integers + count <= len(self.machine.arguments):
            return Registers(self.take(count))
        self.integers = len(self.machine.arguments)
        return self.push(kind.size, kind.alignment)

    def result(self, kind: Type) -> Placement:
        if _floats_alike(kind):
            return Nowhere(NO_FLOATS)
        if isinstance(kind, Structure) and (kind.by_reference or kind.size > _PAIR):
            return ByReference(Registers((_INDIRECT,)), from_entry=True)
        return Registers(self.machine.results[: -(-kind.size // WORD)])


def _floats_alike(kind: Type) -> int:
    """Return how many floating point registers a value takes; 0: it takes none."""
    scalars = list(_scalars(Field("", kind, 0)))
    if not scalars or not all(isinstance(each.type, Float | Opaque) for each in scalars):
        return 0
    if len({each.type.size for each in scalars}) > 1:
        return 0
    # Members of a union share theirs.
    count = len({each.offset for each in scalars})
    return count if count <= _MOST_ALIKE else 0
