"""The bytes of debug information, and its variable-length numbers (DWARF 5, section 7.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elftools.dwarf.dwarfinfo import DebugSectionDescriptor

__all__ = ["leb", "section_bytes", "signed_leb", "text_at"]


def section_bytes(section: DebugSectionDescriptor | None) -> bytes:
    """Return a section; nothing if there is none."""
    if section is None:
        return b""
    section.stream.seek(0)
    return section.stream.read()


def leb(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128; return it and where it ends. Raises `IndexError`."""
    byte = data[at]
    if byte < 0x80:  # noqa: PLR2004 - the last byte has bit 7 clear
        return byte, at + 1
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - likewise
            return value, at


def signed_leb(data: bytes, at: int) -> tuple[int, int]:
    """Read a signed LEB128; return it and where it ends. Raises `IndexError`."""
    value, end = leb(data, at)
    if data[end - 1] & 0x40:
        value -= 1 << 7 * (end - at)
    return value, end


def text_at(data: bytes, at: int) -> tuple[bytes, int]:
    """Read a text up to its NUL; return it and where it ends. Raises `ValueError`."""
    end = data.index(0, at)
    return data[at:end], end + 1
