"""What is read of a call: what a test says, and what debug information or the kernel's format says of the rest."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ebpf import Pointer, UsageError, tracepoint, uprobe
from pytest_ebpf.functions.finding_kernel import tracepoint as find_tracepoint
from pytest_ebpf.functions.reading import reads_of
from pytest_ebpf.probes.machines import X86_64
from pytest_ebpf.probes.planner import Argument
from pytest_ebpf.probes.signature import Signature
from pytest_ebpf.probes.text_types import Text
from pytest_ebpf.probes.types import Float, Integer, spelled, string

if TYPE_CHECKING:
    from pytest_ebpf.functions.reading import Reads

KNOWN = Signature(
    "f", (("size", Integer(8, signed=False)), ("ratio", Float(8)), ("name", string())), Integer(4, signed=True)
)


def read(*types: Any, known: Signature | None = KNOWN, returns: Any = None, **values: Any) -> Reads:
    return reads_of(uprobe("./exp", "f", *types, returns=returns, **values), X86_64, lambda: known)


def shown(reads: Reads) -> dict[str, str]:
    return {
        name: each.text
        if isinstance(each, Text)
        else f"{spelled(each.type)} in {getattr(each.placement, 'words', '-')}"
        for name, each in reads.values.items()
    }


def test_nothing_said_is_all_that_is_known() -> None:
    # A floating point argument takes no general register: the third argument is in the second of these.
    assert shown(read()) == {"size": "u64 in (14,)", "ratio": "f64 in -", "name": "char * in (13,)"}
    assert shown(read(known=None)) == {}


def test_what_is_said_is_read_and_nothing_else() -> None:
    assert shown(read(ctypes.c_int)) == {"size": "s32 in (14,)"}
    assert shown(read(name="str@arg2")) == {"name": "str@arg2"}
    assert shown(read(name=ctypes.c_void_p)) == {"name": "void * in (13,)"}
    assert shown(read(..., name=...)) == {"size": "u64 in (14,)", "name": "char * in (13,)"}


def test_names_are_those_that_are_known_or_given() -> None:
    assert shown(read(ctypes.c_int, ctypes.c_int, known=None)) == {"arg0": "s32 in (14,)", "arg1": "s32 in (13,)"}
    assert shown(read(ctypes.c_int, second=Pointer(ctypes.c_int), known=None)) == {
        "arg0": "s32 in (14,)",
        "second": "s32 * in (13,)",
    }
    assert shown(read("u8", text="str", known=None)) == {"arg0": "u8(arg0)", "text": "str@arg1"}


def test_what_is_returned() -> None:
    assert read().result is None
    known = read(returns=True).result
    assert isinstance(known, Argument)
    assert spelled(known.type) == "s32"
    assert read(returns=True, known=None).result is None
    said = read(returns="s16").result
    assert isinstance(said, Text)
    assert said.text == "s16(ret)"
    typed = read(returns=ctypes.c_char_p).result
    assert isinstance(typed, Argument)
    assert spelled(typed.type) == "char *"


@pytest.mark.parametrize(
    ("types", "values", "text"),
    [
        ((ctypes.c_int,), {"size": ctypes.c_int}, "size= is the argument 0, whose type is given already"),
        (
            (ctypes.c_int,) * 3 + (...,),
            {},
            "f: the debug information says nothing of the argument 3: say its type instead of `...`",
        ),
        ((), {"size": "s23@arg0"}, "size='s23@arg0': column 1: 's23' is no type"),
        ((5,), {}, "5 is no type of an argument"),
    ],
)
def test_what_cannot_be_read(types: tuple[Any, ...], values: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(*types, **values)
    assert str(caught.value).startswith(text)


FORMAT = """\
field:unsigned short common_type;	offset:0;	size:2;	signed:0;
field:char comm[16];	offset:8;	size:16;	signed:0;
field:pid_t pid;	offset:24;	size:4;	signed:1;
field:__data_loc char[] file;	offset:28;	size:4;	signed:0;
field:const char * name;	offset:32;	size:8;	signed:0;
field:u32 many[4];	offset:40;	size:16;	signed:0;
field:bool on;	offset:56;	size:1;	signed:0;
"""


def test_the_fields_of_a_format() -> None:
    definition = find_tracepoint(tracepoint("a:b"), lambda name: FORMAT if name == "a:b" else "")
    (group,) = definition.groups
    assert {name: spelled(kind) for name, kind in group.types.items()} == {
        "comm": "char[16]",
        "pid": "s32",
        "file": "char[]",
        "name": "const char *",
        "many": "u32[4]",
        "on": "u8",
    }
    assert (definition.kernel_name, definition.path, group.functions) == ("a:b", "", ("b",))
    assert all(fetch.kernel for fetch in group.spec.fetches)


def test_some_fields_alone() -> None:
    definition = find_tracepoint(tracepoint("a:b", pid=..., first="u8@ctx+8"), lambda _: FORMAT)
    assert list(definition.groups[0].types) == ["pid", "first"]
    with pytest.raises(UsageError) as caught:
        find_tracepoint(tracepoint("a:b", pit=...), lambda _: FORMAT)
    assert str(caught.value) == (
        "tracepoint:a:b: pit=... is no field of it; did you mean 'pid'? (there are: comm, pid, file, name, many, on;"
        " say one as comm=...)"
    )
