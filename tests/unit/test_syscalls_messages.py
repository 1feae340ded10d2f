"""The whole text of what assertions about system calls say when they fail."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from call_world import CallWorld, shell

from pytest_ebpf import Trace, TraceIncomplete, call, family

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_stream import Actor

TREE = """\
processes 4100 pytest test_it.py (the test)
          └─ 4101 sh -c x (+0.100 ms, running)
             └─ 4102 cat (+0.800 ms, exit 0, ran 0.350 ms)
"""
WINDOW = "window    5 events, 6 calls, 0 lost, 0 truncated"


def build() -> tuple[CallWorld, Trace, Actor]:
    """A shell that opens, writes and syncs a file; and cat, which finds nothing to read."""
    world, trace, sh = shell()
    data = world.file(3, "/srv/data.json")
    world.open(sh, "/srv/data.json", data, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, mode=0o644)
    world.call(sh, "write", 5, fd=data, buf=b"hello", count=5)
    world.call(sh, "write", 6, fd=data, buf=b" world", count=6)
    world.call(sh, "fsync", fd=data)
    world.call(sh, "close", fd=data)
    cat = world.exec(world.fork(sh), "cat")
    world.open(cat, "/etc/shadow", -errno.EACCES)
    world.exit(cat)
    return world, trace, sh


def text_of(kind: type[BaseException], ask: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        ask()
    assert caught.type is kind
    return str(caught.value)


def test_a_call_that_was_not_made_with_what_came_nearest() -> None:
    _, trace, _ = build()
    assert text_of(AssertionError, lambda: trace.assert_syscall("openat", path="data.jsn", flags={"O_TRUNC"})) == (
        """\
expected a system call made: openat, path='data.jsn', flags={'O_TRUNC'}   (0 of 6 matched)
closest   +0.300 ms  4101 openat(AT_FDCWD, "/srv/data.json", O_WRONLY|O_CREAT|O_CLOEXEC, 0644) = 3   \
← differs: path, flags
            path: '/srv/data.json', asked 'data.jsn'
            flags: O_WRONLY|O_CREAT|O_CLOEXEC, asked {'O_TRUNC'}
          +1.000 ms  4102 openat(AT_FDCWD, "/etc/shadow", O_RDONLY) = -1 EACCES (Permission denied)   \
← differs: path, flags
            path: '/etc/shadow', asked 'data.jsn'
            flags: O_RDONLY, asked {'O_TRUNC'}
"""
        + TREE
        + WINDOW
    )


def test_a_call_of_another_name_came_nearest() -> None:
    _, trace, _ = build()
    assert text_of(AssertionError, lambda: trace.assert_syscall("fdatasync", path="data.json")) == (
        """\
expected a system call made: fdatasync, path='data.json'   (0 of 6 matched)
closest   +0.600 ms  4101 fsync(3) = 0   ← differs: name
            name: fsync, asked fdatasync
          +0.300 ms  4101 openat(AT_FDCWD, "/srv/data.json", O_WRONLY|O_CREAT|O_CLOEXEC, 0644) = 3   ← differs: name
            name: openat, asked fdatasync
          +0.400 ms  4101 write(3, "hello", 5) = 5   ← differs: name
            name: write, asked fdatasync
"""
        + TREE
        + WINDOW
    )


def test_a_call_of_another_process() -> None:
    _, trace, _ = build()
    assert text_of(AssertionError, lambda: trace.assert_syscall("fsync", process="cat")) == (
        """\
expected a system call made: fsync, process='cat'   (0 of 6 matched)
closest   +0.600 ms  4101 fsync(3) = 0   ← differs: process
            process: pid 4101, asked 'cat'
          +1.000 ms  4102 openat(AT_FDCWD, "/etc/shadow", O_RDONLY) = -1 EACCES (Permission denied)   ← differs: name
            name: openat, asked fsync
          +0.700 ms  4101 close(3) = 0   ← differs: name, process
            name: close, asked fsync
            process: pid 4101, asked 'cat'
"""
        + TREE
        + WINDOW
    )


def test_a_call_that_should_not_have_been_made() -> None:
    _, trace, _ = build()
    assert text_of(AssertionError, lambda: trace.assert_no_syscall(family.open, errno="EACCES")) == (
        """\
expected no system call made: family.open, errno='EACCES'   (1 of 6 matched)
matched   +1.000 ms  4102 openat(AT_FDCWD, "/etc/shadow", O_RDONLY) = -1 EACCES (Permission denied)
"""
        + TREE
        + WINDOW
    )


def test_a_wrong_count() -> None:
    _, trace, _ = build()
    assert text_of(AssertionError, lambda: trace.assert_syscall("write", fd="data.json", count=1)) == (
        """\
expected 1 system call made: write, fd='data.json'   (2 of 6 matched)
matched   +0.400 ms  4101 write(3, "hello", 5) = 5
          +0.500 ms  4101 write(3, " world", 6) = 6
"""
        + TREE
        + WINDOW
    )


def test_a_count_that_is_none() -> None:
    _, trace, _ = build()
    with pytest.raises(ValueError, match=r"^count is a number of system calls, 0 or more, not -1$"):
        trace.assert_syscall("write", count=-1)


def test_no_call_at_all() -> None:
    world = CallWorld()
    trace = world.trace()
    assert text_of(AssertionError, lambda: trace.assert_syscall("write", fd=3)) == (
        """\
expected a system call made: write, fd=3   (there was none at all)
processes 4100 pytest test_it.py (the test)
window    0 events, 0 calls, 0 lost, 0 truncated"""
    )


def test_more_than_is_allowed() -> None:
    _, trace, _ = build()
    allowed = ["close", call("openat", path="/srv/data.json")]
    assert text_of(AssertionError, lambda: trace.assert_only(allowed)) == (
        """\
expected no system calls but close, call(openat, path='/srv/data.json')   (4 of 6 are others)
others    write x 2: +0.400 ms  4101 write(3, "hello", 5) = 5
          fsync x 1: +0.600 ms  4101 fsync(3) = 0
          openat x 1: +1.000 ms  4102 openat(AT_FDCWD, "/etc/shadow", O_RDONLY) = -1 EACCES (Permission denied)   \
← differs: path
"""
        + TREE
        + WINDOW
    )


def test_more_than_one_process_is_allowed() -> None:
    _, trace, _ = build()
    cat = trace.processes.where("cat").one()
    assert text_of(AssertionError, lambda: trace.assert_only([], process=cat)) == (
        """\
expected no system calls (process=4102) but none   (1 of 1 are others)
others    openat x 1: +1.000 ms  4102 openat(AT_FDCWD, "/etc/shadow", O_RDONLY) = -1 EACCES (Permission denied)
"""
        + TREE
        + WINDOW
    )


def test_more_often_than_is_allowed() -> None:
    _, trace, _ = build()
    assert text_of(AssertionError, lambda: trace.assert_budget({"write": 1, "%file": 5, call("fsync", fd=3): 0})) == (
        """\
expected at most 1 write, 5 %file, 0 call(fsync, fd=3) system calls
over      write: 2, at most 1
            +0.500 ms  4101 write(3, " world", 6) = 6
          call(fsync, fd=3): 1, at most 0
            +0.600 ms  4101 fsync(3) = 0
"""
        + TREE
        + WINDOW
    )


def test_an_argument_that_is_not_known() -> None:
    world, trace, sh = build()
    world.call(sh, "write", 3, fd=3, buf=0x1000, count=3)
    assert text_of(TraceIncomplete, lambda: trace.assert_no_syscall("write", buf="bye")) == (
        """\
cannot tell whether a system call made: write, buf='bye'   (0 of 7 matched)
may match +1.200 ms  4101 write(3, 0x1000, 3) = 3
            buf: not known: the data of buf was not copied
            try ask for it: @pytest.mark.ebpf(data_limit="4K") or --ebpf-data-limit=4K
"""
        + TREE
        + WINDOW.replace("6 calls", "7 calls")
    )


def test_an_io_uring() -> None:
    world, trace, sh = build()
    world.call(sh, "io_uring_setup", 9, entries=8)
    assert text_of(TraceIncomplete, lambda: trace.assert_no_syscall("connect")) == (
        """\
cannot tell whether a system call made: connect   (0 of 7 matched)
because   process 4101 sh -c x (running) has an io_uring, and what is done through it is no system call
try       allow_io_uring=True, if what it does there is of no matter
"""
        + TREE
        + WINDOW.replace("6 calls", "7 calls")
    )


def test_an_only_that_cannot_be_told() -> None:
    world, trace, sh = build()
    world.call(sh, "openat", 4, dirfd=-100, path="/x", gone=("path",))
    allowed = ["write", "fsync", "close", call("openat", path="/srv/data.json"), call("openat", path="/etc/shadow")]
    assert text_of(TraceIncomplete, lambda: trace.assert_only(allowed)) == (
        """\
cannot tell whether no system calls were made but write, fsync, close, call(openat, path='/srv/data.json'), \
call(openat, path='/etc/shadow')
may be    +1.200 ms  4101 openat(AT_FDCWD, 0x7f0000001000, O_RDONLY) = 4
            path: not known: path was not copied
"""
        + TREE
        + WINDOW.replace("6 calls", "7 calls")
    )


def test_a_budget_that_cannot_be_told() -> None:
    world, trace, sh = build()
    world.call(sh, "openat", 4, dirfd=-100, path="/x", gone=("path",))
    world.session.lost.update(lost_records=3, lost_bytes=600)
    assert text_of(TraceIncomplete, lambda: trace.assert_budget({call("openat", path="/x"): 0, "connect": 2})) == (
        """\
cannot tell whether at most 0 call(openat, path='/x'), 2 connect system calls were made
because   3 records (600 B) did not fit in the ring of 8 MiB
try       a larger ring: @pytest.mark.ebpf(ring_size="16M") or --ebpf-ring-size=16M
may match +1.200 ms  4101 openat(AT_FDCWD, 0x7f0000001000, O_RDONLY) = 4
            path: not known: path was not copied
"""
        + TREE
        + WINDOW.replace("6 calls", "7 calls").replace("0 lost", "3 lost")
    )


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (
            lambda trace: trace.assert_only("write"),
            "assert_only takes a list of what is allowed, such as ['read', 'write'], not 'write'",
        ),
        (
            lambda trace: trace.assert_only({"write": 1}),
            "assert_only takes a list of what is allowed, such as ['read', 'write'], not {'write': 1}",
        ),
        (
            lambda trace: trace.assert_budget(["write"]),
            "a budget is a dict of calls and how often each at most, such as {'fsync': 1}, not ['write']",
        ),
        (
            lambda trace: trace.assert_budget({}),
            "a budget is a dict of calls and how often each at most, such as {'fsync': 1}, not {}",
        ),
        (
            lambda trace: trace.assert_budget({"write": -1}),
            "a budget has a number for each call, 0 or more, not -1",
        ),
        (
            lambda trace: trace.assert_budget({"write": 1.5}),
            "a budget has a number for each call, 0 or more, not 1.5",
        ),
        (
            lambda trace: trace.assert_budget({"writ": 1}),
            "there is no system call 'writ' on this machine; did you mean 'write' or 'writev'?",
        ),
        (
            lambda trace: trace.assert_only(["writ"]),
            "there is no system call 'writ' on this machine; did you mean 'write' or 'writev'?",
        ),
    ],
)
def test_what_cannot_be_asked(ask: Callable[[Trace], Any], text: str) -> None:
    _, trace, _ = build()
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        ask(trace)
    assert str(caught.value) == text


def test_what_holds_is_said_by_nobody() -> None:
    _, trace, _ = build()
    trace.assert_only(["%file", "%desc"])
    trace.assert_only(["write", "fsync", "close", family.open])
    trace.assert_only(["*"])
    trace.assert_only([call("openat", errno="EACCES")], process="cat")
    trace.assert_budget({"write": 2, "fsync": 1, "connect": 0})
    assert trace.assert_syscall("write").args.count == 5
    assert [each.args.count for each in trace.assert_syscall("write", count=2)] == [5, 6]
    assert len(trace.assert_syscall("write", count=lambda count: count > 1)) == 2


def test_a_call_that_is_waited_for_and_does_not_come() -> None:
    _, trace, _ = build()
    text = text_of(AssertionError, lambda: trace.wait_for(call("fsync", fd=4), timeout=0.01))
    assert text == (
        """\
waited 0.010 s: expected a system call made: fsync, fd=4   (0 of 6 matched)
closest   +0.600 ms  4101 fsync(3) = 0   ← differs: fd
            fd: 3</srv/data.json>, asked 4
"""
        + TREE
        + WINDOW
    )
