"""The kernel's list of its functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf.probes.kallsyms import addresses, copies_of, functions

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


def test_a_kernel_that_does_not_say_has_none(tmp_path: Path) -> None:
    assert not functions(str(tmp_path / "nothing")).times
