"""How the values of a hit are put together from what its fetches read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.probes.decode import Blob, array, decoded, field_value
from pytest_ebpf.probes.spec import Piece, ProbeHit
from pytest_ebpf.probes.types import LARGEST
from pytest_ebpf.probes.values import Structured, Unreadable
from pytest_ebpf.syscalls.values import Missing, Pointer

if TYPE_CHECKING:
    from pytest_ebpf.probes.types import Array, Bytes, Field, Type

__all__ = [
    "Area",
    "Buffer",
    "Constant",
    "Copied",
    "Each",
    "Followed",
    "Memory",
    "Part",
    "Reader",
    "String",
    "Struct",
    "Words",
]

_NO_ROOM = Gap("the record had no room for it", "ask for fewer or shorter values")
_NOT_TOLD = Gap("the kernel program did not tell it")


class Reader(Protocol):
    """Reads one value of a hit."""

    def read(self, hit: ProbeHit) -> Any:
        """Return the value, a `Gap` or a `Cut`."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What one fetch reads."""

    fetch: int
    steps: int
    """Dereferences before it."""
    name: str
    """What it is called in messages."""
    labels: tuple[str, ...] = ()
    """What each dereference reads."""
    hint: str = ""
    """What else may have been meant, where nothing can be read."""

    def piece(self, hit: ProbeHit) -> Piece | Gap | None:
        """Return what was read, or why nothing was; None: there is a NULL pointer to it."""
        piece = hit.pieces.get(self.fetch)
        if piece is None:
            return _NO_ROOM if hit.cut else _NOT_TOLD
        if not piece.unreadable:
            return piece
        if piece.step == self.steps and not piece.address:
            return None
        label = self.labels[piece.step] if piece.step < len(self.labels) else self.name
        way = f" (dereference {piece.step}: {label})" if self.steps else ""
        why = f"{self.name}: nothing can be read at {piece.address:#x}{way}{self.hint}"
        return Unreadable(why, address=piece.address, step=piece.step)

    def unreadable(self) -> Unreadable:
        """Say that there is a NULL pointer."""
        return Unreadable(f"{self.name}: nothing can be read at 0x0{self.hint}", step=self.steps)


class Area(Protocol):
    """The bytes of one object."""

    def blob(self, hit: ProbeHit) -> Blob | Gap | None:
        """Return the bytes; None: there is a NULL pointer instead."""


@dataclass(frozen=True, slots=True)
class Copied:
    """An object that one fetch copies."""

    memory: Memory
    copied: int
    """Bytes of it, from its start."""

    def blob(self, hit: ProbeHit) -> Blob | Gap | None:
        """Return the bytes."""
        piece = self.memory.piece(hit)
        if not isinstance(piece, Piece):
            return piece
        if piece.cut:
            return Blob(piece.data, _NO_ROOM)
        beyond = Gap(f"it lies beyond the first {self.copied} bytes", "ask for it in the text form")
        return Blob(piece.data, beyond)


@dataclass(frozen=True, slots=True)
class Words:
    """An object in registers, each the value of a fetch."""

    fetches: tuple[int | Gap, ...]
    """For each eight bytes; or why they are not known."""
    size: int

    def blob(self, hit: ProbeHit) -> Blob | Gap | None:
        """Return the bytes."""
        data, holes = b"", []
        for at, fetch in enumerate(self.fetches):
            piece = fetch if isinstance(fetch, Gap) else Memory(fetch, 0, "").piece(hit)
            if isinstance(piece, Piece):
                data += piece.data.ljust(8, b"\0")
            else:
                data += bytes(8)
                holes.append((at * 8, at * 8 + 8, piece or _NOT_TOLD))
        return Blob(data[: self.size], _NOT_TOLD, tuple(holes))


@dataclass(frozen=True, slots=True)
class Part:
    """A value within an object that is read as a whole."""

    kind: Type
    area: Area
    offset: int = 0
    bits: Field | None = None
    """The bit-field that it is."""

    def read(self, hit: ProbeHit) -> Any:
        """Decode it."""
        blob = self.area.blob(hit)
        if blob is None:
            return self.area.memory.unreadable() if isinstance(self.area, Copied) else None
        if isinstance(blob, Gap):
            return blob
        return decoded(self.kind, blob, self.offset) if self.bits is None else field_value(self.bits, blob, self.offset)


@dataclass(frozen=True, slots=True)
class Struct:
    """A structure, some of whose fields are read for themselves."""

    fields: dict[str, Reader]

    def read(self, hit: ProbeHit) -> Any:
        """Decode each field."""
        return Structured({name: reader.read(hit) for name, reader in self.fields.items()})


@dataclass(frozen=True, slots=True)
class Each:
    """An array whose items are read for themselves."""

    kind: Array
    items: tuple[Reader, ...]

    def read(self, hit: ProbeHit) -> Any:
        """Decode each item."""
        return array(self.kind, (item.read(hit) for item in self.items))


@dataclass(slots=True)
class Followed:
    """A pointer, and what it leads to."""

    number: Reader
    """The pointer itself."""
    memory: Memory | None = None
    """What is copied from there."""
    target: Reader | None = None
    """What reads it; None: nothing does."""
    why: Gap | None = None
    """Why it is not followed, although it is known what it points to."""

    def read(self, hit: ProbeHit) -> Any:
        """Return what it points to; None for NULL; where that is not read, the pointer."""
        if self.target is not None:
            piece = None if self.memory is None else self.memory.piece(hit)
            return self.target.read(hit) if self.memory is None or isinstance(piece, Piece) else piece
        number = self.number.read(hit)
        if self.why is not None and isinstance(number, Pointer):
            return Missing(self.why.why, self.why.remedy, address=int(number))
        return number


@dataclass(frozen=True, slots=True)
class String:
    """Bytes up to a NUL."""

    memory: Memory

    def read(self, hit: ProbeHit) -> Any:
        """Return the bytes, a `Cut` if there are more than were asked for."""
        piece = self.memory.piece(hit)
        if not isinstance(piece, Piece):
            return piece
        if piece.cut:
            more = f"String({LARGEST}) or str[{LARGEST}]"
            return Cut(piece.data, Gap(f"it goes on after {len(piece.data)} bytes", more))
        return piece.data


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes, of which a number tells how many there are."""

    kind: Bytes
    memory: Memory
    length: Reader | None = field(default=None)
    """None: always as many."""

    def read(self, hit: ProbeHit) -> Any:
        """Return the bytes, a `Cut` if there are more than were asked for."""
        length = self.kind.length if self.length is None else self.length.read(hit)
        if isinstance(length, Gap):
            return length
        if isinstance(length, int) and length <= 0:
            return b""
        piece = self.memory.piece(hit)
        if not isinstance(piece, Piece):
            return piece
        whole = length * self.kind.item if isinstance(length, int) else None
        if piece.cut or (whole is not None and len(piece.data) < whole):
            return Cut(piece.data, Gap(f"it goes on after {len(piece.data)} bytes", "a higher limit"), total=whole)
        return piece.data if whole is None else piece.data[:whole]


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is the same for each hit."""

    value: Any

    def read(self, hit: ProbeHit) -> Any:  # noqa: ARG002 - as all readers have it
        """Return it."""
        return self.value
