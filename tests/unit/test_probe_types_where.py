"""``where=``: what the kernel compares, and what it cannot."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from fetch_emulator import Task, fire
from planned import Color, Inode, Task4, deep_task, planned

from pytest_ebpf._values import Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.arguments import places
from pytest_ebpf.probes.ctypes_types import Pointer, from_ctypes
from pytest_ebpf.probes.machines import X86_64
from pytest_ebpf.probes.plan import plan
from pytest_ebpf.probes.planner import Argument
from pytest_ebpf.probes.spec import Base, Op
from pytest_ebpf.probes.text_types import parse_text


@pytest.fixture
def deep() -> Task:
    return deep_task()


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        ("size > 200", True),
        ("size > 1_000_000", False),
        ("200 < size <= 300", True),
        ("300 == size", True),
        ("299 > size", False),
        ("size & 4", True),
        ("size & 3", False),
        ("(size & 4) != 0", True),
        ("size", True),
        ("not size", False),
        ("size != 0x12c", False),
        ("color == GREEN", True),
        ("color == RED", False),
        ("color != RED and size == 300 and task.pid == 7 and task.color >= 2", True),
        ("task.pid == -7", False),
        ("task.pid > -8", True),
        ("task.mm.exe_file.f_inode.i_ino == 4711", True),
        ("task.mm.exe_file.f_inode.i_ino == 4712", False),
        ("task.mm == None", False),
        ("task.mm is not None", True),
        ("task != 0", True),
        ("task.port == 443", True),
        ("task.port != 443", False),
        ("", True),
    ],
)
def test_filters_are_compared_by_the_kernel(deep: Task, where: str, passes: bool) -> None:
    made = planned(task=Pointer(Task4), size=ctypes.c_size_t, color=Color, where=where)
    assert (fire(made.spec, deep) is not None) is passes


def test_what_a_filter_cannot_read_passes_and_is_said_to_be_unknown(deep: Task) -> None:
    made = planned(task=Pointer(Task4), where="task.mm.exe_file.f_inode.i_ino == 1 ")
    assert fire(made.spec, deep) is None
    del deep.memory[min(deep.memory)]
    hit = fire(made.spec, deep)
    assert hit is not None
    assert made.passed(hit) is Verdict.UNKNOWN
    made = planned(task=Pointer(Task4), where="task.pid == 7")
    hit = fire(made.spec, deep)
    assert hit is not None
    assert made.passed(hit) is Verdict.YES


TRY = (
    "\n  try     comparisons of values with numbers, joined by 'and': 'size > 1_000_000 and t.kind == 2 and flags & 4'"
)

NO_STRINGS = "is a string or an array: the kernel compares no strings, the assertion can"

BITS = "of bits, the kernel tells whether one of them is set: 'flags & 4'"

FIVE = "size > 1 and size > 2 and size > 3 and size > 4 and size > 5"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("sise > 1", "'sise' is not a value that is asked for; did you mean 'size'?"),
        ("task.pod > 1", "'pod' is not a field of task, struct Task4; did you mean 'pid'?"),
        ("size.x > 1", "size is u64, which has no field 'x'"),
        ("task.bits == 1", "task.bits is a bit-field: the kernel compares whole bytes"),
        (FIVE, f"where='{FIVE}': the kernel compares 4 values at most, not 5"),
        ("text == 'x'", f"where=\"text == 'x'\": the kernel compares no strings: compare them in the assertion{TRY}"),
        *(
            (where, f"where='{where}': {why}{TRY}")
            for where, why in [
                ("size >", "invalid syntax"),
                ("size > 1 or size < 0", "'or' is not compared by the kernel: ask for two probes"),
                ("task.comm == 5", f"task.comm {NO_STRINGS}"),
                ("text", f"text {NO_STRINGS}"),
                ("task.x > 1", "task.x is f32: BPF programs cannot compute with a point"),
                ("size > -1", "size is u64, which is never -1"),
                ("task.pid > 1.5", "'1.5' is no number"),
                ("size in (1, 2)", "the kernel does not compare by 'in'"),
                ("size & 6 == 4", BITS),
                ("1 < 2", "'1' is no name of a value"),
                ("f(size)", "'f(size)' is no name of a value"),
                ("color == BLUE", "'BLUE' is no number"),
                ("task.port > 5", "task.port is u16be, of which the kernel tells only whether it is equal"),
                ("late == 5", "late is known when the function returns, and it is decided when it is entered"),
                ("inode == 5", "inode is struct Inode: compare one of its fields"),
            ]
        ),
    ],
)
def test_what_the_kernel_cannot_compare_is_refused(where: str, said: str) -> None:
    kinds = [from_ctypes(each) for each in (Pointer(Task4), ctypes.c_size_t, Color, ctypes.c_char_p, Inode)]
    found = places(kinds, X86_64)
    names = ("task", "size", "color", "text", "inode")
    asked: dict[str, Any] = {name: Argument(kinds[at], found[at]) for at, name in enumerate(names)}
    asked["late"] = parse_text("s32(ret)")
    with pytest.raises(UsageError) as caught:
        plan(asked, on=X86_64, where=where)
    assert str(caught.value) == said


def test_a_filter_is_as_wide_as_its_value() -> None:
    made = planned(a=ctypes.c_int8, where="a < -1")
    (only,) = made.spec.filters
    assert (only.op, only.value, only.width, only.signed) == (Op.LESS, -1, 1, True)
    assert made.spec.fetches[only.fetch].base is Base.REGISTER
