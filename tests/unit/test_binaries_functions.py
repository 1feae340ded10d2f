"""Functions by name, pattern, address and line: in all kinds of files, as nm, readelf and addr2line tell them."""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from compiled import EXP, compiled, offset_of, run, symbols

from pytest_ebpf.binaries import Binary, NoSuchFunction

if TYPE_CHECKING:
    from pathlib import Path

KINDS: dict[str, tuple[str, ...]] = {
    "PIE": ("-O2",),
    "no PIE": ("-O0", "-no-pie"),
    "static": ("-O1", "-static"),
    "static PIE": ("-O1", "-static-pie"),
    "with debug information": ("-g", "-O2"),
    "DWARF 4": ("-gdwarf-4", "-O3"),
    "compressed debug information": ("-g", "-gz"),
    "large pages": ("-Wl,-z,max-page-size=0x200000", "-Wl,-z,noseparate-code"),
    "a first address of its own": ("-no-pie", "-Wl,-Ttext-segment=0x1000000"),
}


@pytest.mark.parametrize("flags", KINDS.values(), ids=KINDS)
def test_a_function_is_where_nm_and_the_program_headers_say(tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = compiled(tmp_path, EXP, *flags)
    (found,) = Binary.open(path).functions("accept_exp")
    address = symbols(path)["accept_exp"]
    assert (found.name, found.address, found.offset) == ("accept_exp", address, offset_of(path, address))
    assert found.source == "symtab"
    assert found.aliases == ("accept_alias",)


def test_what_is_at_the_offset_is_the_function(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-O2")
    (found,) = Binary.open(path).functions("accept_exp")
    dumped = run("objdump", "-s", f"--start-address={found.address}", f"--stop-address={found.address + 4}", path)
    data = path.read_bytes()[found.offset : found.offset + 4].hex()
    assert f" {data} " in dumped


def test_a_library_exports_functions_without_a_symtab(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-shared", "-fPIC", "-s", name="libexp.so")
    (found,) = Binary.open(path).functions("accept_exp")
    assert (found.source, found.address) == ("dynsym", symbols(path, "-D")["accept_exp"])
    assert found.offset == offset_of(path, found.address)


@pytest.mark.parametrize("style", ["gnu", "sysv"])
def test_a_library_without_section_headers_has_its_exported_functions(tmp_path: Path, style: str) -> None:
    path = compiled(tmp_path, EXP, "-shared", "-fPIC", "-s", f"-Wl,--hash-style={style}", name="libexp.so")
    address = symbols(path, "-D")["sometimes"]
    data = bytearray(path.read_bytes())
    data[0x28:0x30] = bytes(8)  # e_shoff
    data[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    path.write_bytes(data)
    names = {name for each in Binary.open(path).functions("*") for name in (each.name, *each.aliases)}
    assert {"accept_exp", "accept_alias", "sometimes", "main"} <= names
    assert Binary.open(path).functions("sometimes")[0].address == address


def test_static_functions_of_the_same_name_are_all_found(tmp_path: Path) -> None:
    other = tmp_path / "other.c"
    other.write_text(
        "static __attribute__((noinline)) int helper(int x) { return x + 9; }\nint o(int x) { return helper(x); }\n"
    )
    path = compiled(tmp_path, EXP, other, "-O1")
    expected = sorted(int(line.split()[0], 16) for line in run("nm", path).splitlines() if line.endswith(" t helper"))
    assert len(expected) == 2
    assert [each.address for each in Binary.open(path).functions("helper")] == expected


def test_a_pattern_finds_each_place_once(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-O0")
    found = Binary.open(path).functions("accept_*")
    assert [(each.name, each.aliases) for each in found] == [("accept_exp", ("accept_alias",))] or [
        (each.name, each.aliases) for each in found
    ] == [("accept_alias", ("accept_exp",))]
    everything = {each.address for each in Binary.open(path).functions("*")}
    assert everything == {address for name, address in symbols(path).items() if name in _functions_of(path)}


def _functions_of(path: Path) -> set[str]:
    lines = [line.split() for line in run("readelf", "-sW", path).splitlines()]
    return {line[7].partition("@")[0] for line in lines if len(line) >= 8 and line[3] == "FUNC" and line[6] != "UND"}


def test_an_address_is_one_in_the_file(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP)
    address = symbols(path)["accept_exp"]
    (found,) = Binary.open(path).functions(f"{address:#x}")
    assert (found.name, found.offset, found.source) == ("accept_exp", offset_of(path, address), "address")
    (found,) = Binary.open(path).functions(f"{address + 4:#x}")
    assert found.name == "accept_exp+0x4"


@pytest.mark.parametrize("behind", ["0x4", "4"])
def test_a_place_behind_a_symbol_is_counted_from_it(tmp_path: Path, behind: str) -> None:
    path = compiled(tmp_path, EXP)
    (found,) = Binary.open(path).functions(f"accept_exp+{behind}")
    assert (found.name, found.address) == ("accept_exp+0x4", symbols(path)["accept_exp"] + 4)


def test_functions_are_found_in_a_compressed_symbol_table(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-g", "-O2")
    address = symbols(path)["helper"]
    mini = tmp_path / "mini"
    run("objcopy", "-S", "--keep-symbol=helper", path, mini)
    (tmp_path / "mini.xz").write_bytes(lzma.compress(mini.read_bytes()))
    run("objcopy", "--strip-all", f"--add-section=.gnu_debugdata={tmp_path / 'mini.xz'}", path)
    (found,) = Binary.open(path).functions("helper")
    assert (found.address, found.source, found.offset) == (address, "gnu_debugdata", offset_of(path, address))


VERSIONS = r"""
__asm__(".symver f_old, f@V1");
__asm__(".symver f_new, f@@V2");
int f_old(void) { return 1; }
int f_new(void) { return 2; }
"""


def test_versions_of_a_function_are_told_apart(tmp_path: Path) -> None:
    script = tmp_path / "versions"
    script.write_text("V1 { global: f; };\nV2 { global: f; } V1;\n")
    flags = ("-shared", "-fPIC", f"-Wl,--version-script={script}")
    for more in ((), ("-s",)):
        path = compiled(tmp_path, VERSIONS, *flags, *more, name="libversions.so")
        binary = Binary.open(path)
        both = {each.version: each.address for each in binary.functions("f")}
        assert sorted(map(str, both)) == ["V1", "V2"]
        assert [each.address for each in binary.functions("f@V1")] == [both["V1"]]
        assert [each.address for each in binary.functions("f@@V2")] == [both["V2"]]
        with pytest.raises(NoSuchFunction) as error:
            binary.functions("f@V3")
        assert str(error.value) == f"{path}: no function 'f@V3': f is there in version V1 and V2"


CLONES = r"""
	.text
	.macro function name
	.globl \name
	.type \name, @function
\name:
	ret
	.size \name, . - \name
	.endm
	function main
	function f
	function f.part.0
	function f.cold
	function g.isra.0
	function h
	function h.lto_priv.0
	.globl label
label:
	ret
	.section .note.GNU-stack,"",@progbits
"""


def test_clones_are_told_with_their_function(tmp_path: Path) -> None:
    binary = Binary.open(compiled(tmp_path, CLONES, suffix=".s"))
    (found,) = binary.functions("f")
    assert found.clones == ("f.cold", "f.part.0")
    assert {each.name for each in binary.functions("f*")} == {"f", "f.part.0", "frame_dummy"}
    assert [each.name for each in binary.functions("h")] == ["h", "h.lto_priv.0"]
    assert binary.functions("label")[0].name == "label"


def test_a_file_that_did_not_change_is_read_once(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP)
    first = Binary.open(path)
    assert Binary.open(path) is first
    compiled(tmp_path, EXP, "-O2")
    assert Binary.open(path) is not first


def test_its_machine_and_word_are_told(tmp_path: Path) -> None:
    binary = Binary.open(compiled(tmp_path, EXP))
    assert (binary.machine, binary.word) == ({"x86_64": "x86-64"}.get(os.uname().machine, os.uname().machine), 8)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="only such machines run these programs too")
@pytest.mark.parametrize("flags", [("-nostdlib", "-Wl,-e,f"), ("-shared", "-fPIC", "-nostdlib", "-s")])
def test_a_32_bit_program_is_read(tmp_path: Path, flags: tuple[str, ...]) -> None:
    source = "int g(int x) { return x; }\nint f(int x) { return g(x) + 1; }\n"
    path = compiled(tmp_path, source, "-m32", "-O0", "-fno-pic" if "-shared" not in flags else "-O1", *flags)
    binary = Binary.open(path)
    assert (binary.machine, binary.word) == ("i386", 4)
    (found,) = binary.functions("g")
    address = symbols(path, *(["-D"] if "-shared" in flags else []))["g"]
    assert (found.address, found.offset) == (address, offset_of(path, address))


def test_a_place_in_the_file_is_told_by_its_symbol(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-no-pie")
    binary = Binary.open(path)
    address = symbols(path)["main"]
    assert binary.symbol_at(offset_of(path, address)) == "main"
    assert binary.symbol_at(offset_of(path, address) + 9) == "main+0x9"
    assert binary.symbol_at(0) is None
    assert binary.symbol_at(1 << 40) is None


def test_no_descriptor_stays_behind(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP)
    script = (
        "import os, sys, gc\n"
        "from pytest_ebpf.binaries import Binary, binary\n"
        "Binary.open(sys.argv[1]).functions('main')\n"
        "before = len(os.listdir('/proc/self/fd'))\n"
        "binary._cache.clear(); gc.collect()\n"
        "print(before - len(os.listdir('/proc/self/fd')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.parametrize(
    "section",
    [
        '.section .gopclntab,"a"\n.long 0\n',
        '.section .note.go.buildid,"a",@note\n.long 4, 4, 4\n.asciz "Go\\0"\n.long 0\n',
        '.section .note.other,"a",@note\n.long 4, 4, 4\n.asciz "Go\\0"\n.long 0\n',
    ],
)
def test_what_go_linked_is_told(tmp_path: Path, section: str) -> None:
    start = ".globl main\n.type main, @function\nmain: ret\n"
    assert Binary.open(compiled(tmp_path, start + section, suffix=".s")).is_go
    assert not Binary.open(compiled(tmp_path, start, suffix=".s")).is_go


def test_one_of_many_thousand_functions_is_found_in_no_time(tmp_path: Path) -> None:
    lines = "".join(
        f".globl f{number}\n.type f{number}, @function\nf{number}: ret\n.size f{number}, 1\n"
        for number in range(30_000)
    )
    path = compiled(tmp_path, f".text\n{lines}", "-shared", suffix=".s", name="libmany.so")
    started = time.process_time()
    (found,) = Binary.open(path).functions("f12345")
    assert time.process_time() - started < 0.5
    assert found.address == symbols(path)["f12345"]
    started = time.process_time()
    assert len(Binary.open(path).functions("f1*")) == 11_111
    with pytest.raises(NoSuchFunction, match="nearest: "):
        Binary.open(path).functions("g12345")
    assert time.process_time() - started < 2
