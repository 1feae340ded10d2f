"""Families and groups of system calls, and how calls are named by whoever asks for them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_ebpf.errors import UsageError
from pytest_ebpf.matching import glob
from pytest_ebpf.syscalls import groups
from pytest_ebpf.syscalls.groups import expand, family, members
from pytest_ebpf.syscalls.numbers import all_names


@pytest.fixture(autouse=True)
def x86_64(monkeypatch: pytest.MonkeyPatch) -> None:
    """One machine's calls, wherever the tests run."""
    monkeypatch.setattr(groups, "all_names", lambda: all_names("x86_64"))


def test_a_family_holds_the_calls_that_stand_for_each_other() -> None:
    assert family.open.members == {"open", "openat", "openat2", "creat"}
    assert family.open.name == "open"
    assert repr(family.open) == "family.open"
    assert family.xattr.members >= family.getxattr.members | family.setxattr.members


def test_every_member_of_a_family_is_a_call_of_some_machine() -> None:
    known = all_names("x86_64") | all_names("aarch64")
    assert [(name, getattr(family, name).members - known) for name in dir(family)] == [
        (name, frozenset()) for name in dir(family)
    ]
    assert {getattr(family, name).name for name in dir(family)} == set(dir(family))


def test_a_family_that_does_not_exist_offers_the_nearest() -> None:
    with pytest.raises(AttributeError) as error:
        family.openn
    assert str(error.value) == "there is no family 'openn' of system calls; did you mean 'open'?"
    assert not hasattr(family, "zzz")


@pytest.mark.parametrize(
    ("group", "some", "none"),
    [
        ("%network", {"socket", "accept4", "sendmmsg", "socketcall"}, {"read", "ioctl"}),
        ("%process", {"clone3", "execve", "exit_group", "wait4", "kill"}, {"getpid", "unshare"}),
        ("%memory", {"mmap", "mmap2", "brk", "madvise", "mlock2"}, {"memfd_create"}),
        ("%signal", {"rt_sigaction", "kill", "pause", "signalfd4"}, {"wait4"}),
        ("%ipc", {"shmget", "semtimedop", "msgrcv", "ipc"}, {"mq_open", "pipe"}),
        ("%creds", {"setuid", "setresgid32", "capset", "prctl", "getgroups"}, {"setsid"}),
        ("%clock", {"clock_gettime", "adjtimex", "time", "clock_settime64"}, {"nanosleep"}),
        ("%file", {"open", "openat", "rename", "getcwd"}, {"read", "fsync", "getpid"}),
        ("%desc", {"read", "openat", "fsync", "close", "pipe2", "socketpair"}, {"rename", "getpid"}),
        ("%all", {"read", "socketcall", "execve"}, {"set_tls"}),
    ],
)
def test_a_group_holds_what_has_to_do_with_its_subject(group: str, some: set[str], none: set[str]) -> None:
    found = members(group)
    assert found >= some
    assert not found & none
    assert found <= all_names("x86_64")
    assert group in groups.GROUPS


def test_every_call_that_a_group_lists_is_one_of_some_machine() -> None:
    known = all_names("x86_64") | all_names("aarch64")
    assert {word for text in groups._GROUPS.values() for word in text.split()} <= known


def test_a_group_that_does_not_exist_offers_the_nearest_and_all() -> None:
    with pytest.raises(UsageError) as error:
        members("%files")
    assert str(error.value) == (
        "there is no group '%files' of system calls; did you mean '%file'?"
        " (there are %all, %clock, %creds, %desc, %file, %ipc, %memory, %network, %process, %signal)"
    )


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("openat", {"openat"}),
        ("open?*", {"openat", "openat2", "open_tree", "open_tree_attr", "open_by_handle_at"}),
        (family.pipe, {"pipe", "pipe2"}),
        (re.compile("^openat"), {"openat", "openat2"}),
        (re.compile("enat"), {"openat", "openat2"}),
        (glob("dup?"), {"dup2", "dup3"}),
        (["openat", family.pipe, "dup?"], {"openat", "pipe", "pipe2", "dup2", "dup3"}),
        ({"openat", "read"}, {"openat", "read"}),
        (("openat", ["read"]), {"openat", "read"}),
        ("openat, read", {"openat", "read"}),
        ("dup*,!dup2", {"dup", "dup3"}),
        ("!dup2,dup*", {"dup", "dup3"}),
        (["dup*", "! dup2"], {"dup", "dup3"}),
        ("none", set()),
    ],
)
def test_calls_are_named_in_many_ways(what: Any, expected: set[str]) -> None:
    assert expand(what) == expected


def test_exceptions_alone_are_from_all() -> None:
    everything = all_names("x86_64")
    assert expand("!futex,!%memory") == everything - {"futex"} - members("%memory")
    assert expand("all") == expand("*") == expand("%all") == everything
    assert expand("all,!futex") == everything - {"futex"}


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("opnat", "there is no system call 'opnat' on this machine; did you mean 'openat' or 'openat2'?"),
        ("set_tls", "there is no system call 'set_tls' on this machine; did you mean 'setns' or 'statfs'?"),
        ("!opnat", "there is no system call 'opnat' on this machine; did you mean 'openat' or 'openat2'?"),
        ("?", "no system call on this machine has a name like '?'"),
        (re.compile("zzz"), "no system call on this machine has a name like re.compile('zzz')"),
        (glob("zzz*"), "no system call on this machine has a name like glob('zzz*')"),
        ([], "an empty list of system calls means none at all: name some, or leave it out"),
        ("", "there is no system call '' on this machine"),
        ("read,", "there is no system call '' on this machine"),
        ("none,read", "'none' stands alone, or not at all"),
        ("read,!read", "'read', '!read': nothing is left of these system calls"),
        ("!all", "'!all': nothing is left of these system calls"),
        (
            257,
            "a system call is asked for by its name, a pattern, a group or a family, not by 257",
        ),
        (
            ["read", None],
            "a system call is asked for by its name, a pattern, a group or a family, not by None",
        ),
    ],
)
def test_what_names_no_call_is_an_error(what: Any, text: str) -> None:
    with pytest.raises(UsageError) as error:
        expand(what)
    assert str(error.value) == text


def test_the_machines_own_calls_are_meant_without_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert expand("all") == all_names()
