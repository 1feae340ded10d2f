"""The kernel's list of its functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf.probes.kallsyms import copies_of, functions

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
"""


def test_functions_are_counted_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(LIST)
    found = functions(str(tmp_path / "list"))
    assert (found["do_it"], found["twice"], found["weak"], found["data"]) == (1, 2, 1, 0)
    assert copies_of("do_it", found) == ("do_it.constprop.1", "do_it.part.0")
    assert copies_of("twice", found) == ()


def test_a_kernel_that_does_not_say_has_none(tmp_path: Path) -> None:
    assert not functions(str(tmp_path / "nothing"))
