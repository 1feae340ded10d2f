"""Probes in a test's own hands, below the fixture: attached by symbol, told by `ProbeHit`."""

from __future__ import annotations

import contextlib
import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from pytest_ebpf.broker import launch
from pytest_ebpf.engine.attached import AttachedProbe, ProbeRequest
from pytest_ebpf.engine.records import Decoder, ProbeFields
from pytest_ebpf.engine.session import Session
from pytest_ebpf.engine.specs import probe_layouts
from pytest_ebpf.probes.spec import Base, Fetch, FetchKind, Place, ProbeHit, Spec

if TYPE_CHECKING:
    from collections.abc import Iterator

# Words of the structure that the kernel hands over: struct pt_regs, struct user_pt_regs.
ARGUMENTS = (14, 13, 12, 11, 9, 8) if probe_layouts().enums["word"]["WORDS"] == 21 else tuple(range(8))


@functools.cache
def _offsets(path: str | Path) -> dict[str, int]:
    with Path(path).open("rb") as file:
        elf = ELFFile(file)
        symbols = elf.get_section_by_name(".symtab")
        assert isinstance(symbols, SymbolTableSection)
        segments = [(each["p_vaddr"], each["p_filesz"], each["p_offset"]) for each in elf.iter_segments("PT_LOAD")]
        return {
            symbol.name: symbol["st_value"] - start + offset
            for symbol in symbols.iter_symbols()
            for start, size, offset in segments
            if start <= symbol["st_value"] < start + size
        }


def offset_of(path: str | Path, symbol: str) -> int:
    """Where a function begins in its file."""
    return _offsets(path)[symbol]


def value(argument: int, *, at_return: bool = False, quiet: bool = False) -> Fetch:
    return Fetch(FetchKind.VALUE, Base.REGISTER, ARGUMENTS[argument], at_return=at_return, quiet=quiet)


def text(argument: int, size: int, *offsets: int) -> Fetch:
    return Fetch(FetchKind.STRING, Base.REGISTER, ARGUMENTS[argument], offsets=offsets or (0,), size=size)


def memory(argument: int, size: int, *offsets: int) -> Fetch:
    return Fetch(FetchKind.BYTES, Base.REGISTER, ARGUMENTS[argument], offsets=offsets or (0,), size=size)


RESULT = Fetch(FetchKind.VALUE, Base.RESULT, at_return=True)


def number(hit: ProbeHit, fetch: int, width: int = 8) -> int:
    """What a value is, as a signed integer of that many bytes."""
    return int.from_bytes(hit.pieces[fetch].data[:width], "little", signed=True)


@dataclass
class Probing:
    session: Session
    decoder: Decoder = field(default_factory=Decoder)

    def attach(self, spec: Spec, path: str | Path, *symbols: str, wanted: bool = True) -> AttachedProbe:
        places = tuple(Place(offset_of(path, symbol)) for symbol in symbols)
        probe = self.session.attach(ProbeRequest(spec=spec, target=path, places=places))
        probe.wanted = wanted
        return probe

    def records(self) -> list[ProbeFields]:
        found = [fields for piece in self.session.pieces() for _, fields in self.decoder.decode(piece)]
        return [fields for fields in found if isinstance(fields, ProbeFields)]

    def hits(self) -> list[ProbeHit]:
        return [fields.hit() for fields in self.records()]


@contextlib.contextmanager
def probing(run_directory: Path, ring: int = 1 << 20, broker: Path | None = None) -> Iterator[Probing]:
    """A session of this process, with a window open, of a run's broker or of an administrator's."""
    client = launch.connect(run_directory, os.getpid(), str(broker) if broker else None, lambda: None)
    opened = client.open(ring)
    session = Session(opened.ring_fd, opened.control_fd, opened.spill_fd, ring, client)
    try:
        session.window = 1
        yield Probing(session)
    finally:
        session.close()
