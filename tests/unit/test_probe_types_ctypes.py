"""Structures described with ctypes: what is decoded is what ctypes itself reads."""

from __future__ import annotations

import ctypes
import enum
import math
import sys
from typing import Any

import pytest
from fetch_emulator import Task, fire
from hypothesis import given, note, reject, settings
from hypothesis import strategies as some

from pytest_ebpf._values import Gap
from pytest_ebpf.errors import TraceIncomplete, UsageError
from pytest_ebpf.probes.arguments import places
from pytest_ebpf.probes.ctypes_types import Buffer, Pointer, String, from_ctypes
from pytest_ebpf.probes.machines import X86_64
from pytest_ebpf.probes.plan import Argument, Plan, plan
from pytest_ebpf.probes.spec import Fetch, FetchKind
from pytest_ebpf.probes.types import Structure

RDI, RSI, RDX = X86_64.arguments[:3]


class Exp(ctypes.Structure):
    _fields_ = [("num", ctypes.c_int), ("name", ctypes.c_char * 35)]


def planned(*types: Any, where: str = "", follow: int = 4) -> Plan:
    kinds = [from_ctypes(each) for each in types]
    at = places(kinds, X86_64)
    asked = {f"a{n}": Argument(kind, place) for n, (kind, place) in enumerate(zip(kinds, at, strict=True))}
    return plan(asked, on=X86_64, where=where, follow=follow)


def values(plan: Plan, task: Task) -> dict[str, Any]:
    hit = fire(plan.spec, task)
    assert hit is not None
    return plan.decode(hit)


def test_a_structure_behind_a_pointer_is_one_fetch() -> None:
    made = planned(Pointer(Exp))
    assert made.spec.fetches == (Fetch(FetchKind.BYTES, made.spec.fetches[0].base, RDI, size=40),)
    task = Task()
    task.registers[RDI] = task.put(bytes(Exp(2, b"keqing")))
    t = values(made, task)["a0"]
    assert (t.num, t.name) == (2, b"keqing")
    assert t == {"num": 2, "name": b"keqing"}


SIMPLE = [
    *(ctypes.c_int8, ctypes.c_uint8, ctypes.c_int16, ctypes.c_uint16, ctypes.c_int32, ctypes.c_uint32),
    *(ctypes.c_int64, ctypes.c_uint64, ctypes.c_bool, ctypes.c_char, ctypes.c_float, ctypes.c_double),
    *(ctypes.c_wchar, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long, ctypes.c_longdouble),
]
BITS = [
    ctypes.c_int8,
    ctypes.c_uint8,
    ctypes.c_int16,
    ctypes.c_uint16,
    ctypes.c_int32,
    ctypes.c_uint32,
    ctypes.c_uint64,
]


def kinds(depth: int) -> some.SearchStrategy[Any]:
    simple = some.sampled_from(SIMPLE)
    if not depth:
        return simple
    inner = kinds(depth - 1)
    arrays = some.builds(lambda item, count: item * count, inner, some.integers(1, 4))
    return some.one_of(simple, arrays, structures(depth - 1))


@some.composite
def structures(draw: some.DrawFn, depth: int = 2) -> Any:
    count = draw(some.integers(1, 5))
    base = draw(some.sampled_from([ctypes.Structure, ctypes.Structure, ctypes.Union]))
    unit = draw(some.sampled_from(BITS))
    fields: list[tuple[Any, ...]] = []
    for at in range(count):
        # CPython before 3.14 reads bit-fields of unions from where they are not.
        if base is ctypes.Structure and draw(some.booleans()) and draw(some.booleans()):
            fields.append((f"f{at}", unit, draw(some.integers(1, ctypes.sizeof(unit) * 8))))
        else:
            fields.append((f"f{at}", draw(kinds(depth))))
    # Bit-fields in packed structures are laid out in another way, which ctypes gets wrong itself.
    packed = draw(some.sampled_from([0, 0, 1, 2, 4])) if all(len(field) == 2 for field in fields) else 0
    return type("Made", (base,), {"_pack_": packed, "_fields_": fields} if packed else {"_fields_": fields})


def same(ours: Any, theirs: Any) -> bool:
    """Whether a value is what ctypes has."""
    if isinstance(ours, Gap):
        raise TraceIncomplete(ours.why)
    if isinstance(theirs, ctypes.Structure | ctypes.Union):
        return all(same(ours.raw(name), getattr(theirs, name)) for name, *_ in theirs._fields_)
    if isinstance(theirs, ctypes.Array):
        if isinstance(ours, bytes | str):
            return bool(ours == theirs.value)
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, float):
        return bool(ours == theirs or (math.isnan(ours) and math.isnan(theirs)))
    return type(theirs) in type(ours).__mro__ and bool(ours == theirs) if theirs is not None else ours is None


def read_all(theirs: Any) -> None:
    if isinstance(theirs, ctypes.Structure | ctypes.Union):
        for name, *_ in theirs._fields_:
            read_all(getattr(theirs, name))
    elif isinstance(theirs, ctypes.Array):
        _ = getattr(theirs, "value", 0)
        for item in theirs:
            read_all(item)


@settings(max_examples=300)
@given(made=structures(), data=some.data())
def test_any_structure_decodes_to_what_ctypes_reads(made: Any, data: some.DataObject) -> None:
    size = ctypes.sizeof(made)
    raw = data.draw(some.binary(min_size=size, max_size=size))
    theirs = made.from_buffer_copy(raw)
    note(repr(made._fields_))
    note(repr([(name, getattr(made, name)) for name, *_ in made._fields_]))
    try:
        kind = from_ctypes(made)
    except UsageError:  # ctypes lays it out as no C compiler does
        reject()
    assert isinstance(kind, Structure)
    assert (kind.size, kind.alignment) == (size, ctypes.alignment(made))
    task = Task()
    task.registers[RDI] = task.put(raw)
    try:
        assert same(values(planned(Pointer(made)), task)["a0"], theirs)
    except (TraceIncomplete, ValueError):  # a wchar_t that is no character: ctypes does not read it either
        with pytest.raises(ValueError, match="character"):
            read_all(theirs)


def test_bit_fields_of_a_union_begin_where_it_does() -> None:
    made = type("Bits", (ctypes.Union,), {"_fields_": [("a", ctypes.c_int, 3), ("b", ctypes.c_uint, 5)]})
    task = Task()
    task.registers[RDI] = task.put(b"\x1d\0\0\0")
    assert values(planned(Pointer(made)), task)["a0"] == {"a": -3, "b": 0x1D}


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="its ctypes lays bit-fields out as C does")
def test_a_structure_that_ctypes_lays_out_in_another_way_than_c_is_refused() -> None:
    fields = [("a", ctypes.c_char), ("b", ctypes.c_int, 3)]
    made = type("Mixed", (ctypes.Structure,), {"_fields_": fields})
    with pytest.raises(UsageError) as caught:
        from_ctypes(made)
    assert str(caught.value) == (
        "Mixed.b: ctypes puts it at bit 32, C at bit 8: this Python's ctypes lays out bit-fields in its own way\n"
        "  try     the names of the debug information, or fields in the text form: 'u32@arg0+4'"
    )


class Color(enum.IntEnum):
    RED = 1
    GREEN = 2


class Node(ctypes.Structure):
    pass


Node._fields_ = [("next", ctypes.POINTER(Node)), ("name", ctypes.c_char_p), ("color", ctypes.c_int)]


def test_what_is_pointed_to_is_read_too_and_a_list_is_cut() -> None:
    made = planned(ctypes.POINTER(Node), Color, ctypes.c_char_p)
    task = Task()
    name = task.put(b"first\0")
    last = Node(None, None, 7)
    last_at = task.put(bytes(last))
    raw = last_at.to_bytes(8, "little") + name.to_bytes(8, "little") + bytes([5, 0, 0, 0, 0, 0, 0, 0])
    task.registers |= {RDI: task.put(raw), RSI: 0xFFFF_FFFF_0000_0002, RDX: name}
    found = values(made, task)
    assert found["a1"] is Color.GREEN
    assert found["a2"] == b"first"
    node = found["a0"]
    assert (node.name, node.color) == (b"first", 5)
    with pytest.raises(
        TraceIncomplete,
        match=r"^next: \*a0->next is not read: struct Node leads to itself; try ask for it in the text form",
    ):
        _ = node.next
    assert node.raw("next").address == last_at


def test_a_null_pointer_is_none_and_a_wild_one_says_so() -> None:
    made = planned(Pointer(Node), Pointer(Node), String(4))
    task = Task()
    raw = (0).to_bytes(8, "little") + (0xDEAD).to_bytes(8, "little") + bytes(8)
    task.registers |= {RDI: 0, RSI: task.put(raw), RDX: task.put(b"12345\0")}
    found = values(made, task)
    assert found["a0"] is None
    assert found["a1"].raw("next") is None
    assert repr(found["a1"].name) == ("UNREADABLE(*a1->name: nothing can be read at 0xdead (dereference 1: *a1->name))")
    assert found["a2"].value == b"1234"


def test_a_buffer_is_as_long_as_another_argument_says() -> None:
    made = planned(Buffer("a1", limit=8), ctypes.c_int)
    task = Task()
    task.registers |= {RDI: task.put(b"\0\1\2\3\4\5\6\7\10\11\12"), RSI: 3}
    assert values(made, task)["a0"] == b"\0\1\2"
    task.registers[RSI] = 9
    cut = values(made, task)["a0"]
    assert (cut.value, cut.total, cut.gap.why) == (b"\0\1\2\3\4\5\6\7", 9, "it goes on after 8 bytes")
    task.registers[RSI] = 0xFFFF_FFFF  # -1
    assert values(made, task)["a0"] == b""


def test_filters_are_of_the_values_behind_pointers_too() -> None:
    made = planned(Pointer(Exp), ctypes.c_uint64, where="a0.num == 2 and 1 < a1 <= 5 and a1 & 1")
    task = Task()
    task.registers |= {RDI: task.put(bytes(Exp(2, b"keqing"))), RSI: 3}
    assert fire(made.spec, task) is not None
    for other in (1, 6, 2):
        task.registers[RSI] = other
        assert fire(made.spec, task) is None
    task.registers |= {RDI: task.put(bytes(Exp(3, b"keqing"))), RSI: 3}
    assert fire(made.spec, task) is None


@pytest.mark.parametrize("given", [5, "Exp", object, int, None])
def test_what_is_no_type_is_refused(given: Any) -> None:
    with pytest.raises(UsageError) as caught:
        from_ctypes(given)
    assert str(caught.value) == (
        f"{given.__name__ if isinstance(given, type) else repr(given)} is no type of an argument\n"
        "  try     one of ctypes (c_int, c_char_p, a Structure, POINTER(...)), an IntEnum, Pointer(...), String(...),"
        " Buffer(...), or a text such as 's32@arg0+4'"
    )
