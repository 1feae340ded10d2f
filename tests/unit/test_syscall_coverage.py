"""Every system call that there is has a prototype.

One without would have no path: an assertion that no file was touched would pass whatever it did.
"""

from __future__ import annotations

import re

import pytest

from pytest_ebpf.syscalls.flagsets import FLAGSETS
from pytest_ebpf.syscalls.numbers import names
from pytest_ebpf.syscalls.prototype import prototypes
from pytest_ebpf.syscalls.prototypes import PROTOTYPES


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("abi", ["native", "compat", "x32"])
def test_every_call_of_every_abi_has_a_prototype(machine: str, abi: str) -> None:
    assert set(names(abi, machine).values()) - set(prototypes(abi)) == set()


def test_no_prototype_is_of_a_call_that_is_in_no_table() -> None:
    known = {
        name
        for machine in ("x86_64", "aarch64")
        for abi in ("native", "compat")
        for name in names(abi, machine).values()
    }
    assert set(prototypes()) - known == set()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?:flags|flags64|named)\((\w+)\)", PROTOTYPES)) - {"out"}))
def test_every_set_of_flags_that_a_prototype_names_is_there(name: str) -> None:
    assert name in FLAGSETS


def test_the_calls_after_which_other_files_may_have_other_paths_are_known() -> None:
    # A directory above has another name or another mount over it, or the root is another one.
    renames, roots = {"rename", "renameat", "renameat2"}, {"chroot", "pivot_root", "unshare", "setns"}
    mounts = {"mount", "umount2", "umount", "move_mount"}
    assert {name for name, each in prototypes().items() if each.moves} == renames | roots | mounts
