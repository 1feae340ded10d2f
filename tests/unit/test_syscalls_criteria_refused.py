"""What system calls cannot be asked for, and what is said of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from call_world import shell

from pytest_ebpf import UsageError, glob
from pytest_ebpf.matching import show

if TYPE_CHECKING:
    from collections.abc import Callable


class Flag:
    """Equals nothing but itself, and has no pid."""

    def __repr__(self) -> str:
        return "<a flag>"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"flags": "O_CREATE"}, "flags has no 'O_CREATE'; did you mean 'O_CREAT'?"),
    ({"flags": {"O_CREATE"}}, "flags has no 'O_CREATE'; did you mean 'O_CREAT'?"),
    ({"flags": {2.5}}, "flags has flags by name or number, not 2.5"),
    (
        {"flags": 2.5},
        "flags is flags: a number, a text such as 'A|B', or a set of those that are to be there, not 2.5",
    ),
    (
        {"flags": True},
        "flags is flags: a number, a text such as 'A|B', or a set of those that are to be there, not True",
    ),
    ({"mode": "0644"}, "mode is a number, not '0644'"),
    ({"mode": True}, "mode is a number, not True"),
    ({"path": 3}, "path is a path, not 3"),
    ({"path": ""}, "path is a path, not ''"),
    ({"path": None}, "path is never None"),
    ({"path": "../x"}, "path='../x': a relative path means the last parts of one, so '..' leads nowhere"),
    ({"path": ...}, "path=...: leave it out instead; `...` stands for items in a list"),
    (
        {"path": str},
        "path=str: a class matches nothing by itself; give a value, a predicate or an instance of a matcher",
    ),
    ({"dirfd": 2.5}, "dirfd is a descriptor: its number, or the path of the file behind it, not 2.5"),
    ({"result": 2.5}, "result is a number, the path of a new descriptor, or None, not 2.5"),
    ({"errno": "ENOENTRY"}, "errno: there is no error 'ENOENTRY'; did you mean 'ENOENT'?"),
    ({"errno": -2}, "errno is a positive number, not -2; None is success"),
    ({"errno": 2.5}, "errno is an error's name or number, or None for success, not 2.5"),
    ({"duration": "1s"}, "duration is a number of seconds, not '1s'"),
    ({"unfinished": 1}, "unfinished is a bool, not 1"),
    ({"number": True}, "number is a number, not True"),
    ({"abi": "x86"}, "abi is one of native, compat, x32, not 'x86'"),
    ({"fd": 3}, "openat is passed no descriptor"),
    ({"pth": "x"}, "openat has no argument 'pth'; did you mean 'path'? (it has: dirfd, path, flags, mode)"),
    ({"qqq": "x"}, "openat has no argument 'qqq' (it has: dirfd, path, flags, mode)"),
    ({"proces": "x"}, "openat has no argument 'proces'; did you mean 'process'? (it has: dirfd, path, flags, mode)"),
    ({"args": 3}, "args is a dict of arguments by name, not 3"),
    (
        {"args": {"result": 3}},
        "openat has no argument 'result' (it has: dirfd, path, flags, mode)",
    ),
    ({"port": 80}, "openat has no socket address, and is passed no socket"),
    ({"process": None}, "process is a process, a pid, a name or a predicate, not None"),
    ({"process": []}, "process=[] means the calls of nobody: leave it out, or name one"),
    ({"process": 99}, "process=99: no process with this pid is known to have lived in the window"),
    ({"process": Flag()}, "process is a process, a pid, a name or a predicate, not <a flag>"),
]


@pytest.mark.parametrize(("criteria", "text"), BAD, ids=show)
def test_what_can_never_be_is_refused(criteria: dict[str, Any], text: str) -> None:
    _, trace, _ = shell()
    asked: list[Callable[[], object]] = [
        lambda: trace.syscalls.where("openat", **criteria),
        lambda: trace.assert_no_syscall("openat", **criteria),
        lambda: trace.assert_syscall("openat", **criteria),
    ]
    for ask in asked:
        with pytest.raises(UsageError, match=f"^{re.escape(text)}$"):
            ask()


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *(("read", field) for field in ("count", "errno", "duration", "number", "tid", "result", "in_progress")),
        *(("openat", field) for field in ("flags", "mode")),
        *(("connect", field) for field in ("port", "family", "addr")),
        ("nanosleep", "args"),
    ],
)
@pytest.mark.parametrize("pattern", [re.compile("5"), glob("5*")], ids=repr)
def test_what_matches_texts_is_refused_where_there_is_none(name: str, field: str, pattern: Any) -> None:
    _, trace, _ = shell()
    criteria = {"args": {"duration": pattern}} if field == "args" else {field: pattern}
    with pytest.raises(UsageError, match=r" is no text: .* cannot match it$"):
        trace.assert_no_syscall(name, **criteria)


@pytest.mark.parametrize(
    ("name", "criteria", "text"),
    [
        ("getpid", {"path": "/x"}, "getpid has no path, and no descriptor of a file that has one"),
        ("getpid", {"result": "x"}, "getpid returns a number, not 'x'"),
        ("write", {"buf": 3}, "buf is bytes, not 3"),
        ("write", {"fd": None}, "fd is never None"),
        ("execve", {"argv": "ls -l"}, "argv is a list, not 'ls -l'"),
        ("nanosleep", {"args": {"duration": 1}}, "duration is a structure: ask for its fields by a dict, not for 1"),
        (
            "nanosleep",
            {"args": {"duration": {"tv": 1}}},
            "duration has no field 'tv' (there are: tv_sec, tv_nsec)",
        ),
        ("connect", {"port": "http"}, "port is a number, not 'http'"),
        ("connect", {"port": -1}, "port is a number, not -1"),
        (
            "connect",
            {"address": "localhost"},
            "address is an IPv4 or IPv6 address, such as '127.0.0.1', not 'localhost'",
        ),
        ("connect", {"address": 1}, "address is an IPv4 or IPv6 address, such as '127.0.0.1', not 1"),
        ("connect", {"family": "AF_INTE"}, "family has no 'AF_INTE'; did you mean 'AF_INET'?"),
        (
            "connect",
            {"family": {"AF_INET"}},
            "family is one of several values: a number, or a name such as 'AF_UNIX', not {'AF_INET'}",
        ),
        ("connect", {"port": None}, "port is never None"),
        (["getpid", "getppid"], {"qq": 1}, "[getpid, getppid] has no argument 'qq'"),
        (None, {"pathh": 1}, "a system call has no argument 'pathh'; did you mean 'path'?"),
        (3.5, {}, "a system call is asked for by its name, a pattern, a group or a family, not by 3.5"),
        ("opnat", {}, "there is no system call 'opnat' on this machine; did you mean 'openat' or 'openat2'?"),
    ],
    ids=show,
)
def test_what_some_calls_never_have_is_refused(name: Any, criteria: dict[str, Any], text: str) -> None:
    _, trace, _ = shell()
    with pytest.raises(UsageError, match=f"^{re.escape(text)}$"):
        trace.syscalls.where(name, **criteria)
