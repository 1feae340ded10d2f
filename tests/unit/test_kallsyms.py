"""The kernel's list of its functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf.probes.kallsyms import addresses, copies_among, copies_of, functions, symbol_at

if TYPE_CHECKING:
    from pathlib import Path

LIST = """\
ffffffff81000000 T _stext
0000000000000000 t do_it
0000000000000000 t do_it.part.0
0000000000000000 t do_it.constprop.1
0000000000000000 t do_it.cold
0000000000000000 T do_it_again
0000000000000000 t twice
0000000000000000 t twice\t[module]
0000000000000000 D data
0000000000000000 W weak
0000000000000000 t __pfx_weak
0000000000000000 D __init_begin
0000000000000000 t at_boot
0000000000000000 R __init_end
0000000000000000 t inside\t[module]
0000000000000000 t bpf_prog_6deef7357e7b4530_emit\t[bpf]
0000000000000000 t kretprobe_trampoline\t[__builtin__kprobes]
"""


def test_functions_are_counted_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(LIST)
    found = functions(str(tmp_path / "list")).times
    assert (found["do_it"], found["twice"], found["weak"], found["data"]) == (1, 2, 1, 0)
    assert copies_of("do_it", found) == ("do_it.constprop.1", "do_it.part.0")
    assert copies_of("twice", found) == ()


def test_only_functions_that_can_be_called_are_listed_with_their_modules(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(LIST)
    found = functions(str(tmp_path / "list"))
    assert sorted(found.times) == [
        *("_stext", "do_it", "do_it.cold", "do_it.constprop.1", "do_it.part.0", "do_it_again"),
        *("inside", "twice", "weak"),
    ]
    assert found.modules["inside"] == "module"
    assert "weak" not in found.modules


def test_addresses_that_the_kernel_hides_are_none(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(LIST)
    assert addresses(str(tmp_path / "list"))["_stext"] == 0xFFFFFFFF81000000
    (tmp_path / "list").write_text(LIST.replace("ffffffff81", "0000000000"))
    assert addresses(str(tmp_path / "list")) == {}


def test_an_address_is_in_the_function_before_it(tmp_path: Path) -> None:
    shown = "ffffffff81000040 T second\nffffffffc0000000 t third\t[module]\nffffffff81000000 T first\n"
    (tmp_path / "list").write_text(shown)
    path = str(tmp_path / "list")
    assert symbol_at(0xFFFFFFFF80FFFFFF, path) is None
    assert symbol_at(0xFFFFFFFF8100003F, path) == (0xFFFFFFFF81000000, "first", "")
    assert symbol_at(0xFFFFFFFF81000040, path) == (0xFFFFFFFF81000040, "second", "")
    assert symbol_at(0xFFFFFFFFC0000001, path) == (0xFFFFFFFFC0000000, "third", "module")
    (tmp_path / "hidden").write_text("0000000000000000 T first\n")
    assert symbol_at(0xFFFFFFFF81000000, str(tmp_path / "hidden")) is None


def test_copies_that_a_pattern_does_not_name(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(LIST)
    known = functions(str(tmp_path / "list")).times
    assert copies_among({"do_it", "do_it.part.0"}, known) == {"do_it": ("do_it.constprop.1",)}
    assert copies_among({"twice"}, known) == {}


def test_a_kernel_that_does_not_say_has_none(tmp_path: Path) -> None:
    assert not functions(str(tmp_path / "nothing")).times
