"""Which system calls a name, a pattern, a group or a family means."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_ebpf import UsageError, family, glob
from pytest_ebpf.syscalls.numbers import names
from pytest_ebpf.syscalls.selection import chosen, parse_recorded

EVERY = {name for abi in ("native", "compat", "x32") for name in names(abi).values()}


def meant(what: Any) -> set[str]:
    found = chosen(what)
    assert found is not None
    return set(found.names)


def test_a_name_means_the_call_of_every_abi() -> None:
    found = chosen("openat")
    assert found is not None
    assert found.names == {"openat"}
    assert found.numbers == {("native", 257), ("compat", 295), ("x32", 257)}


def test_a_pattern_a_glob_and_a_regular_expression_mean_all_that_match() -> None:
    assert {"open", "openat", "openat2", "open_tree"} <= meant("open*")
    assert "reopen" not in meant("open*")
    assert meant(glob("open*")) == meant("open*") == meant(re.compile("^open"))
    assert meant("openat?") == {"openat2"}


def test_a_list_means_all_of_its_items() -> None:
    assert meant(["openat", "close", "dup*"]) == {"openat", "close", "dup", "dup2", "dup3"}
    assert meant({"openat"}) == meant(("openat",)) == {"openat"}


def test_a_star_means_all_also_those_without_a_name() -> None:
    assert chosen("*") is None
    assert chosen(["openat", "*"]) is None


def test_a_call_without_a_name_is_asked_for_by_its_number() -> None:
    found = chosen("syscall_0x1fe")
    assert found is not None
    assert ("native", 0x1FE) in found.numbers
    assert 0x1FE not in names("native")


def test_a_family_means_its_members_that_are_there() -> None:
    assert meant(family.open) == {"open", "openat", "openat2", "creat"}
    assert meant([family.open, "close"]) == {"open", "openat", "openat2", "creat", "close"}
    assert repr(family.open) == "family.open"


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("opena", "there is no system call 'opena' on this machine; did you mean 'openat' or 'open'?"),
        ("qqq", "there is no system call 'qqq' on this machine"),
        ("syscall_0x101", "there is no system call 'syscall_0x101' on this machine"),
        ("zz*", "no system call on this machine has a name like 'zz*'"),
        (re.compile("^zz"), "no system call on this machine has a name like re.compile('^zz')"),
        ([], "an empty list of system calls means none at all: name some, or leave it out"),
        (7, "a system call is asked for by its name, a pattern, a group or a family, not by 7"),
    ],
    ids=str,
)
def test_what_means_no_call_is_refused_with_the_nearest(what: Any, text: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(text)}$"):
        chosen(what)


def recorded(value: Any) -> set[str]:
    return set(parse_recorded(value, "it").names)


def test_a_setting_lists_what_to_record_and_what_not() -> None:
    assert recorded("all") == EVERY
    assert recorded("none") == set()
    assert recorded("openat, close") == recorded(["openat", "close"]) == {"openat", "close"}
    assert recorded("dup*,!dup2") == recorded("!dup2,dup*") == {"dup", "dup3"}
    assert recorded("!dup*") == recorded("all,!dup*") == EVERY - {"dup", "dup2", "dup3"}
    assert recorded(family.dup) == {"dup", "dup2", "dup3"}


def test_a_setting_becomes_numbers_by_abi() -> None:
    assert parse_recorded("all", "it").numbers() is None
    assert parse_recorded("none", "it").numbers() == {}
    assert parse_recorded("openat", "it").numbers() == {"native": [257], "compat": [295], "x32": [257]}
    exceptions = parse_recorded("!dup*", "it").numbers()
    assert exceptions is not None
    assert not {32, 33, 292} & set(exceptions["native"])
    # Also what has no name: nobody asked to leave it out.
    assert 0x1FE in exceptions["native"]


def test_a_setting_knows_what_it_lacks() -> None:
    some = parse_recorded("openat,close", "it")
    assert some.lacks(chosen(["openat", "read"])) == {"read"}
    assert some.lacks(None) == EVERY - {"openat", "close"}
    assert not parse_recorded("all", "it").lacks(None)
