"""What is read for what is asked, and what becomes of it: chains, limits, and what is missing."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from fetch_emulator import Task, fire
from planned import RDI, RDX, RSI, Inode, Task4, deep_task, planned

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.errors import TraceIncomplete, UsageError
from pytest_ebpf.matching import compare
from pytest_ebpf.probes.arguments import ByReference, OnStack, Registers, places
from pytest_ebpf.probes.ctypes_types import Buffer, Pointer, String, from_ctypes
from pytest_ebpf.probes.machines import X86_64, machine
from pytest_ebpf.probes.plan import Plan, plan
from pytest_ebpf.probes.planner import Argument
from pytest_ebpf.probes.spec import MAX_FETCHES
from pytest_ebpf.probes.text_types import Anchor, Text, parse_text
from pytest_ebpf.probes.types import Array, Character, Field, Integer, Slice, Structure, pointer
from pytest_ebpf.probes.values import UNREADABLE, Structured, Unreadable
from pytest_ebpf.syscalls.comparing import compare_value

LONG = Integer(8, signed=False)


@pytest.fixture
def deep() -> Task:
    return deep_task()


def values(made: Plan, task: Task, **options: Any) -> dict[str, Any]:
    hit = fire(made.spec, task, **options)
    assert hit is not None
    return made.decode(hit)


def test_a_chain_of_four_pointers_is_followed_by_types(deep: Task) -> None:
    made = planned(task=Pointer(Task4))
    task = values(made, deep)["task"]
    assert task.mm.exe_file.f_inode.i_ino == 4711
    assert task.mm.exe_file.f_name == b"/bin/true"
    assert (task.pid, task.bits, task.port, task.comm, task.x) == (7, -2, 443, b"true", 0.5)
    assert len(made.spec.fetches) == 5
    assert repr(task.mm) == '{exe_file={pad=0, f_inode={pad=0, i_ino=4711}, f_name="/bin/true"}}'


def test_a_pointer_that_is_not_followed_is_never_taken_for_another_value(deep: Task) -> None:
    task = values(planned(task=Pointer(Task4), follow=2), deep)["task"]
    with pytest.raises(TraceIncomplete) as caught:
        _ = task.mm.exe_file
    assert str(caught.value) == (
        "exe_file: *task->mm->exe_file is not read: 2 pointers are followed, one after the other; try ask for it in"
        " the text form, as in 'u64@arg0+8->16'"
    )
    assert compare({"i_ino": 1}, task.mm.raw("exe_file")) is Verdict.UNKNOWN


def test_each_broken_link_says_where_the_chain_ends(deep: Task) -> None:
    made = planned(task=Pointer(Task4))
    links = sorted(deep.memory)[:4]  # inode, name, file, mm, task
    del deep.memory[links[0]]
    task = values(made, deep)["task"]
    assert task.mm.exe_file.f_inode == UNREADABLE
    assert repr(task.mm.exe_file.f_inode) == (
        f"UNREADABLE(*task->mm->exe_file->f_inode: nothing can be read at {links[0]:#x}"
        " (dereference 3: *task->mm->exe_file->f_inode))"
    )
    del deep.memory[links[3]]
    broken = values(made, deep)["task"].mm
    assert (broken.step, broken.address) == (1, links[3])
    with pytest.raises(TraceIncomplete):
        _ = broken == 5
    assert compare(5, broken) is Verdict.UNKNOWN
    deep.registers[RDI] = 0
    assert values(made, deep)["task"] is None
    deep.registers[RDI] = 0x10
    assert values(made, deep)["task"].why == "*task: nothing can be read at 0x10"


def test_those_nearest_are_followed_as_far_as_there_is_room() -> None:
    links = type("Links", (ctypes.Structure,), {"_fields_": [(f"l{n}", ctypes.c_char_p) for n in range(40)]})
    made = planned(first=Pointer(links), second=ctypes.c_char_p)
    assert len(made.spec.fetches) == MAX_FETCHES
    task = Task()
    text = task.put(b"text\0")
    task.registers = {RDI: task.put(text.to_bytes(8, "little") * 40), RSI: text}
    found = values(made, task)
    assert found["second"] == b"text"
    assert found["first"].l21 == b"text"
    with pytest.raises(TraceIncomplete) as caught:
        _ = found["first"].l22
    assert str(caught.value) == (
        "l22: *first->l22 is not read: a probe reads 24 values and 16384 bytes at most, what is nearer first; try ask"
        " for it in the text form, as in 'u64@arg0+8->16'"
    )


def test_more_values_than_a_probe_reads_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        plan({f"v{n}": parse_text(f"u8@arg0+{n}") for n in range(25)}, on=X86_64)
    assert str(caught.value) == "a probe reads 24 values at most, and more are asked for: name fewer"


def test_the_same_value_is_read_once() -> None:
    made = plan({"a": parse_text("arg0"), "b": parse_text("u32(arg0)")}, on=X86_64, where="a == 5 and b != 6")
    assert len(made.spec.fetches) == 1


def test_more_registers_than_are_kept_for_the_return_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        plan({f"v{n}": parse_text(f"ret:u8@arg{n}") for n in range(5)}, on=X86_64)
    assert str(caught.value) == "at the return, 4 registers of the entry are known at most, and 5 are asked for"


def test_what_the_record_had_no_room_for_is_not_known(deep: Task) -> None:
    made = planned(task=Pointer(Task4), number=ctypes.c_int)
    found = values(made, deep, cut_after=2)
    assert found["number"] == 300
    assert found["task"].raw("mm") == Gap("the record had no room for it", "ask for fewer or shorter values")
    found = values(made, deep, cut_after=0)
    assert isinstance(found["task"], Gap)
    assert isinstance(found["number"], Gap)


def test_what_lies_beyond_the_bytes_that_are_copied_is_not_known() -> None:
    large = type("Large", (ctypes.Structure,), {"_fields_": [("a", ctypes.c_char * 4090), ("b", ctypes.c_long * 9)]})
    task = Task()
    task.registers = {RDI: task.put(bytes(large(b"x")))}
    found = values(planned(it=Pointer(large)), task)["it"]
    assert found.a == b"x"
    with pytest.raises(TraceIncomplete) as caught:
        _ = found.b
    assert str(caught.value) == "b: it lies beyond the first 4096 bytes; try ask for it in the text form"


@pytest.mark.parametrize(("name", "whole"), [(b"long enough", False), (b"short", True), (b"", True)])
def test_text_that_is_copied_in_part_is_whole_if_its_nul_is_there(name: bytes, whole: bool) -> None:
    fields = [("a", ctypes.c_char * 4090), ("name", ctypes.c_char * 20)]
    large = type("Large", (ctypes.Structure,), {"_fields_": fields})
    task = Task()
    task.registers = {RDI: task.put(bytes(large(b"x", name)))}
    found = values(planned(it=Pointer(large)), task)["it"].raw("name")
    if whole:
        assert found == name
    else:
        assert isinstance(found, Cut)
        assert (found.value, compare_value("long enough", found), compare_value("lung", found)) == (
            *(b"long e", Verdict.UNKNOWN, Verdict.NO),
        )


def test_an_array_of_strings_is_read_item_by_item() -> None:
    strings = type("Strings", (ctypes.Structure,), {"_fields_": [("of", ctypes.c_char_p * 3)]})
    task = Task()
    words = [task.put(b"a\0"), 0, task.put(b"c\0")]
    task.registers = {RDI: task.put(b"".join(word.to_bytes(8, "little") for word in words))}
    assert values(planned(it=Pointer(strings)), task)["it"].of == (b"a", None, b"c")


def test_a_slice_is_a_pointer_and_a_length() -> None:
    task = Task()
    task.registers = {RDI: task.put("añb and more".encode()), RSI: 4, RDX: 7}
    text = Slice(limit=6)
    first, second = places([text, LONG], X86_64)
    made = plan({"s": Argument(text, first), "n": Argument(LONG, second)}, on=X86_64)
    assert values(made, task) == {"s": "añb".encode(), "n": 7}
    task.registers[RSI] = 9
    cut = values(made, task)["s"]
    assert isinstance(cut, Cut)
    assert (cut.value, cut.total) == ("añb a".encode(), 9)


def test_text_at_the_end_of_a_structure_is_read_as_a_string() -> None:
    kind = Structure("struct s", 4, 4, (Field("n", Integer(4, signed=True), 0),))
    tail = pointer(Array(Character(), None))
    task = Task()
    task.registers = {RDI: task.put(b"tail\0"), RSI: task.put(b"\1\0\0\0")}
    made = plan({"t": Argument(tail, Registers((RDI,))), "s": Argument(pointer(kind), Registers((RSI,)))}, on=X86_64)
    assert values(made, task) == {"t": b"tail", "s": {"n": 1}}


def test_a_structure_on_the_stack_or_behind_an_address_has_its_fields() -> None:
    kind = from_ctypes(Inode)
    task = Task()
    task.memory[task.sp] = bytes(8) + bytes(Inode(1, 2))
    task.registers = {RDI: task.put(bytes(Inode(3, 4)))}
    made = plan(
        {"a": Argument(kind, OnStack(8)), "b": Argument(kind, ByReference(Registers((RDI,))))},
        on=X86_64,
        where="a.i_ino == 2 and b.pad == 3",
    )
    assert values(made, task) == {"a": {"pad": 1, "i_ino": 2}, "b": {"pad": 3, "i_ino": 4}}
    task.memory.popitem()
    assert values(made, task)["b"] == UNREADABLE


def test_a_buffer_that_is_filled_is_read_at_the_return() -> None:
    made = planned(fd=ctypes.c_int, data=Buffer("ret"), size=ctypes.c_size_t)
    task = Task(registers={RDI: 5, RDX: 100})
    task.registers[RSI] = task.put(b"filled and more")
    task.results = {10: 6, 12: 0}
    assert values(made, task) == {"fd": 5, "size": 100}
    assert values(made, task, is_return=True) == {"data": b"filled"}
    task.results[10] = 0
    assert values(made, task, is_return=True) == {"data": b""}


@pytest.mark.parametrize(
    ("length", "said"),
    [
        ("sise", "'sise' is not a value that is asked for; did you mean 'size'?"),
        ("text", "text, the length of *data, is no number: char *"),
    ],
)
def test_a_length_that_is_none_is_refused(length: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        planned(data=Buffer(length), size=ctypes.c_size_t, text=ctypes.c_char_p)
    assert str(caught.value) == said


@pytest.mark.parametrize("limit", [0, 16383])
def test_a_limit_that_cannot_be_read_is_refused(limit: int) -> None:
    for make in (String, lambda limit: Buffer(4, limit=limit)):
        with pytest.raises(UsageError) as caught:
            make(limit)
        assert str(caught.value) == f"1 to 16382 bytes can be read, not {limit}"


def test_an_operand_may_have_an_index() -> None:
    text = Text(
        "4@8(%rdi,%rsi,4)", Integer(4, signed=True), Anchor("register", 0, "rdi", "rsi", 4), (8,), in_memory=True
    )
    task = Task(registers={RSI: 2})
    task.registers[RDI] = task.put(bytes(16) + (-5).to_bytes(4, "little", signed=True))
    assert values(plan({"it": text}, on=X86_64), task) == {"it": -5}


def test_another_machine_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        machine("riscv64")
    assert str(caught.value) == "arguments of functions are known for x86-64 and aarch64, not for riscv64"


def test_what_is_unreadable_equals_only_what_is_unreadable() -> None:
    one, other = Unreadable("a: no", address=5, step=1), Unreadable("b: no", address=6, step=1)
    assert one == UNREADABLE
    assert other == UNREADABLE
    assert one != other
    assert one == Unreadable("a: no", address=5, step=1)
    assert hash(one) == hash(UNREADABLE)
    assert (repr(one), repr(UNREADABLE)) == ("UNREADABLE(a: no)", "UNREADABLE")
    with pytest.raises(TraceIncomplete, match=r"^a: no$"):
        _ = one == b"x"
    fields = Structured({"name": one, "rest": Gap("it was lost")})
    assert fields.name is one
    with pytest.raises(TraceIncomplete, match=r"^rest: it was lost$"):
        _ = fields.rest
