"""What cannot be probed, and the whole text of what is said to it."""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
from typing import TYPE_CHECKING

import pytest
from compiled import EXP, compiled, run

from pytest_ebpf.binaries import (
    Binary,
    ChosenAtRunTime,
    Corrupt,
    Imported,
    NoSuchFile,
    NoSuchFunction,
    NotABinary,
    OnlyInlined,
    OtherMachine,
)
from pytest_ebpf.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def refusal(kind: type[UsageError], path: Path, wanted: str = "") -> str:
    """Return the text with which this is refused, without the file's name."""
    with pytest.raises(UsageError) as error:
        Binary.open(path).functions(wanted)
    assert type(error.value) is kind
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(NoSuchFile, tmp_path / "nothing") == (
        "no such file: a program or a library was expected; build or install it first"
    )
    (tmp_path / "file").touch()
    assert refusal(NoSuchFile, tmp_path / "file" / "below") == (
        "no such file: a program or a library was expected; build or install it first"
    )


def test_a_path_has_no_nul() -> None:
    with pytest.raises(NoSuchFile) as error:
        Binary.open("a\0b")
    assert str(error.value) == r"'a\x00b': no such file: a path has no NUL in it"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all files")
def test_a_file_that_may_not_be_read_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(mode=0)
    assert refusal(NoSuchFile, tmp_path / "secret") == (
        "it cannot be read (Permission denied): a probe needs a file that you may read"
    )


def test_what_is_no_regular_file_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/null")
    kinds = {"fifo": "a FIFO", "socket": "a socket", "folder": "a folder", "device": "a device"}
    for name, what in kinds.items():
        assert refusal(NotABinary, tmp_path / name) == f"it is {what}: a program or a library was expected"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "it is empty: a program or a library was expected"),
        (
            b"#!/usr/bin/env python3\nprint()\n",
            "it is a script: what runs is /usr/bin/env python3, and the functions are in that program",
        ),
        (
            b"PK\x03\x04\x14\x00\x00\x00\x08\x00",
            r"it is no ELF file (it begins with 'PK\x03\x04\x14\x00\x00\x00'): a program or a library was expected",
        ),
    ],
)
def test_what_is_no_elf_file_is_told_what_it_is(tmp_path: Path, data: bytes, text: str) -> None:
    (tmp_path / "it").write_bytes(data)
    assert refusal(NotABinary, tmp_path / "it") == text


def test_the_start_of_an_elf_file_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"\x7fELF\x02\x01\x01")
    assert refusal(Corrupt, tmp_path / "it") == "its ELF header is cut off: build or install the file again"


def test_a_file_that_is_cut_off_is_told_where(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-O2")
    path.write_bytes(path.read_bytes()[:100])
    assert refusal(Corrupt, path) == ("its program headers are cut off: build or install the file again")


def test_a_file_that_ends_too_early_is_told_where(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-O2")
    dynamic = next(each for each in Binary.open(path).elf.segments if each.kind == 2)
    path.write_bytes(path.read_bytes()[: dynamic.offset])
    assert refusal(Corrupt, path, "main") == (
        f"it is cut off: {dynamic.file_size} bytes were expected at {dynamic.offset:#x},"
        f" the file has {dynamic.offset:,}: build or install it again"
    )


def test_only_what_is_linked_and_has_code_can_be_probed(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-c", name="exp.o")
    assert refusal(NotABinary, path) == (
        "it is an object file, whose code has no place yet: name the program or library that it is linked into"
    )
    path = compiled(tmp_path, EXP, "-g")
    run("objcopy", "--only-keep-debug", path, tmp_path / "exp.debug")
    assert refusal(NotABinary, tmp_path / "exp.debug") == (
        "it is a file of debug information without code: name the program or library that it belongs to"
    )
    data = bytearray(path.read_bytes())
    data[16] = 4  # ET_CORE
    path.write_bytes(data)
    assert refusal(NotABinary, path) == "it is a core dump: name the program that it is of"
    data[16:18], data[0x38:0x3A] = b"\3\0", b"\0\0"  # ET_DYN, no program headers
    path.write_bytes(data)
    assert refusal(NotABinary, path) == "it is without code that could be executed: name a program or a library"


@pytest.mark.parametrize(
    ("ident", "number", "name"),
    [((2, 1), 243, "RISC-V"), ((2, 1), 40, "arm"), ((1, 1), 62, "x32"), ((2, 1), 999, "machine 999")],
)
def test_a_program_for_another_machine_is_refused(
    tmp_path: Path, ident: tuple[int, int], number: int, name: str
) -> None:
    path = tmp_path / "foreign"
    if ident[0] == 2:
        header = struct.pack(
            "<4s5B7xHHIQQQI6H", b"\x7fELF", *ident, 1, 0, 0, 3, number, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0
        )
        header += struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 120, 120, 4096)
    else:
        header = struct.pack(
            "<4s5B7xHHIIIII6H", b"\x7fELF", *ident, 1, 0, 0, 3, number, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0
        )
        header += struct.pack("<8I", 1, 0, 0, 0, 84, 84, 5, 4096)
    path.write_bytes(header)
    here = os.uname().machine
    assert refusal(OtherMachine, path) == (
        f"it is for {name} machines, this one is {here}: name one that was built for this machine"
    )
    assert Binary.open(path, any_machine=True).machine == name


def test_a_misspelt_function_has_its_nearest_named(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP)
    assert refusal(NoSuchFunction, path, "acept_exp") == ("no function 'acept_exp'; nearest: accept_exp")
    assert refusal(NoSuchFunction, path, "sometmes*") == "no function matches 'sometmes*'; nearest: sometimes"
    text = refusal(NoSuchFunction, path, "qqqqqqqqqq")
    assert re.fullmatch(r"no function 'qqqqqqqqqq'; none of its \d+ is like it", text)
    assert refusal(NoSuchFunction, path, "").startswith("no function ''")


def test_a_stripped_library_says_that_it_has_more(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-shared", "-fPIC", "-s", "-Wl,--build-id=0x0123456789", name="libexp.so")
    assert refusal(NoSuchFunction, path, "helper") == (
        "no function 'helper'; none of its 4 is like it; it was stripped: only the 4 that it exports are known,"
        " and no file of its debug information was found (/usr/lib/debug/.build-id/01/23456789.debug)"
    )


def test_a_variable_is_no_function(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP)
    assert refusal(NoSuchFunction, path, "counter") == "counter is a variable: only a function can be probed"


def test_a_stripped_program_says_where_its_debug_file_would_be(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-s", "-Wl,--build-id=0x0123456789")
    assert refusal(NoSuchFunction, path, "accept_exp") == (
        "no function 'accept_exp': it has no symbols, it was stripped, and no file of its debug information was found"
        " (/usr/lib/debug/.build-id/01/23456789.debug): install that, build it without stripping,"
        " or name an address (0x…)"
    )
    assert refusal(NoSuchFunction, path, "exp.c:12") == (
        "exp.c:12: lines take debug information, and it has none, nor was a file of it found"
        " (/usr/lib/debug/.build-id/01/23456789.debug): build it with -g, or install its debug symbols"
    )
    path = compiled(tmp_path, EXP, "-s", "-Wl,--build-id=none")
    assert "(it has no build id to look for it by)" in refusal(NoSuchFunction, path, "accept_exp")


def test_what_is_imported_is_found_in_its_library(tmp_path: Path) -> None:
    library = compiled(
        tmp_path, "int theirs(int x) { return x; }\n", "-shared", "-fPIC", "-Wl,-soname,libt.so.1", name="libt.so.1"
    )
    path = compiled(
        tmp_path, "int theirs(int); int main(void) { return theirs(0); }\n", library, f"-Wl,-rpath,{tmp_path}"
    )
    assert refusal(Imported, path, "theirs") == (
        f"theirs is not in it, it only calls it: libt.so.1 has it ({library}); name that library"
    )
    library.unlink()
    assert refusal(Imported, path, "theirs") == (
        "theirs is not in it, it only calls it, and none of the libraries that it needs has it:"
        " name the library that is loaded later"
    )


def test_what_was_inlined_everywhere_names_who_has_it(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-g", "-O2")
    assert refusal(OnlyInlined, path, "always") == (
        "always was inlined everywhere, into helper, main: it has no code of its own; probe its callers, or build it"
        " with __attribute__((noinline)) or -fno-inline"
    )


CHOSEN = r"""
static int __chosen_fast(int x) { return x; }
static int __chosen_slow(int x) { return x + 1; }
static void *chosen_ifunc(void) { return (void *)(__chosen_fast(1) ? __chosen_fast : __chosen_slow); }
int chosen(int x) __attribute__((ifunc("chosen_ifunc")));
"""


def test_what_is_chosen_at_run_time_is_not_taken_for_what_chooses(tmp_path: Path) -> None:
    path = compiled(tmp_path, CHOSEN, "-shared", "-fPIC", "-O0", name="libchosen.so")
    start = (
        "chosen is chosen at run time (STT_GNU_IFUNC): its symbol is that of the code which chooses, not of the"
        " function"
    )
    assert refusal(ChosenAtRunTime, path, "chosen") == (
        f"{start}; ask for what it chooses from: __chosen_fast, __chosen_slow"
    )
    assert {each.name for each in Binary.open(path).functions("*chosen*")} == {
        "__chosen_fast",
        "__chosen_slow",
        "chosen_ifunc",
    }
    assert Binary.open(path).left_out("*chosen*") == ["chosen"]
    assert Binary.open(path).left_out("__chosen*") == []
    run("strip", "--remove-section=.note.gnu.build-id", path)
    assert refusal(ChosenAtRunTime, path, "chosen") == (
        f"{start}, and what it chooses from has no symbols here: install its debug symbols"
        " (it has no build id to look for it by)"
    )


def test_what_a_compiler_made_for_each_processor_is_named(tmp_path: Path) -> None:
    source = '__attribute__((target_clones("avx2", "default"))) int many(int x) { return x * 3; }\n'
    path = compiled(tmp_path, source, "-shared", "-fPIC", name="libmany.so")
    assert refusal(ChosenAtRunTime, path, "many").endswith("; ask for what it chooses from: many.avx2, many.default")


def test_only_a_copy_with_other_arguments_is_named_as_that(tmp_path: Path) -> None:
    source = ".text\n.globl g.isra.0\n.type g.isra.0, @function\ng.isra.0: ret\n.size g.isra.0, 1\n"
    path = compiled(tmp_path, source, "-shared", suffix=".s", name="libclone.so")
    assert refusal(NoSuchFunction, path, "g") == (
        "no function 'g', only g.isra.0: the compiler made that of it and may have changed its arguments;"
        " ask for it by that name"
    )


def test_an_address_outside_the_code_is_refused(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP)
    text = refusal(NoSuchFunction, path, "0x10")
    assert re.fullmatch(r"0x10 is not in its code, which is at 0x1000 to 0x1[0-9a-f]{3}", text)
    size = Binary.open(path).functions("accept_exp")[0].size
    assert refusal(NoSuchFunction, path, "accept_exp+0x1000") == (
        f"accept_exp+0x1000 is behind the end of accept_exp, which has {size:#x} bytes"
    )


def test_an_address_inside_an_instruction_of_arm64_is_refused(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP)
    data = bytearray(path.read_bytes())
    data[18] = 183
    path.write_bytes(data)
    with pytest.raises(NoSuchFunction) as error:
        Binary.open(path, any_machine=True).functions("0x1102")
    assert str(error.value) == f"{path}: 0x1102 is inside an instruction: on arm64 each has 4 bytes"


def test_a_line_without_code_names_its_neighbours(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-g", "-O0")
    assert refusal(NoSuchFunction, path, "exp.c:14") == (
        "exp.c:14 has no code of its own; the nearest lines that have: 12, 13, 17, 22"
    )
    assert refusal(NoSuchFunction, path, "exq.c:14") == "none of its code is of exq.c; nearest: exp.c"


def test_nothing_of_this_is_imported_by_a_run_that_asks_for_no_probe() -> None:
    script = "import pytest_ebpf.plugin, sys; print([m for m in sys.modules if 'elftools' in m or 'binaries' in m])"
    assert run(sys.executable, "-c", script) == "[]\n"
