"""What debug information tells: of lines and of inlined functions, wherever it is kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from compiled import EXP, compiled, offset_of, run, symbols

from pytest_ebpf.binaries import Binary, NoSuchFunction, OnlyInlined

if TYPE_CHECKING:
    from pathlib import Path


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
