"""Sections that are compressed by zstd, which pyelftools does not read (System V gABI, ``ELFCOMPRESS_ZSTD``)."""

from __future__ import annotations

import importlib
import io
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

from pytest_ebpf.binaries.errors import Undecoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf.binaries.elf import Elf, Section

__all__ = ["decompressed"]

_SHF_COMPRESSED = 0x800
_ELFCOMPRESS_ZSTD = 2


def decompressed(elf: Elf) -> BinaryIO:
    """Return a file as it would be without such sections; itself, if it has none.

    Raises:
        Undecoded: Nothing here decompresses them.
    """
    compressed = [
        (index, each) for index, each in enumerate(elf.sections) if each.flags & _SHF_COMPRESSED and _is_zstd(elf, each)
    ]
    if not compressed:
        return elf.stream
    decompress = _decompressor()
    if decompress is None:
        raise Undecoded(
            "its debug information is compressed by zstd, and no package that reads it is installed",
            f"pip install zstandard, or objcopy --decompress-debug-sections {elf.shown}",
        )
    made = bytearray(elf.bytes_at(0, elf.size))
    for index, section in compressed:
        head = 24 if elf.is_64 else 12  # sizeof(Elf64_Chdr), sizeof(Elf32_Chdr)
        (size,) = struct.unpack_from(
            elf.order + ("Q" if elf.is_64 else "I"), made, section.offset + (8 if elf.is_64 else 4)
        )
        data = decompress(bytes(made[section.offset + head : section.offset + section.size]), size)
        if len(data) != size:
            raise ValueError(f"{section.name} has {len(data):,} bytes, and not {size:,}")
        _replace(elf, made, index, section, data)
    return io.BytesIO(made)


def _is_zstd(elf: Elf, section: Section) -> bool:
    kind: int = struct.unpack(f"{elf.order}I", elf.bytes_at(section.offset, 4))[0]
    return kind == _ELFCOMPRESS_ZSTD


def _replace(elf: Elf, made: bytearray, index: int, section: Section, data: bytes) -> None:
    """Put a section's data at the end of the file, and say in its header that it is there."""
    word = "Q" if elf.is_64 else "I"
    (headers,) = struct.unpack_from(f"{elf.order}{word}", made, 40 if elf.is_64 else 32)  # e_shoff
    header = headers + index * (64 if elf.is_64 else 40)
    struct.pack_into(f"{elf.order}{word}", made, header + 8, section.flags & ~_SHF_COMPRESSED)
    struct.pack_into(f"{elf.order}{word * 2}", made, header + (24 if elf.is_64 else 16), len(made), len(data))
    made += data


def _decompressor() -> Callable[[bytes, int], bytes] | None:
    try:
        return _of_python(importlib.import_module("compression.zstd"))  # Python 3.14
    except ImportError:
        pass
    try:
        return _of_package(importlib.import_module("zstandard"))
    except ImportError:
        return None


def _of_python(module: Any) -> Callable[[bytes, int], bytes]:
    decompress: Callable[[bytes], bytes] = module.decompress
    return lambda data, _size: decompress(data)


def _of_package(module: Any) -> Callable[[bytes, int], bytes]:
    decompress: Callable[..., bytes] = module.ZstdDecompressor().decompress
    return lambda data, size: decompress(data, max_output_size=size)
