"""Which types a BCC program's maps and events have: those that BCC compiled, where it says which is which."""

from __future__ import annotations

import ctypes
import subprocess
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from tiers import require_command

from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.types import Integer, Opaque, Structure, spelled
from pytest_ebpf.user_programs.bcc_types import BccTypes

SOURCE = """
typedef unsigned int u32;
typedef unsigned long long u64;
enum color { RED, GREEN = 7 };
struct data { unsigned char a; u32 pid; enum color c; char comm[16]; u64 grid[2][3]; } __attribute__((packed));
struct four { u32 address; u32 port; };
struct six { unsigned __int128 address; u32 port; };
struct odd { u32 kept; union { u32 in; char out; }; };
struct ____btf_map_counts { u32 key; struct data value; } counts;
struct ____btf_map_queue { struct four value; } queue;
#define SUBMIT(of) ({ static struct ____ebpf_output { of value; } anchor __attribute__((used)); })
void program(void)
{
    SUBMIT(struct data); SUBMIT(struct four); SUBMIT(struct six); SUBMIT(struct odd); SUBMIT(struct four);
    SUBMIT(char);
}
"""
FIELDS: dict[str, tuple[str, ...]] = {
    "events": ("a#unsigned char", "pid#u32", "c#enum color", "comm#char[16]", "grid#u64 [2][3]"),
    "four": ("address#u32", "port#u32"),
    "six": ("address#unsigned __int128", "port#u32"),
    "odd": ("kept#u32", "#union (anonymous union at x.c:9:26)"),
    "plain": (),
}


@pytest.fixture(scope="module")
def btf(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Compile what BCC's macros and our header come to."""
    require_command("clang")
    folder = tmp_path_factory.mktemp("btf")
    (folder / "made.c").write_text(SOURCE)
    subprocess.run(
        ["clang", "-target", "bpf", "-O1", "-g", "-c", "made.c"], cwd=folder, check=True, capture_output=True
    )
    with (folder / "made.o").open("rb") as file:
        elf: Any = ELFFile(file)
        return bytes(elf.get_section_by_name(".BTF").data())


def types(btf: bytes, given: dict[str, Any] | None = None, fields: dict[str, tuple[str, ...]] = FIELDS) -> BccTypes:
    outputs = [{"name": name, "number": at, "fields": fields[name]} for at, name in enumerate(fields)]
    return BccTypes("tool.c", btf, outputs, given)


def test_maps_have_the_types_they_were_declared_with(btf: bytes) -> None:
    key, value = types(btf).of_map("counts")
    assert key == Integer(4, signed=False)
    assert isinstance(value, Structure)
    assert [(field.name, spelled(field.type), field.offset) for field in value.fields] == [
        ("a", "u8", 0),
        ("pid", "u32", 1),
        ("c", "enum color", 5),
        ("comm", "char[16]", 9),
        ("grid", "u64[2][3]", 25),
    ]
    queue = types(btf).of_map("queue")
    assert queue[0] is None
    assert isinstance(queue[1], Structure)
    assert types(btf).of_map("unknown") == (None, None)


@pytest.mark.parametrize(
    ("output", "name", "size"),
    [("events", "data", 73), ("four", "four", 8), ("six", "six", 32), ("odd", "odd", 8)],
)
def test_an_output_has_the_structure_that_has_the_fields_bcc_tells_of(
    btf: bytes, output: str, name: str, size: int
) -> None:
    kind = types(btf).of_output(output)
    assert isinstance(kind, Structure)
    assert (kind.name, kind.size) == (f"struct {name}", size)


def test_what_the_test_says_counts(btf: bytes) -> None:
    given: dict[str, Any] = {"plain": ctypes.c_uint32, "odd": "struct four"}
    told = types(btf, given)
    assert told.of_output("plain") == Integer(4, signed=False)
    assert spelled(told.of_output("odd")) == "struct four"


def test_of_what_is_no_structure_nothing_tells_the_type(btf: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        types(btf).of_output("plain")
    assert str(caught.value) == (
        "tool.c: what is submitted to plain is no structure, and BCC says nothing of its type\n"
        '  try     types={"plain": ctypes.c_uint32}, or whatever it is'
    )


def test_two_structures_for_one_output_are_not_guessed_at(btf: bytes) -> None:
    # BCC remembers the last; what was submitted before would be decoded as that.
    with pytest.raises(UsageError) as caught:
        types(btf, fields={name: FIELDS[name] for name in ("events", "six", "odd")}).of_output("events")
    assert str(caught.value) == (
        "tool.c: the type of what is submitted to events is not known: the text submits struct four too, and BCC does"
        " not say where to\n"
        '  try     types={"events": "NAME"} with a structure of the text\'s, or a ctypes.Structure'
    )


def test_a_structure_that_nobody_has_seen_is_not_guessed_at(btf: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        types(btf, fields={**FIELDS, "other": ("nobody#u32",)}).of_output("other")
    assert str(caught.value) == (
        "tool.c: the type of what is submitted to other is not known: no structure of the text has the fields that BCC"
        " says it has\n"
        '  try     types={"other": "NAME"} with a structure of the text\'s, or a ctypes.Structure'
    )


def test_structures_that_look_alike_to_bcc_are_not_guessed_at(btf: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        types(btf, fields={**FIELDS, "either": ("address#address_t", "port#u32")}).of_output("either")
    assert str(caught.value) == (
        "tool.c: the type of what is submitted to either is not known: struct four and struct six have the same"
        " fields\n"
        '  try     types={"either": "NAME"} with a structure of the text\'s, or a ctypes.Structure'
    )


def test_events_refer_to_their_output_by_its_number(btf: bytes) -> None:
    name, kind = types(btf).of_event(1)
    assert (name, spelled(kind)) == ("four", "struct four")
    name, unknown = types(btf).of_event(4)
    assert (name, type(unknown)) == ("plain", Opaque)
    known = {name: FIELDS[name] for name in FIELDS if name != "plain"}
    assert types(btf, fields=known).emitted().keys() == known.keys()


def test_there_are_no_variables(btf: bytes) -> None:
    assert types(btf).variables() == {}
