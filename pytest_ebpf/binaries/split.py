"""Debug information that is split: most of it in files ``.dwo``, or in one ``.dwp``, which nothing here reads."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pytest_ebpf.binaries.errors import Undecoded

if TYPE_CHECKING:
    from elftools.dwarf.dwarfinfo import DWARFInfo

__all__ = ["check_whole"]

_NAMES = ("DW_AT_dwo_name", "DW_AT_GNU_dwo_name")
_MAY_BE = re.compile(rb"\xb0\x42|\x4a[\x00\x01][^\x00]*\x76")
"""In ``.debug_abbrev``: `_NAMES`, the one of DWARF 5 in a unit that is a skeleton."""


def check_whole(dwarf: DWARFInfo) -> None:
    """Make sure that all of a file's debug information is there.

    Raises:
        Undecoded: A part is in other files.
    """
    abbreviations = dwarf.debug_abbrev_sec
    if abbreviations is None:
        return
    # First this, as there may be thousands of units.
    abbreviations.stream.seek(0)
    if not _MAY_BE.search(abbreviations.stream.read()):
        return
    for unit in dwarf.iter_CUs():
        attributes = unit.get_top_DIE().attributes
        name = next((attributes[each].value for each in _NAMES if each in attributes), None)
        if name is not None:
            shown = os.fsdecode(name) if isinstance(name, bytes) else "a .dwo file"
            raise Undecoded(
                f"its debug information is split (-gsplit-dwarf): most of it is in {shown} or a .dwp file, which is not"
                " read",
                "compile it without -gsplit-dwarf",
            )
