"""Types out of BTF: those of a compiled program are what its DWARF says, and the running kernel's are there."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import c_types
import pytest
from elftools.elf.elffile import ELFFile
from tiers import require_command

from pytest_ebpf.errors import Unavailable, UsageError
from pytest_ebpf.probes.btf_types import Btf, kernel_btf
from pytest_ebpf.probes.types import PointerTo, Structure, spelled

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = f"""{c_types.MANY}
struct later;
long simple(const struct many *m, char c, enum color e, struct later *l)
{{ return m->inside; }}
void more(unsigned char *bytes) {{}}
"""


@pytest.fixture(scope="module")
def btf(tmp_path_factory: pytest.TempPathFactory) -> Btf:
    """Compile C code for BPF, of which clang describes the types in BTF."""
    require_command("clang")
    folder = tmp_path_factory.mktemp("btf")
    (folder / "made.c").write_text(SOURCE)
    subprocess.run(
        ["clang", "-target", "bpf", "-O1", "-g", "-c", "made.c"], cwd=folder, check=True, capture_output=True
    )
    with (folder / "made.o").open("rb") as file:
        elf: Any = ELFFile(file)
        return Btf(elf.get_section_by_name(".BTF").data())


def test_functions_and_fields_are_as_they_were_declared(btf: Btf) -> None:
    simple = btf.signature("simple")
    assert str(simple) == ("s64 simple(const struct many * m, char c, enum color e, struct later * l)")
    pointer = simple.arguments[0][1]
    assert isinstance(pointer, PointerTo)
    many = pointer.target()
    assert many is btf.structure("many")
    assert isinstance(many, Structure)
    assert (many.size, many.alignment) == (96, 8)
    assert [
        (f.name, spelled(f.type), f.offset * 8 + f.bit_offset, f.bit_size) for f in many.fields
    ] == c_types.MANY_FIELDS


def test_enumerations_have_their_values(btf: Btf) -> None:
    kinds: dict[str, Any] = dict(btf.signature("simple").arguments)
    color = kinds["e"]
    assert (color.names(), color.size, color.signed) == ({"RED": 1, "GREEN": 2, "LAST": -1}, 4, True)
    assert kinds["l"].target().why == "later is only declared"
    ((name, data),) = btf.signature("more").arguments
    assert isinstance(data, PointerTo)
    assert (name, data.target()) == ("bytes", None)


def test_what_there_is_not_is_refused_with_the_nearest(btf: Btf) -> None:
    with pytest.raises(UsageError) as caught:
        btf.signature("simpel")
    assert str(caught.value) == "the kernel's BTF has no function 'simpel'; did you mean simple?"
    with pytest.raises(UsageError) as caught:
        btf.structure("color")
    assert str(caught.value) == "the kernel's BTF has no structure 'color'"
    with pytest.raises(UsageError) as caught:
        btf.tracepoint("none")
    assert str(caught.value) == "the kernel's BTF has no tracepoint 'none'"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "this is no BTF: it does not begin with 0xeb9f"),
        (b"\x7fELF" + bytes(100), "this is no BTF: it does not begin with 0xeb9f"),
        (
            b"\x9f\xeb\x01\x00" + bytes([24, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0]) + bytes(10),
            "this BTF ends in the middle of a type",
        ),
    ],
)
def test_what_is_no_btf_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Btf(data)
    assert str(caught.value) == said


def test_a_kernel_without_btf_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    with pytest.raises(Unavailable) as caught:
        kernel_btf(str(path))
    assert str(caught.value) == (
        f"pytest-ebpf: the types of the kernel cannot be read: {path}: No such file or directory\n"
        "  needs   a kernel built with CONFIG_DEBUG_INFO_BTF, and /sys mounted"
    )
