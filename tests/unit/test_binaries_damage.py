"""Damaged files: whatever is changed in a real one, it is read, or refused with an error of ours."""

from __future__ import annotations

import contextlib
import lzma
import random
import time
from typing import TYPE_CHECKING

import pytest
from compiled import EXP, compiled, run

from pytest_ebpf.binaries import Binary, Corrupt, locate
from pytest_ebpf.binaries.loader import cached_libraries
from pytest_ebpf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROBED = EXP.replace("#include <stdio.h>", "#include <stdio.h>\n#include <sys/sdt.h>").replace(
    "\tprintf(", "\tDTRACE_PROBE2(shop, sold, t->num, t->name);\n\tprintf("
)
QUERIES = ("accept_exp", "acc*", "sometimes", "always", "exp.c:13", "0x1180", "printf", "nothing", "ns::f(int)")
LONGEST_S = 20
"""For one file of a few kilobytes, on a loaded machine."""


def everything(path: Path) -> Iterator[str]:
    """Ask for all that there is to ask; yield what was refused."""

    def ask(question: object) -> Iterator[str]:
        assert callable(question)
        try:
            question()
        except UsageError as error:
            yield str(error)

    binary = None
    try:
        binary = Binary.open(path, any_machine=True)
    except UsageError as error:
        yield str(error)
    if binary is None:
        return
    for query in QUERIES:
        yield from ask(lambda query=query: binary.functions(query))
    yield from ask(binary.usdt)
    yield from ask(binary.dwarf)
    yield from ask(lambda: binary.inlined_into("sometimes"))
    yield from ask(lambda: (binary.build_id, binary.is_go, repr(binary)))


KINDS = {
    "with debug information": ("-g", "-O2"),
    "DWARF 4": ("-gdwarf-4", "-O2"),
    "stripped library": ("-O2", "-shared", "-fPIC", "-s"),
    "32-bit-like layout": ("-g", "-O0", "-no-pie", "-Wl,--hash-style=sysv"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_byte_leads_to_no_other_error_than_ours(tmp_path: Path, kind: str) -> None:
    path = compiled(tmp_path, PROBED, *KINDS[kind], "-fno-asynchronous-unwind-tables", "-nostartfiles", "-Wl,-e,main")
    whole = path.read_bytes()
    headers = [*range(16, 64), *_section_headers(path)]
    places = [*headers, *_interesting(path)]
    damage = random.Random(kind)
    refused = 0
    for _ in range(250):
        data = bytearray(whole)
        for _ in range(damage.choice((1, 1, 1, 2, 8))):
            at = damage.choice(places)
            data[at] = damage.choice((0, 1, 0x7F, 0x80, 0xFF, damage.randrange(256)))
            if damage.random() < 0.2:
                data[at : at + 8] = b"\xff" * len(data[at : at + 8])
        path.write_bytes(data)
        started = time.monotonic()
        refused += any(True for _ in everything(path))
        assert time.monotonic() - started < LONGEST_S
    assert refused > 50


def _section_headers(path: Path) -> list[int]:
    data = path.read_bytes()
    return list(range(int.from_bytes(data[0x28:0x30], "little"), len(data)))


def _interesting(path: Path) -> list[int]:
    """Return the places of what is read, the code left out."""
    sections = Binary.open(path).elf.sections
    wanted = (".debug_", ".note", ".dyn", ".sym", ".str", ".gnu")
    chosen = [each for each in sections if each.name.startswith(wanted) and each.kind != 8]
    # As many of each: a large section's bytes are not more interesting.
    return [each.offset + at * each.size // 200 for each in chosen if each.size for at in range(200)]


@pytest.mark.parametrize("part", range(8))
def test_a_file_that_is_cut_off_leads_to_no_other_error_than_ours(tmp_path: Path, part: int) -> None:
    path = compiled(tmp_path, PROBED, "-g", "-O2")
    whole = path.read_bytes()
    for size in range(part * 37, len(whole), 8 * 601):
        path.write_bytes(whole[:size])
        assert list(everything(path)), size


def test_random_bytes_behind_the_magic_lead_to_no_other_error_than_ours(tmp_path: Path) -> None:
    damage = random.Random(4)
    path = tmp_path / "it"
    for _ in range(300):
        path.write_bytes(b"\x7fELF\x02\x01\x01" + damage.randbytes(damage.randrange(300)))
        assert list(everything(path))


def test_a_damaged_compressed_symbol_table_is_refused(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-s")
    whole = path.read_bytes()
    packed = lzma.compress(b"\x7fELF" + bytes(1000))
    for data in (b"", b"no xz at all", packed[:-8]):
        (tmp_path / "packed").write_bytes(data)
        path.write_bytes(whole)
        run("objcopy", f"--add-section=.gnu_debugdata={tmp_path / 'packed'}", path)
        with pytest.raises(Corrupt, match=rf"^{path}: its "):
            Binary.open(path).functions("main")


def test_damaged_section_headers_leave_what_is_mapped(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-shared", "-fPIC", name="libexp.so")
    data = bytearray(path.read_bytes())
    data[0x28:0x30] = b"\xff" * 8  # e_shoff
    path.write_bytes(data)
    assert Binary.open(path).functions("accept_exp")[0].source == "dynsym"


def test_a_damaged_library_cache_is_no_cache(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    damage = random.Random(7)
    for _ in range(200):
        data = b"glibc-ld.so.cache1.1" + damage.randbytes(damage.randrange(400))
        (folder / "ld.so.cache").write_bytes(data)
        cached_libraries(str(tmp_path), "x86-64")
    with contextlib.suppress(UsageError):
        locate("libc.so.6")
