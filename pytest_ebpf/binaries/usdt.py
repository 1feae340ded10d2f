"""USDT probes: what ``<sys/sdt.h>`` left in a file's ``.note.stapsdt``.

https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ebpf.binaries.elf import ET_EXEC
from pytest_ebpf.binaries.errors import Corrupt
from pytest_ebpf.binaries.symbols import SHN_UNDEF
from pytest_ebpf.binaries.usdt_arguments import UsdtArgument, parse_arguments

if TYPE_CHECKING:
    from pytest_ebpf.binaries.binary import Binary

__all__ = ["Usdt", "read_usdt"]

_NT_STAPSDT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Usdt:
    """One place of a USDT probe; a probe in an inlined function has several."""

    provider: str
    name: str
    address: int
    """As in the file, before relocation."""
    offset: int
    """Bytes from the start of the file."""
    semaphore_offset: int | None
    """Of the counter that turns the probe on, from the start of the file; None: it is always on."""
    arguments: tuple[UsdtArgument, ...]


def read_usdt(binary: Binary) -> list[Usdt]:
    """Read the notes. Raises `Corrupt`."""
    elf = binary.elf
    section = elf.section(".note.stapsdt")
    if section is None:
        return []
    base = elf.section(".stapsdt.base")
    words = struct.Struct(elf.order + ("3Q" if elf.is_64 else "3I"))

    def address_of(name: str) -> int | None:
        found = {each.address for each in binary.symbols(name) if each.section != SHN_UNDEF}
        return found.pop() if len(found) == 1 else None

    probes = []
    for note in elf.notes_in(elf.data_of(section), strict=True):
        if note.owner != b"stapsdt" or note.kind != _NT_STAPSDT:
            continue
        address, linked_base, semaphore = words.unpack_from(note.data)
        if not address:  # the linker left its code out
            continue
        # Whoever moved the code after linking (prelink) moved .stapsdt.base with it, and not the notes.
        moved = base.address - linked_base if base is not None else 0
        address += moved
        texts = note.data[words.size :].split(b"\0")
        if len(texts) < 3:  # noqa: PLR2004 - provider, name, arguments
            raise Corrupt(f"{elf.shown}: a USDT note is cut off: build or install the file again")
        provider, name, arguments = (each.decode("utf-8", "backslashreplace") for each in texts[:3])
        offset = elf.code_offset_of(address)
        counter = elf.offset_of(semaphore + moved) if semaphore else None
        if offset is None or (semaphore and counter is None):
            raise Corrupt(
                f"{elf.shown}: its USDT probe {provider}:{name} is at {address:#x}, which is not in the file:"
                f" build or install it again"
            )
        probes.append(
            Usdt(
                provider=provider,
                name=name,
                address=address,
                offset=offset,
                semaphore_offset=counter,
                arguments=parse_arguments(
                    arguments, elf.machine, place=address, is_fixed=elf.kind == ET_EXEC, address_of=address_of
                ),
            )
        )
    return probes
