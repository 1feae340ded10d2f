"""The text form: what it reads, and where its errors point."""

from __future__ import annotations

from typing import Any

import pytest
from fetch_emulator import Task, fire

from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.machines import AARCH64, X86_64
from pytest_ebpf.probes.plan import plan
from pytest_ebpf.probes.text_types import is_text, parse_text
from pytest_ebpf.probes.values import UNREADABLE

RDI, RSI, RDX = X86_64.arguments[:3]


def read(task: Task, text: str, *, is_return: bool = False) -> Any:
    made = plan({"it": parse_text(text)}, on=X86_64)
    hit = fire(made.spec, task, is_return=is_return)
    assert hit is not None
    return made.decode(hit)["it"]


@pytest.fixture
def task() -> Task:
    """arg0 points to {int -2, "keqing", …, pointer at 16}, arg1 is 5, arg2 is 1."""
    task = Task()
    deep = task.put(b"deep\0" + b"\0" * 3 + (77).to_bytes(8, "little"))
    data = (-2).to_bytes(4, "little", signed=True) + b"keqing\0" + b"\1\1\x50\0\0" + deep.to_bytes(8, "little")
    data += b"\0\0\0\0\0\0\xf8\x3f"  # 1.5
    at = task.put(data)
    task.registers = {RDI: at, RSI: 0xFFFF_FFFF_0000_0005, RDX: 0xF01, 11: 0, 9: 0, 8: 0}
    stack = b"\x99" * 8 + (123).to_bytes(8, "little") + at.to_bytes(8, "little")
    task.memory[task.sp] = stack
    task.results = {10: 0xFFFF_FFFF, 12: 9}
    return task


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("s32@arg0", -2),
        ("u32@arg0", 0xFFFF_FFFE),
        ("str@arg0+4", b"keqing"),
        ("str@arg0+0x4", b"keqing"),
        ("char[9]@arg0+4", b"keqing"),
        ("char@arg0+4", b"k"),
        ("u8[3]@arg0+4", (107, 101, 113)),
        ("u8[2][3]@arg0+4", ((107, 101, 113), (105, 110, 103))),
        ("bool@arg0+11", True),
        ("bool(arg2)", True),
        ("u16be@arg0+12", 0x150),
        ("s32(arg1)", 5),
        ("arg1", 0xFFFF_FFFF_0000_0005),
        ("arg1+1", 0xFFFF_FFFF_0000_0006),
        ("u8(arg2)", 1),
        ("str@arg0+16->", b"deep"),
        ("str@arg0+16->0", b"deep"),
        ("str@arg0+16->2", b"ep"),
        ("u64@arg0+16->8", 77),
        ("u64@arg0+16->16-8", None),
        ("f64@arg0+24", 1.5),
        ("s32@sp+8", 123),
        ("arg6", 123),
        ("s16(arg6)", 123),
        ("str@arg7+4", b"keqing"),
        ("buf@arg0+4:3", b"keq"),
        ("buf@arg0+4:u32(arg1)", b"keqin"),
        ("buf@arg0+4:u8(arg2)", b"k"),
        ("buf@arg0+4:u8@arg0+11", b"k"),
        ("s32@rdi", -2),
        ("rsi", 0xFFFF_FFFF_0000_0005),
    ],
)
def test_each_form_reads_what_it_says(task: Task, text: str, value: Any) -> None:
    if value is None:
        with pytest.raises(UsageError):
            parse_text(text)
        return
    assert read(task, text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("s32(ret)", -1),
        ("ret", 0xFFFF_FFFF),
        ("ret:str@arg0+4", b"keqing"),
        ("buf@arg0+4:s32(ret)", b""),
        ("ret:buf@arg0+4:u32(arg1)", b"keqin"),
    ],
)
def test_what_is_read_at_the_return(task: Task, text: str, value: Any) -> None:
    made = plan({"it": parse_text(text)}, on=X86_64)
    assert made.spec.returns
    entry = fire(made.spec, task)
    assert entry is not None
    assert not made.decode(entry)
    assert read(task, text, is_return=True) == value


def test_a_pointer_is_a_number_written_in_hexadecimal(task: Task) -> None:
    value = read(task, "ptr@arg0+16")
    assert (repr(value), read(task, "ptr(arg0)")) == (hex(value), task.registers[RDI])
    task.registers[RDI] = 0
    assert read(task, "ptr(arg0)") is None


@pytest.mark.parametrize(
    ("text", "step", "said"),
    [
        (
            "s32@arg1",
            0,
            "s32@arg1: nothing can be read at 0xffffffff00000005; the value of arg1 itself is s32(arg1)",
        ),
        (
            "str@arg1+4->8->16",
            0,
            "str@arg1+4->8->16: nothing can be read at 0xffffffff00000009 (dereference 0: arg1+4)",
        ),
        ("u8@arg0+16->8->1", 2, "u8@arg0+16->8->1: nothing can be read at 0x4e (dereference 2: u8@arg0+16->8->1)"),
        ("u8@arg0+16->8->1->", 2, "u8@arg0+16->8->1->: nothing can be read at 0x4e (dereference 2: arg0+16->8->1)"),
        ("u8@0xdead", 0, "u8@0xdead: nothing can be read at 0xdead"),
    ],
)
def test_what_cannot_be_read_says_which_step_failed(task: Task, text: str, step: int, said: str) -> None:
    value = read(task, text)
    assert value == UNREADABLE
    assert (value.step, value.why) == (step, said)
    assert repr(value) == f"UNREADABLE({said})"


def test_a_null_pointer_is_none_only_where_it_is_the_last(task: Task) -> None:
    task.registers[RSI] = 0
    assert read(task, "str@arg1") is None
    for text, step in (("str@arg1->", 0), ("str@arg1+4", 0), ("s32@arg1", 0)):
        value = read(task, text)
        assert value == UNREADABLE
        assert value.step == step
    assert read(task, "s32@arg1").why == ("s32@arg1: nothing can be read at 0x0; the value of arg1 itself is s32(arg1)")


def test_a_string_is_cut_at_its_limit(task: Task) -> None:
    assert read(task, "str[6]@arg0+4") == b"keqing"
    cut = read(task, "str[3]@arg0+4")
    assert (cut.value, cut.gap.why, cut.gap.remedy) == (
        b"keq",
        "it goes on after 3 bytes",
        "String(16382) or str[16382]",
    )


def test_arm64_has_eight_registers_and_no_return_address_on_the_stack() -> None:
    task = Task(registers={word: word + 100 for word in range(31)})
    task.memory[task.sp] = (9).to_bytes(8, "little")
    for text, value in (("arg0", 100), ("arg7", 107), ("arg8", 9), ("x20", 120)):
        made = plan({"it": parse_text(text)}, on=AARCH64)
        hit = fire(made.spec, task)
        assert hit is not None
        assert made.decode(hit)["it"] == value


TYPES = "s8 to s64, u8 to u64 (be after it: the highest byte first), f32, f64, bool, char, ptr, str, buf"
BASES = "arg0, arg1, …, ret, sp, a register such as rdi, or a number"


@pytest.mark.parametrize(
    ("text", "column", "why"),
    [
        ("", 1, f"a type is expected here: {TYPES}"),
        ("s33@arg0", 1, f"'s33' is no type; these are: {TYPES}"),
        ("s32", 1, f"'s32' is nothing to start from; that is {BASES}"),
        ("s32@", 5, f"what to start from is expected here: {BASES}"),
        ("s32@rag0", 5, "'rag0' is nothing to start from; that is " + BASES),
        ("s32@arg0+", 10, "a number of bytes is expected here"),
        ("s32@arg0+x", 10, "a number of bytes is expected here"),
        ("s32@arg0 ", 9, "nothing more is expected here"),
        ("s32@arg0+0x80000000", 10, "an offset is less than 2 GiB"),
        ("s32(arg0", 9, "')' is expected here"),
        ("s32(arg0->8)", 9, "a value itself lies behind no pointer: write '@' before the address"),
        ("str(arg0)", 4, "str is read at an address: write str@…"),
        ("u8[4](arg0)", 6, "u8[4] is read at an address: write u8[4]@…"),
        ("u8[", 4, "how many items is expected here"),
        ("u8[4@arg0", 5, "']' is expected here"),
        ("u64[3000]@arg0", 5, "1 to 16382 bytes can be read, not 24000"),
        ("u8[0]@arg0", 4, "1 to 16382 bytes can be read, not 0"),
        ("f64(arg0)", 1, "a value itself has no point: the kernel does not show floating point registers to BPF"),
        ("u8@arg0->->->->->->1", 18, "5 pointers can be followed, no more"),
        ("buf@arg0", 9, "':' and the buffer's length are expected here: an argument such as arg2, or a number"),
        ("buf@arg0:50000", 10, "1 to 16382 bytes can be read, not 50000"),
        ("buf@arg0:str@arg1", 10, "a length is a number"),
        ("buf@arg0:buf@arg1:2", 10, "a length is a number"),
    ],
)
def test_an_error_points_at_its_column(text: str, column: int, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_text(text)
    assert str(caught.value) == f"column {column}: {why}\n  {text}\n  {' ' * (column - 1)}^"


def test_a_register_of_another_machine_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        plan({"it": parse_text("x5")}, on=X86_64)
    assert str(caught.value).startswith("x5 is no register of x86-64; these are: r15, r14, ")


@pytest.mark.parametrize("text", ["accept_exp", "size", "num", "./exp", "int", "returned"])
def test_a_name_is_no_text_form(text: str) -> None:
    assert not is_text(text)
