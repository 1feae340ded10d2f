"""Debug information in forms that nothing reads, or that take a package."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from compiled import EXP, compiled, run

from pytest_ebpf.binaries import Binary, Corrupt, NoSuchFunction
from pytest_ebpf.functions.finding import signature_of

if TYPE_CHECKING:
    from pathlib import Path


def zstd(tmp_path: Path, *flags: str) -> Path:
    """Compile a program, and compress its debug information."""
    if "zstd" not in run("objcopy", "--help"):
        pytest.skip("objcopy compresses by zstd since binutils 2.40")
    path = compiled(tmp_path, EXP, "-g", "-O0", *flags)
    run("objcopy", "--compress-debug-sections=zstd", path)
    return path


def signature(path: Path) -> str:
    binary = Binary.open(path)
    return str(signature_of(binary, binary.functions("accept_exp")[0]))


@pytest.mark.parametrize("flags", [("-gdwarf-5",), ("-gdwarf-4",), ("-gdwarf-4", "-Wa,--noexecstack")])
def test_what_is_split_is_not_read_and_that_is_said(tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = compiled(tmp_path, EXP, "-O0", *flags, "-gsplit-dwarf")
    binary = Binary.open(path)
    assert signature(path) == "None"
    assert binary.undecoded is not None
    assert binary.undecoded.why.startswith("its debug information is split (-gsplit-dwarf): most of it is in ")
    assert binary.inlined_into("helper") is None
    with pytest.raises(NoSuchFunction) as caught:
        binary.functions("exp.c:17")
    name = binary.undecoded.why.partition(" is in ")[2].partition(" ")[0]
    assert name.endswith(".dwo")
    assert str(caught.value) == (
        f"{path}: exp.c:17: lines take debug information, and its debug information is split (-gsplit-dwarf): most of"
        f" it is in {name} or a .dwp file, which is not read: compile it without -gsplit-dwarf"
    )


def test_one_unit_that_is_split_is_enough(tmp_path: Path) -> None:
    (tmp_path / "other.c").write_text("int other(int x) { return x + 1; }\n")
    run("gcc", "-g", "-gsplit-dwarf", "-c", "-o", tmp_path / "other.o", tmp_path / "other.c")
    assert Binary.open(compiled(tmp_path, EXP, "-g", str(tmp_path / "other.o"))).undecoded is not None
    assert Binary.open(compiled(tmp_path, EXP, "-g")).undecoded is None


def test_what_is_compressed_by_zstd_is_read(tmp_path: Path) -> None:
    pytest.importorskip("zstandard" if sys.version_info < (3, 14) else "compression.zstd")
    plain = tmp_path / "plain"
    shutil.copy(compiled(tmp_path, EXP, "-g", "-O0"), plain)
    path = zstd(tmp_path)
    assert signature(path) == signature(plain) != "None"
    places = [Binary.open(each).functions("exp.c:17")[0].address for each in (path, plain)]
    assert places[0] == places[1]


def test_without_a_package_that_decompresses_it_is_said_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zstd(tmp_path)
    for module in ("zstandard", "compression.zstd"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NoSuchFunction) as caught:
        Binary.open(path).functions("exp.c:17")
    assert str(caught.value) == (
        f"{path}: exp.c:17: lines take debug information, and its debug information is compressed by zstd, and no"
        f" package that reads it is installed: pip install zstandard, or objcopy --decompress-debug-sections {path}"
    )


def test_what_is_damaged_where_it_is_compressed_is_corrupt(tmp_path: Path) -> None:
    pytest.importorskip("zstandard" if sys.version_info < (3, 14) else "compression.zstd")
    path = zstd(tmp_path)
    section = Binary.open(path).elf.section(".debug_info")
    assert section is not None
    data = bytearray(path.read_bytes())
    data[section.offset + 40 : section.offset + 60] = bytes(20)
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data)
    with pytest.raises(Corrupt, match="build or install the file again"):
        Binary.open(damaged).dwarf()
