"""USDT probes: as ``<sys/sdt.h>`` leaves them, as readelf shows them, and every form of an argument."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from compiled import compiled, offset_of, run

from pytest_ebpf.binaries import Binary, Corrupt, UsdtArgument
from pytest_ebpf.binaries.usdt_arguments import parse_arguments
from pytest_ebpf.probes.spec import NO_REGISTER, Base, Fetch, FetchKind

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = r"""
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
unsigned short shop_sold_semaphore __attribute__((section(".probes")));
#undef _SDT_HAS_SEMAPHORES

static int stock = 12;

__attribute__((noinline)) void sell(int count, const char *what, signed char size)
{
	STAP_PROBE5(shop, sold, count, what, size, stock, 5);
}

int main(int argc, char **argv)
{
	sell(argc, argv[0], -3);
	return 0;
}
"""
PLAIN = r"""
#include <sys/sdt.h>
static int stock = 12;
int main(int argc, char **argv)
{
	DTRACE_PROBE(shop, opened);
	DTRACE_PROBE3(shop, counted, argc, argv, stock);
	if (argc > 1)
		DTRACE_PROBE1(shop, counted, -7L);
	return ++stock;
}
"""


def shown_by_readelf(path: Path) -> list[tuple[str, str, int, int, str]]:
    """Return provider, name, address, semaphore and arguments."""
    text = run("readelf", "-nW", path)
    pattern = r"Provider: (\S+)\s+Name: (\S+)\s+Location: (0x\w+), Base: 0x\w+, Semaphore: (0x\w+)\s+Arguments: ?(.*)"
    return [(p, n, int(a, 16), int(s, 16), t.strip()) for p, n, a, s, t in re.findall(pattern, text)]


@pytest.mark.parametrize("flags", [("-O0",), ("-O2",), ("-O2", "-no-pie"), ("-O2", "-s"), ("-O1", "-static")])
@pytest.mark.parametrize("source", [PROGRAM, PLAIN], ids=["with semaphores", "without"])
def test_probes_are_those_that_readelf_shows(tmp_path: Path, source: str, flags: tuple[str, ...]) -> None:
    path = compiled(tmp_path, source, *flags)
    expected = shown_by_readelf(path)
    found = Binary.open(path).usdt()
    ours = [(each.provider, each.name, each.address) for each in found if each.provider == "shop"]
    assert ours == [each[:3] for each in expected if each[0] == "shop"]
    for each, (_, _, address, semaphore, arguments) in zip(found, expected, strict=True):
        assert each.offset == offset_of(path, address)
        assert each.semaphore_offset == (offset_of(path, semaphore) if semaphore else None)
        assert " ".join(argument.text for argument in each.arguments) == arguments
        if each.provider == "shop" and "-s" not in flags:
            assert [argument.problem for argument in each.arguments] == [None] * len(each.arguments)


def test_the_probes_of_python_are_read() -> None:
    path = "/usr/bin/python3"
    found = Binary.open(path).usdt()
    expected = shown_by_readelf(Path(path))
    assert [(each.provider, each.name, each.address) for each in found] == [each[:3] for each in expected]
    if found:  # Debian's is built --with-dtrace
        entry = next(each for each in found if (each.provider, each.name) == ("python", "function__entry"))
        assert [(each.size, each.signed) for each in entry.arguments] == [(8, False), (8, False), (4, True)]
        assert entry.semaphore_offset is not None


def test_a_program_without_probes_has_none(tmp_path: Path) -> None:
    assert Binary.open(compiled(tmp_path, "int main(void) { return 0; }\n")).usdt() == []


def test_code_moved_after_linking_moves_its_probes(tmp_path: Path) -> None:
    path = compiled(tmp_path, PLAIN, "-O2", "-no-pie")
    before = Binary.open(path).usdt()
    data = bytearray(path.read_bytes())
    section = Binary.open(path).elf.section(".note.stapsdt")
    assert section is not None
    # As prelink leaves it: the notes still say where the base was.
    at = section.offset + 12 + 8 + 8
    (base,) = struct.unpack_from("<Q", data, at)
    struct.pack_into("<Q", data, at, base - 4)
    path.write_bytes(data)
    assert Binary.open(path).usdt()[0].address == before[0].address + 4


def test_a_note_that_leads_nowhere_is_damage(tmp_path: Path) -> None:
    path = compiled(tmp_path, PLAIN, "-O2", "-no-pie")
    section = Binary.open(path).elf.section(".note.stapsdt")
    assert section is not None
    data = bytearray(path.read_bytes())
    struct.pack_into("<Q", data, section.offset + 20, 0x10)
    path.write_bytes(data)
    with pytest.raises(Corrupt) as error:
        Binary.open(path).usdt()
    assert str(error.value) == (
        f"{path}: its USDT probe shop:opened is at 0x10, which is not in the file: build or install it again"
    )
    struct.pack_into("<I", data, section.offset + 4, 1 << 20)
    path.write_bytes(data)
    with pytest.raises(Corrupt) as error:
        Binary.open(path).usdt()
    assert str(error.value) == f"{path}: its notes are cut off: build or install the file again"


SYMBOLS = {"stock": 0x4010, ".Lthere": 0x5000}
RAX, RBP, RDI, RBX, RIP = 10, 4, 14, 5, 16

X86: dict[str, Mapping[str, object]] = {
    "-4@%edi": {"size": 4, "signed": True, "kind": "register", "register": RDI, "width": 4},
    "8@%rax": {"size": 8, "signed": False, "kind": "register", "register": RAX, "width": 8},
    "2@%ax": {"size": 2, "kind": "register", "register": RAX, "width": 2},
    "-1@%al": {"size": 1, "signed": True, "kind": "register", "register": RAX, "width": 1, "shift": 0},
    "1@%ah": {"size": 1, "kind": "register", "register": RAX, "width": 1, "shift": 8},
    "4@%r15d": {"kind": "register", "register": 0, "width": 4},
    "1@%sil": {"kind": "register", "register": 13, "width": 1},
    "8@-16(%rbp)": {"kind": "memory", "register": RBP, "displacement": -16, "index": NO_REGISTER},
    "-8@(%rsp)": {"kind": "memory", "register": 19, "displacement": 0},
    "8@0x10(%rsp)": {"kind": "memory", "register": 19, "displacement": 16},
    "4@8+4(%rsp)": {"kind": "memory", "register": 19, "displacement": 12},
    "8@16(%rax,%rbx,4)": {"kind": "memory", "register": RAX, "index": RBX, "scale": 4, "displacement": 16},
    "8@(%rax,%rbx)": {"kind": "memory", "register": RAX, "index": RBX, "scale": 1},
    "4@$5": {"kind": "constant", "constant": 5},
    "-4@$-1": {"kind": "constant", "constant": -1, "signed": True},
    "8@$0x10": {"kind": "constant", "constant": 16},
    "4@stock(%rip)": {"kind": "memory", "register": RIP, "displacement": 0x4010 - 0x1234},
    "4@stock+8(%rip)": {"kind": "memory", "register": RIP, "displacement": 0x4018 - 0x1234},
    "4@8+stock(%rip)": {"kind": "memory", "register": RIP, "displacement": 0x4018 - 0x1234},
    "8f@-8(%rbp)": {"kind": "memory", "register": RBP, "is_float": True},
    "8f@%xmm0": {"problem": "it is in a floating point register, and the kernel gives those to no probe"},
    "4@%fs:16": {"problem": "'%fs:16' is not understood"},
    "4@%fs:x@tpoff(%rax)": {"problem": "'%fs:x@tpoff(%rax)' is not understood"},
    "4@stock": {"problem": "'stock' is not understood"},
    "8@$stock": {"problem": "'$stock' is not understood"},
    "4@none(%rip)": {"problem": "the address of 'none' is not known: the file has no such symbol, or several"},
    "4@12(%rip)": {"problem": "'12(%rip)' is not understood"},
    "3@%eax": {"problem": "it has 3 bytes, not 1, 2, 4 or 8"},
    "4@%zzz": {"problem": "'%zzz' is not understood"},
    "nonsense": {"problem": "'nonsense' is not understood"},
}
X86_FIXED: dict[str, Mapping[str, object]] = {
    "4@stock": {"kind": "memory", "register": NO_REGISTER, "displacement": 0x4010},
    "8@$stock+4": {"kind": "constant", "constant": 0x4014},
    "4@stock(,%rax,8)": {"kind": "memory", "register": NO_REGISTER, "index": RAX, "scale": 8, "displacement": 0x4010},
    "4@stock(%rax)": {"kind": "memory", "register": RAX, "displacement": 0x4010},
}
ARM: dict[str, Mapping[str, object]] = {
    "8@x0": {"kind": "register", "register": 0, "width": 8},
    "-4@w19": {"kind": "register", "register": 19, "width": 4, "signed": True},
    "8@sp": {"kind": "register", "register": 31},
    "-4@[sp, 12]": {"kind": "memory", "register": 31, "displacement": 12, "signed": True},
    "-4@[x1]": {"kind": "memory", "register": 1, "displacement": 0},
    "8@[x29, -16]": {"kind": "memory", "register": 29, "displacement": -16},
    "8@[x29, #-16]": {"kind": "memory", "register": 29, "displacement": -16},
    "8@[x0, x1]": {"kind": "memory", "register": 0, "index": 1, "scale": 1},
    "8@[x0, x1, lsl 3]": {"kind": "memory", "register": 0, "index": 1, "scale": 8},
    "4@5": {"kind": "constant", "constant": 5},
    "-4@-5": {"kind": "constant", "constant": -5},
    "8@xzr": {"kind": "constant", "constant": 0},
    "8f@d0": {"problem": "it is in a floating point register, and the kernel gives those to no probe"},
    "8@[x0, w1, sxtw 3]": {"problem": "'[x0, w1, sxtw 3]' is not understood"},
    "8@[w0]": {"problem": "'[w0]' is not understood"},
}


def parse(text: str, machine: str = "x86-64", *, is_fixed: bool = False) -> tuple[UsdtArgument, ...]:
    return parse_arguments(text, machine, place=0x1234, is_fixed=is_fixed, address_of=SYMBOLS.get)


def check(argument: UsdtArgument, text: str, expected: Mapping[str, object]) -> None:
    assert argument.text == text
    assert {name: getattr(argument, name) for name in expected} == expected
    if "problem" not in expected:
        assert argument.problem is None


@pytest.mark.parametrize("text", X86)
def test_an_operand_of_x86_64_is_understood(text: str) -> None:
    (argument,) = parse(text)
    check(argument, text, X86[text])


@pytest.mark.parametrize("text", X86_FIXED)
def test_a_program_at_fixed_addresses_may_name_symbols(text: str) -> None:
    (argument,) = parse(text, is_fixed=True)
    check(argument, text, X86_FIXED[text])


@pytest.mark.parametrize("text", ARM)
def test_an_operand_of_arm64_is_understood(text: str) -> None:
    (argument,) = parse(text, "aarch64")
    check(argument, text, ARM[text])


def test_all_arguments_of_a_probe_are_kept_in_their_order() -> None:
    for texts, machine in ((X86, "x86-64"), (ARM, "aarch64")):
        arguments = parse("  ".join(texts), machine)
        assert [each.text for each in arguments] == list(texts)
    assert parse("") == ()


def test_an_argument_says_how_it_is_fetched() -> None:
    assert [each.fetch() for each in parse("-4@%edi 8@-16(%rbp) 4@$-5 2@8(%rax,%rbx,4)")] == [
        Fetch(kind=FetchKind.VALUE, base=Base.REGISTER, register=RDI),
        Fetch(kind=FetchKind.BYTES, base=Base.REGISTER, register=RBP, offsets=(-16,), size=8),
        Fetch(kind=FetchKind.VALUE, base=Base.CONSTANT, constant=(1 << 64) - 5),
        Fetch(kind=FetchKind.BYTES, base=Base.REGISTER, register=RAX, index=RBX, scale=4, offsets=(8,), size=2),
    ]
    (fixed,) = parse("4@stock(,%rax,8)", is_fixed=True)
    assert fixed.fetch() == Fetch(kind=FetchKind.BYTES, base=Base.CONSTANT, constant=0x4010, index=RAX, scale=8, size=4)


@pytest.mark.parametrize(
    ("text", "word", "value"),
    [
        ("-4@%edi", 0xDEADBEEF_FFFFFFFE, -2),
        ("4@%edi", 0xDEADBEEF_FFFFFFFE, 0xFFFFFFFE),
        ("1@%ah", 0x1234, 0x12),
        ("-1@%al", 0x80, -128),
        ("-8@%rax", (1 << 64) - 3, -3),
        ("1@%eax", 0x1FF, 0xFF),
    ],
)
def test_a_value_is_that_part_of_its_register(text: str, word: int, value: int) -> None:
    (argument,) = parse(text)
    assert argument.value(word) == value


def test_a_variable_is_found_from_where_the_probe_is(tmp_path: Path) -> None:
    path = compiled(tmp_path, PLAIN, "-O2")
    probe = next(each for each in Binary.open(path).usdt() if len(each.arguments) == 3)
    stock = probe.arguments[2]
    (line,) = (line for line in run("nm", path).splitlines() if line.endswith(" stock"))
    if stock.kind == "memory":
        assert (stock.register, probe.address + stock.displacement) == (RIP, int(line.split()[0], 16))
