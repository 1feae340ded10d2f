"""The kernel's modules, and types that add to others."""

from __future__ import annotations

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


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "0000000000000000 T proper\n0000000000000000 t inside\t[net]\n"
    (tmp_path / "list").write_text(text)
    found = kallsyms.functions(str(tmp_path / "list"))
    monkeypatch.setattr(kallsyms, "functions", lambda: found)
    monkeypatch.setattr(modules, "loaded", lambda: {"net": 77, "other": 78})


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
