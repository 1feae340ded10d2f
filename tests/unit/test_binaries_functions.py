"""Functions by name, pattern, address and line: in all kinds of files, as nm, readelf and addr2line tell them."""

from __future__ import annotations

import lzma
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from compiled import EXP, compiled, offset_of, run, symbols

from pytest_ebpf.binaries import Binary, NoSuchFunction, OnlyInlined

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


@pytest.mark.parametrize("flags", [("-g", "-O0"), ("-gdwarf-4", "-O0"), ("-g", "-O2"), ("-g", "-O0", "-no-pie")])
def test_a_line_is_where_addr2line_says(tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = compiled(tmp_path, EXP, *flags)
    number = 1 + EXP.split("\n").index('\tprintf("%d %s\\n", t->num, t->name);')
    found = Binary.open(path).functions(f"exp.c:{number}")
    assert found
    for each in found:
        assert re.search(rf"exp\.c:{number}\b", run("addr2line", "-e", path, f"{each.address:#x}"))
        assert (each.name.partition("+")[0], each.source, each.line) == ("accept_exp", "line", f"exp.c:{number}")
    longer = Binary.open(path).functions(f"{tmp_path.name}/exp.c:{number}")
    assert [each.address for each in longer] == [each.address for each in found]


def test_a_line_that_was_inlined_has_a_place_in_each_caller(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-g", "-O0")
    number = 1 + next(at for at, line in enumerate(EXP.split("\n")) if " always(int x)" in line)
    found = Binary.open(path).functions(f"exp.c:{number}")
    assert {each.name.partition("+")[0] for each in found} == {"helper", "main"}


@pytest.mark.parametrize("flags", [("-g", "-O2"), ("-gdwarf-4", "-O3"), ("-g", "-O0", "-no-pie")])
def test_all_lines_are_where_readelf_has_their_statements(tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = compiled(tmp_path, EXP, *flags)
    expected: dict[int, set[int]] = {}
    for row in run("readelf", "--debug-dump=decodedline", path).splitlines():
        match = re.match(r"exp\.c +(\d+) +(0x\w+|0) .*x", row)
        if match:
            expected.setdefault(int(match[1]), set()).add(int(match[2], 16))
    assert len(expected) > 8
    for line in range(1, EXP.count("\n") + 1):
        if line in expected:
            ours = {each.address for each in Binary.open(path).functions(f"exp.c:{line}")}
            assert ours <= expected[line]
            assert min(ours) == min(expected[line])
        else:
            with pytest.raises(NoSuchFunction, match="has no code of its own"):
                Binary.open(path).functions(f"exp.c:{line}")


def test_a_line_of_what_the_linker_left_out_is_not_there(tmp_path: Path) -> None:
    source = EXP.replace("int counter = 7;", "int counter = 7;\nint unused(int x) { return always(x) / 3; }")
    path = compiled(tmp_path, source, "-g", "-O2", "-ffunction-sections", "-Wl,--gc-sections")
    assert "unused" not in symbols(path)
    number = 1 + next(at for at, line in enumerate(EXP.split("\n")) if " always(int x)" in line)
    assert {each.name.partition("+")[0] for each in Binary.open(path).functions(f"exp.c:{number}")} == {
        "helper",
        "main",
    }
    number = 1 + next(at for at, line in enumerate(source.split("\n")) if "int unused" in line)
    with pytest.raises(NoSuchFunction, match="has no code of its own"):
        Binary.open(path).functions(f"exp.c:{number}")


def test_debug_information_may_be_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-g", "-O2")
    address = symbols(path)["helper"]
    _split(path, tmp_path / "exp.debug")
    binary = Binary.open(path)
    (found,) = binary.functions("helper")
    assert (found.address, found.source, found.offset) == (address, "debug file", offset_of(path, address))
    assert binary.dwarf_path == str(tmp_path / "exp.debug")
    assert binary.functions("exp.c:12")


def _split(path: Path, debug: Path) -> None:
    debug.parent.mkdir(parents=True, exist_ok=True)
    run("objcopy", "--only-keep-debug", path, debug)
    run("objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", path)


def test_a_debug_file_of_another_build_is_none(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-g", "-O2", "-Wl,--build-id=none")
    _split(path, tmp_path / "exp.debug")
    with (tmp_path / "exp.debug").open("ab") as file:
        file.write(b"\0")
    assert Binary.open(path).dwarf() is None
    with pytest.raises(NoSuchFunction, match="no symbols, it was stripped"):
        Binary.open(path).functions("helper")


@pytest.mark.parametrize("where", [".debug", "root"])
def test_a_debug_file_is_looked_for_where_gdb_does(tmp_path: Path, where: str) -> None:
    path = compiled(tmp_path, EXP, "-g", "-O2")
    debug = tmp_path / ".debug/exp.debug" if where == ".debug" else tmp_path / "usr/lib/debug/exp.debug"
    _split(path, debug)
    root = str(tmp_path) if where == "root" else "/"
    opened = Binary.open("/exp", root) if where == "root" else Binary.open(path)
    assert opened.functions("helper")[0].source == "debug file"
    assert opened.path == str(path), root


def test_a_debug_file_is_found_by_build_id(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP, "-g", "-O2", "-Wl,--build-id")
    build_id = Binary.open(path).build_id
    assert build_id is not None
    assert build_id in run("readelf", "-n", path)
    debug = tmp_path / f"usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug"
    debug.parent.mkdir(parents=True)
    run("objcopy", "--only-keep-debug", path, debug)
    run("strip", path)
    binary = Binary.open("/exp", str(tmp_path))
    assert binary.functions("helper")[0].source == "debug file"
    # And one that only has its name is not taken.
    debug.write_bytes(debug.read_bytes().replace(bytes.fromhex(build_id), bytes(len(build_id) // 2)))
    path.write_bytes(path.read_bytes())
    assert Binary.open("/exp", str(tmp_path)).dwarf() is None


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


def test_where_a_function_was_inlined_is_counted(tmp_path: Path) -> None:
    for flags in (("-g", "-O2"), ("-gdwarf-4", "-O2"), ("-g3", "-O3"), ("-g", "-O2", "-gz")):
        binary = Binary.open(compiled(tmp_path, EXP, *flags))
        assert binary.functions("sometimes")[0].inlined_at == 1, flags
        assert binary.inlined_into("sometimes") == {"main": 1}
        assert binary.functions("accept_exp")[0].inlined_at == 0
        assert binary.inlined_into("always") == {"main": 1, "helper": 1}
    assert Binary.open(compiled(tmp_path, EXP, "-O2")).functions("sometimes")[0].inlined_at is None


def test_a_name_that_is_the_end_of_another_is_found(tmp_path: Path) -> None:
    source = EXP.replace("int counter = 7;", "int only_sometimes = 7;")
    path = compiled(tmp_path, source, "-g", "-O2", "-Wl,-O2")
    assert Binary.open(path).inlined_into("sometimes") == {"main": 1}
    assert Binary.open(path).functions("sometimes")


def test_inlining_of_many_functions_is_counted_in_one_pass(tmp_path: Path) -> None:
    for source, suffix in ((EXP, ".c"), (MEMBERS, ".cpp")):
        binary = Binary.open(compiled(tmp_path, source, "-g", "-O2", suffix=suffix))
        names = {"sometimes", "always", "helper", "accept_exp", "_ZN4Shop4sellEi", "_ZN4Shop3askEv", "main"}
        alone = {name: sum((binary.inlined_into(name) or {}).values()) for name in names}
        assert binary.inlined_among(names) == {name: count for name, count in alone.items() if count}
    assert Binary.open(compiled(tmp_path, EXP)).inlined_among({"main"}) is None


def test_inlining_by_clang_is_found(tmp_path: Path) -> None:
    source = tmp_path / "exp.c"
    source.write_text(EXP)
    for flags in (("-g", "-O2"), ("-gdwarf-4", "-O2"), ("-g", "-O2", "-gsimple-template-names")):
        run("clang", "-o", tmp_path / "exp", source, *flags)
        binary = Binary.open(tmp_path / "exp")
        assert binary.inlined_into("sometimes") == {"main": 1}
        assert binary.inlined_into("always") == {"main": 1, "helper": 1}
        assert binary.functions("exp.c:12")


def test_debug_information_that_programs_share_is_read(tmp_path: Path) -> None:
    for name in ("one", "two"):
        compiled(tmp_path, EXP, "-g", "-O2", "-Wl,--build-id", name=name)
    run("dwz", "-m", tmp_path / "shared.debug", "-M", "shared.debug", tmp_path / "one", tmp_path / "two")
    for name in ("one", "two"):
        binary = Binary.open(tmp_path / name)
        assert "GNU_ref_alt" in run("readelf", "--debug-dump=abbrev", tmp_path / name)
        assert binary.inlined_into("sometimes") == {"main": 1}
        assert binary.inlined_into("always") == {"main": 1, "helper": 1}
        assert binary.functions(f"{name}.c:12")
    (tmp_path / "shared.debug").unlink()
    (tmp_path / "one").touch()
    assert Binary.open(tmp_path / "one").inlined_into("sometimes") is None


MEMBERS = """
struct Shop {
	int stock;
	int sell(int n);
	int ask() { return stock * 3; }
	int count() { int sum = 0; for (int i = 0; i < stock; i++) sum += i * sum + 1; return sum; }
};
int Shop::sell(int n) { return stock -= n; }
int main(int argc, char **argv) { Shop shop{argc}; return shop.sell(2) + shop.ask() + shop.count(); }
"""


def test_inlining_of_members_is_found_by_symbol_and_by_name(tmp_path: Path) -> None:
    for flag in ("-gdwarf-5", "-gdwarf-4"):
        binary = Binary.open(compiled(tmp_path, MEMBERS, flag, "-O2", suffix=".cpp"))
        assert binary.functions("Shop::sell")[0].inlined_at == 1
        for name in ("Shop::count", "Shop::count()", "_ZN4Shop5countEv"):
            assert binary.inlined_into(name) == {"main": 1}


def test_a_function_of_which_nothing_was_left_is_still_known_to_be_inlined(tmp_path: Path) -> None:
    binary = Binary.open(compiled(tmp_path, MEMBERS, "-g", "-O2", suffix=".cpp"))
    callers = binary.inlined_into("Shop::ask")
    assert callers in ({"main": 1}, {"a function that the debug information does not name": 1})
    with pytest.raises(OnlyInlined, match=r"Shop::ask was inlined everywhere, into "):
        binary.functions("Shop::ask")


def test_inlining_across_files_is_found(tmp_path: Path) -> None:
    other = tmp_path / "other.c"
    other.write_text("int far(int x) { return x * 77; }\n")
    source = "int far(int); int main(int argc, char **argv) { return far(argc); }"
    path = compiled(tmp_path, source, other, "-g", "-O2", "-flto", name="lto")
    assert Binary.open(path).inlined_into("far") == {"main": 1}


def test_a_file_that_did_not_change_is_read_once(tmp_path: Path) -> None:
    path = compiled(tmp_path, EXP)
    first = Binary.open(path)
    assert Binary.open(path) is first
    states = [first.is_current]
    compiled(tmp_path, EXP, "-O2")
    states.append(first.is_current)
    path.unlink()
    states.append(first.is_current)
    assert states == [True, False, False]


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
