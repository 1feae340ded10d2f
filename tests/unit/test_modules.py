"""The kernel's modules, and types that add to others."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest

from pytest_ebpf.errors import Unavailable, UsageError
from pytest_ebpf.functions import kernel_functions
from pytest_ebpf.functions.wanted import parse
from pytest_ebpf.probes import kallsyms, modules
from pytest_ebpf.probes.btf_types import Btf

if TYPE_CHECKING:
    from pathlib import Path

INT, FUNC, FUNC_PROTO = 1, 12, 13  # BTF_KIND_*, linux/btf.h
SIGNED = 1 << 24 | 32


def blob(types: bytes, strings: bytes) -> bytes:
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings


BASE = blob(struct.pack("<IIII", 1, INT << 24, 4, SIGNED), b"\0int\0")
SPLIT = blob(
    struct.pack("<IIIII", 0, FUNC_PROTO << 24 | 1, 1, 5, 1) + struct.pack("<III", 12, FUNC << 24 | 1, 2),
    b"number\0twice\0",
)
"""``int twice(int number)``: its first type is number 2, and its first name is at 5, where those of the base end."""


def test_types_that_add_to_others_are_found_with_these() -> None:
    assert str(Btf(modules.joined(BASE, SPLIT)).signature("twice")) == "s32 twice(s32 number)"
    with pytest.raises(UsageError, match=r"^this is no BTF: it has no header$"):
        modules.joined(BASE, b"")


def test_a_module_without_types_is_named() -> None:
    with pytest.raises(Unavailable) as caught:
        modules.btf_of("no_such_module")
    assert str(caught.value) == (
        "pytest-ebpf: the types of the kernel's module no_such_module cannot be read: /sys/kernel/btf/no_such_module:"
        " No such file or directory\n"
        "  needs   a kernel built with CONFIG_DEBUG_INFO_BTF_MODULES\n"
        "  try     texts that say what to read: kernel_function('name', first='u64(arg0)')"
    )


def test_a_module_that_is_loaded_again_is_another(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    first = modules.loaded(str(tmp_path))
    assert first == {"one": (tmp_path / "one").stat().st_ino}
    (tmp_path / "one").rename(tmp_path / "two")
    (tmp_path / "one").mkdir()
    assert modules.loaded(str(tmp_path))["one"] != first["one"]
    assert modules.loaded(str(tmp_path / "none")) == {}


LIST = """\
0000000000000000 T proper
0000000000000000 t many_one
0000000000000000 t many_one.cold
0000000000000000 t many_two
0000000000000000 t many_twice
0000000000000000 t many_twice
0000000000000000 t many_more.part.0
0000000000000000 t many_more
0000000000000000 t inside\t[net]
0000000000000000 t many_inside\t[net]
"""
TRACEABLE = b"many_one\nmany_twice\nmany_twice\nmany_more\nmany_inside [net]\n"


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "list").write_text(LIST)
    found = kallsyms.functions(str(tmp_path / "list"))
    monkeypatch.setattr(kallsyms, "functions", lambda: found)
    monkeypatch.setattr(modules, "loaded", lambda: {"net": 77, "other": 78})
    monkeypatch.setattr(kernel_functions, "check_kprobes", lambda _: None)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kprobe:none:inside",
            "kprobe:none:inside: the kernel has no module none loaded: modprobe none, and ask then",
        ),
        (
            "kprobe:other:inside",
            "kprobe:other:inside: there is no function inside in other: it is in the module net",
        ),
        ("kprobe:net:proper", "kprobe:net:proper: there is no function proper in net: it is in the kernel proper"),
        ("fentry:net:nothing", "kprobe:net:nothing: there is no function nothing in net"),
    ],
)
def test_a_function_that_is_not_in_the_module_that_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        kernel_functions.kernel_function(parse(text))
    assert str(caught.value) == message


@pytest.mark.usefixtures("listed")
def test_a_function_of_a_module_changes_with_its_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = kernel_functions.kernel_function(parse("kprobe:net:inside first=u64(arg0)"))
    proper = kernel_functions.kernel_function(parse("kprobe:proper first=u64(arg0)"))
    assert (inside.replaced, proper.replaced) == (False, False)
    monkeypatch.setattr(modules, "loaded", lambda: {"net": 79, "other": 78})
    assert (inside.replaced, proper.replaced) == (True, False)
    again = kernel_functions.kernel_function(parse("kprobe:net:inside first=u64(arg0)"))
    assert again.groups[0].loading != inside.groups[0].loading


@pytest.mark.usefixtures("listed")
def test_what_a_pattern_names_is_probed_or_left_out() -> None:
    found = kernel_functions.find(parse("kprobe:many_* first=u64(arg0)"), lambda: TRACEABLE)
    assert [group.functions for group in found.groups] == [("many_inside", "many_more", "many_one")]
    assert found.left_out == ["many_more.part.0", "many_twice", "many_two"]
    assert found.clones == {}
    found = kernel_functions.find(parse("kprobe:net:many_* first=u64(arg0)"), lambda: TRACEABLE)
    assert ([*found.functions], found.left_out) == (["many_inside"], [])
    found = kernel_functions.find(parse("kprobe:many_mor? first=u64(arg0)"), lambda: TRACEABLE)
    assert found.clones == {"many_more": ("many_more.part.0",)}


@pytest.mark.usefixtures("listed")
def test_few_functions_of_a_pattern_are_asked_for_each_by_itself() -> None:
    found = kernel_functions.find(parse("kprobe:vmlinux:many_*"), lambda: TRACEABLE)
    assert [group.functions for group in found.groups] == [("many_more",), ("many_one",)]


@pytest.mark.usefixtures("listed")
def test_a_pattern_changes_with_the_modules_that_have_such_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(text: str, loading: int) -> bool:
        found = kernel_functions.find(parse("kprobe:many_* first=u64(arg0)"), lambda: TRACEABLE)
        assert not found.replaced
        (tmp_path / "later").write_text(text)
        later = kallsyms._listed(str(tmp_path / "later"), frozenset({(text, loading)}))
        with monkeypatch.context() as patch:
            patch.setattr(kallsyms, "functions", lambda: later)
            patch.setattr(modules, "loaded", lambda: {"net": loading, "later": 80})
            return found.replaced

    assert not changed(LIST + "0000000000000000 t other\t[later]\n", 77)
    assert changed(LIST + "0000000000000000 t many_later\t[later]\n", 77)
    assert changed(LIST, 81)
    assert changed("0000000000000000 T proper\n", 77)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kprobe:many_tw*",
            (
                "kprobe:many_tw*: none of what matches can be probed: the kernel has several of that name, or lets none"
                " be traced: many_twice, many_two"
            ),
        ),
        ("kprobe:none*", f"this kernel ({os.uname().release}) has no function none*; nearest: many_one"),
    ],
)
def test_a_pattern_that_names_nothing_to_probe(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        kernel_functions.find(parse(text), lambda: TRACEABLE)
    assert str(caught.value).startswith(message)


@pytest.mark.usefixtures("listed")
def test_more_functions_than_a_probe_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_functions, "MAX_FUNCTIONS", 2)
    with pytest.raises(UsageError) as caught:
        kernel_functions.find(parse("kprobe:many_*"), lambda: TRACEABLE)
    assert str(caught.value) == (
        "kprobe:many_* matches 3 functions of the kernel, and a probe is on 2 at most, since each call of them by"
        " whatever process is slowed down: ask for a pattern that names fewer"
    )
