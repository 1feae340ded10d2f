"""A probe as the kernel programs interpret it, and what they tell. The contract is ``bpf/probes.h``."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "MAX_FETCHES",
    "MAX_FILTERS",
    "MAX_FUNCTIONS",
    "MAX_KEPT",
    "MAX_PROBES",
    "MAX_STEPS",
    "NO_REGISTER",
    "Base",
    "Fetch",
    "FetchKind",
    "Filter",
    "Op",
    "Piece",
    "Place",
    "ProbeHit",
    "Spec",
]

MAX_PROBES = 512
"""Specs that a broker can hold at a time."""
MAX_FETCHES = 24
MAX_FILTERS = 4
MAX_STEPS = 5
"""Dereferences before a value."""
MAX_FUNCTIONS = 10_000
"""Of the kernel, of one probe: each of their calls, by whatever process, is slowed down."""
MAX_KEPT = 4
"""Values of registers that are kept from an entry for its return."""
NO_REGISTER = 255


class Base(enum.IntEnum):
    """Where a fetch starts."""

    REGISTER = 0
    """A word of ``struct pt_regs`` (x86-64) or ``struct user_pt_regs`` (arm64)."""
    STACK = 1
    """The address in the stack pointer."""
    CONSTANT = 2
    RESULT = 3
    """A register of the returned value, as it is at the return: `Fetch.register` says which (rax or rdx, x0 or x1)."""
    CONTEXT = 4
    """The record of a tracepoint."""


class FetchKind(enum.IntEnum):
    """What is read in the end."""

    VALUE = 0
    """The eight bytes of base and offset themselves; with steps, what they lead to."""
    BYTES = 1
    """``size`` bytes from there; up to eight of them are a value, for a filter or a length."""
    STRING = 2
    """The bytes from there up to a NUL, ``size`` at most."""
    BUFFER = 3
    """The value of `Fetch.length_fetch` times ``size`` bytes from there, `Fetch.limit` at most."""


class Op(enum.IntEnum):
    """How a filter compares."""

    EQUAL = 0
    NOT_EQUAL = 1
    LESS = 2
    LESS_EQUAL = 3
    GREATER = 4
    GREATER_EQUAL = 5
    BITS = 6
    """At least one of these bits is set."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One value to read: base + offsets[0], then for each further offset the pointer there + that offset."""

    kind: FetchKind
    base: Base
    register: int = NO_REGISTER
    index: int = NO_REGISTER
    """Register that is added, times `scale` (USDT's ``8@16(%rax,%rbx,4)``)."""
    scale: int = 1
    constant: int = 0
    offsets: tuple[int, ...] = (0,)
    """One more than there are dereferences."""
    size: int = 8
    """Bytes."""
    limit: int = 0
    """Bytes; of buffers."""
    length_fetch: int | None = None
    """Which earlier fetch tells how many items a buffer has."""
    length_width: int = 8
    """Bytes of that value that count."""
    at_return: bool = False
    """Read at the return; a register is kept from the entry."""
    kernel: bool = False
    """In the kernel's memory."""
    quiet: bool = False
    """For a filter or a length alone: it is not told."""
    word: int = 8
    """Bytes of a pointer: 4 in 32-bit programs."""
    in_record: bool = False
    """The pointer of the only step is a ``__data_loc``: where it lies in the tracepoint's record (of a ``__rel_loc``:
    counted from the field's end, which the second offset adds)."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A comparison that must hold, or the hit does not count. What cannot be read passes."""

    fetch: int
    op: Op
    value: int
    width: int = 8
    """Bytes of the fetched value that count."""
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Spec:
    """What to do at each hit."""

    fetches: tuple[Fetch, ...] = ()
    filters: tuple[Filter, ...] = ()
    returns: bool = False
    """Whether the return is told too."""
    every: int = 1
    """One hit in so many is told."""
    cap: int = 0
    """Hits told in a window; 0: all."""
    stack: int = 0
    """Frames of the user's stack to tell, and as many of the kernel's if it is there; 0: none."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a probe is attached."""

    offset: int
    """Bytes from the start of the file."""
    semaphore: int = 0
    """Offset in the file of a USDT semaphore; 0: none."""


class Piece(NamedTuple):
    """What one fetch read."""

    data: bytes
    address: int
    """Where it was read, in the task; of a value 0."""
    cut: bool = False
    unreadable: bool = False
    step: int = 0
    """Which dereference failed, from 0; as many as there are: the last read."""


class ProbeHit(NamedTuple):
    """One record: a call, or its return."""

    spec: int
    place: int
    host_tid: int
    time_ns: int
    entered_ns: int
    ip: int
    sp: int
    is_return: bool
    no_frame: bool
    """The kernel will not tell its return: too many are open."""
    cut: bool
    """Pieces are missing for want of room."""
    pieces: dict[int, Piece]
    """By the index of the fetch."""
    stack: tuple[int, ...] = ()
    """Return addresses, innermost first."""
    kernel_stack: tuple[int, ...] = ()
    """Those in the kernel, if the probe is there."""
