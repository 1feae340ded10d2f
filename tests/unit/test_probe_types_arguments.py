"""Where arguments are: compared with what compilers do, by a function that writes down its registers and its stack."""

from __future__ import annotations

import ctypes
import platform
import random
import subprocess
from typing import TYPE_CHECKING, Any

import c_types
import pytest
from fetch_emulator import Task, fire
from tiers import require_command

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.probes.arguments import (
    NO_FLOATS,
    ByReference,
    Nowhere,
    OnStack,
    Registers,
    places,
    result_place,
)
from pytest_ebpf.probes.ctypes_types import from_ctypes
from pytest_ebpf.probes.machines import AARCH64, X86_64
from pytest_ebpf.probes.plan import plan
from pytest_ebpf.probes.planner import Argument
from pytest_ebpf.probes.types import Field, Float, Integer, Structure, Type

if TYPE_CHECKING:
    from pathlib import Path

# Writes down the general registers and 512 bytes of the stack, calls what returns the value, and writes down rax, rdx.
STUB = r"""
#include <stdio.h>
#include <string.h>
typedef unsigned char byte;
unsigned long saved[8]; byte stack[512]; void *real;
__asm__(".pushsection .text\n.globl stub\nstub:\n"
  "mov %rdi, saved(%rip)\n mov %rsi, saved+8(%rip)\n mov %rdx, saved+16(%rip)\n mov %rcx, saved+24(%rip)\n"
  "mov %r8, saved+32(%rip)\n mov %r9, saved+40(%rip)\n"
  "push %rdi\n push %rsi\n push %rcx\n"
  "lea 24(%rsp), %rsi\n lea stack(%rip), %rdi\n mov $64, %rcx\n rep movsq\n"
  "pop %rcx\n pop %rsi\n pop %rdi\n"
  "cmpq $0, real(%rip)\n je 1f\n"
  "sub $8, %rsp\n call *real(%rip)\n add $8, %rsp\n"
  "mov %rax, saved+48(%rip)\n mov %rdx, saved+56(%rip)\n"
  "1: ret\n.popsection\n");
extern void stub(void);
static void dump(const void *at, int size) {
  for (int i = 0; i < size; i++) printf("%02x", ((byte *)at)[i]);
  printf("\n");
}
static void show(void) {
  for (int i = 0; i < 8; i++) printf("%lx ", saved[i]);
  printf("\n"); dump(stack, 512);
}
"""
PICK = random.Random(8)
INTEGERS = [ctypes.c_int8, ctypes.c_uint16, ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint64]


def passed(pick: random.Random) -> Any:
    """Return a type that is passed by value."""
    choice = pick.random()
    if choice < 0.5:
        return c_types.random_structure(pick, pick.choice([0, 0, 1]), small=True)
    if choice < 0.7:
        return pick.choice([ctypes.c_float, ctypes.c_double, ctypes.c_longdouble])
    return pick.choice(INTEGERS)


def made(base: Any, *kinds: Any) -> Any:
    """Return a structure or a union of these."""
    return type(
        f"M{PICK.getrandbits(48):x}", (base,), {"_fields_": [(f"f{at}", kind) for at, kind in enumerate(kinds)]}
    )


# What is rare: x87's numbers within something else, and no floating point register left.
MIXED = made(ctypes.Structure, ctypes.c_double, ctypes.c_int64)
EXTENDED = made(ctypes.Structure, ctypes.c_longdouble)
EITHER = made(ctypes.Union, ctypes.c_longdouble, ctypes.c_int64)
CALLS = [
    [EITHER, ctypes.c_int64, EXTENDED],
    [*[ctypes.c_double] * 8, MIXED, ctypes.c_int64],
    [*[ctypes.c_double] * 9, ctypes.c_int64, MIXED],
    [*[ctypes.c_int64] * 6, MIXED, ctypes.c_double, EITHER, ctypes.c_int64, EXTENDED],
    *([passed(PICK) for _ in range(PICK.randint(1, 9))] for _ in range(120)),
]
RESULTS = [EITHER, EXTENDED, MIXED, *(c_types.random_structure(PICK, 1, small=True) for _ in range(60))]


def bytes_for(kind: Any) -> bytes:
    """Return what a value is made of: of numbers with a point, such as every unit copies as they are."""
    data = bytearray(PICK.randbytes(ctypes.sizeof(kind)))
    return bytes(ctypes.sizeof(kind)) if kind in {ctypes.c_float, ctypes.c_double, ctypes.c_longdouble} else bytes(data)


VALUES = [[bytes_for(kind) for kind in call] for call in CALLS]
RESULT_VALUES = [bytes_for(kind) for kind in RESULTS]


def source() -> str:
    declarations, names = c_types.declared([*[kind for call in CALLS for kind in call], *RESULTS])
    each = iter(names)
    calls = []
    for call, values in zip(CALLS, VALUES, strict=True):
        own = [next(each) for _ in call]
        made = "".join(
            f"static const byte b{at}[] = {c_types.initialiser(data)};"
            f" {name} v{at}; memcpy(&v{at}, b{at}, sizeof v{at});"
            for at, (name, data) in enumerate(zip(own, values, strict=True))
        )
        given = ", ".join(f"v{at}" for at in range(len(own)))
        calls.append(f"{{ {made} real = 0; ((void (*)({', '.join(own)}))stub)({given}); show(); }}")
    functions = []
    for at, (name, data) in enumerate(zip(each, RESULT_VALUES, strict=True)):
        functions.append(
            f"static {name} give{at}(int a, int b) {{ static const byte b_[] = {c_types.initialiser(data)};"
            f" {name} v; memcpy(&v, b_, sizeof v); return v; }}"
        )
        calls.append(f"{{ real = give{at}; {name} v = (({name} (*)(int, int))stub)(7, -9); show();")
        calls.append("dump(&v, sizeof v); }")
    body = "\n".join(calls)
    return f"{STUB}\n{declarations}\n{chr(10).join(functions)}\nint main(void) {{\n{body}\nreturn 0; }}"


def task_of(registers: str, stack: str) -> Task:
    words = [int(word, 16) for word in registers.split()]
    task = Task(registers=dict(zip(X86_64.arguments, words[:6], strict=True)))
    task.results = dict(zip(X86_64.results, words[6:], strict=True))
    task.memory[task.sp] = bytes.fromhex(stack)
    return task


def check(ours: Any, kind: Any, data: bytes) -> None:
    """Compare a value with ctypes': what is not known can only be a floating point number."""
    if isinstance(ours, Gap | Cut):
        assert c_types.is_float(kind), ours
    elif issubclass(kind, ctypes.Structure | ctypes.Union):
        for name, each, *bits in kind._fields_:
            at = getattr(kind, name).offset
            if bits:
                assert ours.raw(name) == getattr(kind.from_buffer_copy(data), name)
            else:
                check(ours.raw(name), each, data[at : at + ctypes.sizeof(each)])
    elif issubclass(kind, ctypes.Array) and kind._type_ is not ctypes.c_char:
        size = ctypes.sizeof(kind._type_)
        for at, item in enumerate(ours):
            check(item, kind._type_, data[at * size : at * size + size])
    elif not c_types.is_float(kind):
        assert ours == kind.from_buffer_copy(data).value


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the function that writes registers down is x86-64's")
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_arguments_and_results_are_where_compilers_put_them(compiler: str, level: str, tmp_path: Path) -> None:
    require_command(compiler)
    program = c_types.compiled(tmp_path, source(), level, compiler=compiler)
    lines = iter(subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines())
    for call, values in zip(CALLS, VALUES, strict=True):
        task = task_of(next(lines), next(lines))
        kinds = [from_ctypes(kind) for kind in call]
        where = places(kinds, X86_64)
        made = plan({f"v{at}": Argument(kind, where[at]) for at, kind in enumerate(kinds)}, on=X86_64)
        hit = fire(made.spec, task)
        assert hit is not None
        for ours, kind, data in zip(made.decode(hit).values(), call, values, strict=True):
            check(ours, kind, data)
    for kind, data in zip(RESULTS, RESULT_VALUES, strict=True):
        task = task_of(next(lines), next(lines))
        ours = from_ctypes(kind)
        task.memory[task.results[10]] = bytes.fromhex(next(lines))
        number = Integer(4, signed=True)
        first, second = places([number, number], X86_64, ours)
        made = plan(
            {"a": Argument(number, first), "b": Argument(number, second)},
            on=X86_64,
            result=Argument(ours, result_place(ours, X86_64)),
        )
        entry, end = fire(made.spec, task), fire(made.spec, task, is_return=True)
        assert entry is not None
        assert end is not None
        assert made.decode(entry) == {"a": 7, "b": -9}
        check(made.result(end), kind, data)


LONG, SHORT, DOUBLE, QUAD = Integer(8, signed=True), Integer(2, signed=True), Float(8), Integer(16, signed=True)


def structure(*kinds: Type, by_reference: bool = False) -> Structure:
    """Return a structure of these, which all have one size."""
    fields = tuple(Field(f"f{at}", kind, at * kind.size) for at, kind in enumerate(kinds))
    size = sum(kind.size for kind in kinds)
    return Structure("struct s", size, max(kind.alignment for kind in kinds), fields, by_reference)


# Procedure Call Standard for the Arm 64-bit Architecture, 6.8.2, stages A to C.
@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([LONG] * 9, [*(Registers((at,)) for at in range(8)), OnStack(0)]),
        ([SHORT] * 10, [*(Registers((at,)) for at in range(8)), OnStack(0), OnStack(8)]),
        ([LONG, DOUBLE, LONG], [Registers((0,)), Nowhere(NO_FLOATS), Registers((1,))]),
        ([structure(LONG, LONG)], [Registers((0, 1))]),
        ([structure(DOUBLE, DOUBLE), LONG], [Nowhere(NO_FLOATS), Registers((0,))]),
        ([structure(LONG, DOUBLE)], [Registers((0, 1))]),
        ([structure(LONG, LONG, LONG), LONG], [ByReference(Registers((0,))), Registers((1,))]),
        ([structure(*[DOUBLE] * 5)], [ByReference(Registers((0,)))]),
        ([LONG, QUAD], [Registers((0,)), Registers((2, 3))]),
        ([*[LONG] * 7, structure(LONG, LONG), LONG], [*(Registers((n,)) for n in range(7)), OnStack(0), OnStack(16)]),
        ([*[LONG] * 9, QUAD], [*(Registers((n,)) for n in range(8)), OnStack(0), OnStack(16)]),
        ([*[DOUBLE] * 9, LONG], [*[Nowhere(NO_FLOATS)] * 8, OnStack(0), Registers((0,))]),
        ([structure(LONG, by_reference=True)], [ByReference(Registers((0,)))]),
    ],
)
def test_arm64_has_its_own_rules(kinds: list[Type], expected: list[Any]) -> None:
    assert places(kinds, AARCH64) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (LONG, Registers((0,))),
        (structure(LONG, LONG), Registers((0, 1))),
        (DOUBLE, Nowhere(NO_FLOATS)),
        (structure(LONG, LONG, LONG), ByReference(Registers((8,)), from_entry=True)),
    ],
)
def test_arm64_returns_large_structures_where_the_caller_says(kind: Type, expected: Any) -> None:
    assert result_place(kind, AARCH64) == expected


def test_c_plus_plus_classes_that_are_not_trivial_are_passed_by_an_address() -> None:
    assert places([structure(LONG, by_reference=True), LONG], X86_64) == [
        ByReference(Registers((14,))),
        Registers((13,)),
    ]
    assert places([LONG], X86_64, structure(LONG, by_reference=True)) == [Registers((13,))]


def test_a_value_in_a_floating_point_register_is_refused_with_the_reason() -> None:
    made = plan({"x": Argument(DOUBLE, places([DOUBLE], X86_64)[0])}, on=X86_64)
    assert made.refused == {"x": NO_FLOATS}
    hit = fire(made.spec, Task())
    assert hit is not None
    assert made.decode(hit)["x"].why == (
        "x cannot be read: it is in a floating point register, which the kernel does not show to BPF programs"
    )
