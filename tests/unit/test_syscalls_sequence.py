"""System calls as a sequence: lazy, chained, counted."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Any

import calls_stream
import pytest
from call_world import CallWorld, shell

from pytest_ebpf import Summary, TraceIncomplete, UsageError, call
from pytest_ebpf.engine.layout import layouts
from pytest_ebpf.syscalls.call import Syscall

if TYPE_CHECKING:
    from model_stream import Actor

    from pytest_ebpf import Trace


def build() -> tuple[CallWorld, Trace, Actor]:
    world, trace, sh = shell()
    world.open(sh, "/etc/passwd", world.file(3, "/etc/passwd"))
    world.call(sh, "read", 10, fd=3, count=10)
    world.call(sh, "read", -errno.EAGAIN, fd=3, count=20)
    world.call(sh, "close", fd=3)
    return world, trace, sh


def test_its_text_is_that_of_strace() -> None:
    _, trace, _ = build()
    assert str(trace.syscalls.where("close")) == "+0.600 ms  4101 close(3) = 0"
    assert repr(trace.syscalls.where("close")) == "<1 of 4 system calls where close: close(3) = 0>"
    assert repr(trace.syscalls) == (
        '<4 system calls: openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3; read(3, NULL, 10) = 10;'
        " read(3, NULL, 20) = -1 EAGAIN (Resource temporarily unavail…; close(3) = 0>"
    )
    assert repr(trace.syscalls.where("read", count=30)) == (
        "<0 of 4 system calls where read, count=30; closest: read(3, NULL, 10) = 10 (count is 10)>"
    )
    assert repr(trace.syscalls.where("write")) == "<0 of 4 system calls where write>"


def test_where_can_be_chained() -> None:
    _, trace, _ = build()
    chained = trace.syscalls.where("read").where(errno="EAGAIN")
    assert chained.one().args.count == 20
    assert repr(chained).startswith("<1 of 2 system calls where read and errno='EAGAIN': read(3")
    assert not trace.syscalls.where("read").where("close")
    assert len(trace.syscalls.where(fd=3).where(result=lambda result: result >= 0)) == 2


def test_it_behaves_as_a_sequence() -> None:
    world, trace, sh = build()
    calls = trace.syscalls
    assert len(calls) == 4
    assert calls
    assert [each.name for each in calls] == ["openat", "read", "read", "close"]
    assert calls[-1].name == "close"
    assert [each.name for each in calls[1:3]] == ["read", "read"]
    assert calls[0] in calls
    assert calls[0] not in calls.where("read")
    assert calls.first == calls[0] != calls[1]
    assert [each.name for each in calls.seen()] == ["openat", "read", "read", "close"]
    assert [each.name for each in reversed(calls)] == ["close", "read", "read", "openat"]
    with pytest.raises(AssertionError, match=r"^expected exactly one system call where read   "):
        calls.where("read").one()
    with pytest.raises(AssertionError, match=r"^expected at least one system call where write   "):
        _ = calls.where("write").first
    # It is what it was when it was asked for.
    world.call(sh, "getpid")
    assert len(calls) == 4
    assert len(trace.syscalls) == 5


def test_one_that_has_returned_since_stays_what_it_was_in_what_was_asked_for_before() -> None:
    world, trace, sh = shell()
    world.block(sh, "read", fd=3, count=1)
    blocked = world.session.inside
    before = trace.syscalls
    world.session.inside = b""
    world.session.calls += blocked_and_returned(blocked)
    assert [each.in_progress for each in trace.syscalls.where("read")] == [False]
    assert [each.in_progress for each in before.where("read")] == [True]
    assert len(before.where("read", process="sh")) == 1
    with pytest.raises(TraceIncomplete):
        bool(before.where(result=1))


def blocked_and_returned(record: bytes) -> bytes:
    """Return the record of the same call, when it has returned."""
    call_flag = layouts().enums["call_flag"]["CALL_IN_PROGRESS"]
    at = layouts().structs["call_record"].offsets["flags"] + 8
    assert record[at] == call_flag
    return record[:at] + b"\0" + record[at + 1 :]


def test_a_summary_counts_as_strace_c_does() -> None:
    world, trace, sh = build()
    world.call(sh, "openat", options={"abi": "compat"}, dirfd=-100, path="/x")
    summary = trace.syscalls.summary()
    assert str(summary) == (
        """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 40.00    0.000100          50         2         1 read
 20.00    0.000050          50         1           close
 20.00    0.000050          50         1           openat
 20.00    0.000050          50         1           openat (compat)
------ ----------- ----------- --------- --------- ----------------
100.00    0.000250          50         5         1 total"""
    )
    assert summary["read"][:2] == (2, 1)
    assert summary["read"].seconds == pytest.approx(0.0001)
    assert list(summary) == ["read", "close", "openat", "openat (compat)"]
    assert (summary.total.calls, summary.total.errors, len(summary)) == (5, 1, 4)
    assert repr(summary) == "<Summary of 5 calls, 1 errors, 0.000250 s>"
    (only,) = trace.syscalls.where("read", errno=None).summary().values()
    assert (only.calls, only.errors) == (1, 0)
    with pytest.raises(KeyError):
        _ = summary["connect"]


def test_a_summary_of_nothing() -> None:
    _, trace, _ = shell()
    assert str(trace.syscalls.summary()).splitlines()[-1] == "  0.00    0.000000           0         0           total"


def test_a_summary_shows_what_was_seen_and_gives_no_numbers_that_may_be_wrong() -> None:
    world, trace, _ = build()
    world.session.lost.update(lost_records=1, lost_bytes=100)
    summary = trace.syscalls.summary()
    assert " read\n" in str(summary)
    for ask in (lambda: summary["read"], lambda: summary.total, lambda: len(summary), lambda: list(summary)):
        with pytest.raises(TraceIncomplete):
            ask()
    assert isinstance(summary, Summary)


def many(count: int) -> tuple[CallWorld, Trace]:
    """Return a window with very many calls, of which every hundredth is an openat."""
    world, trace, sh = shell()
    key: dict[str, Any] = {"pid": sh.key[0], "start_ns": sh.key[1]}
    batch = b"".join(calls_stream.call("openat" if at % 100 == 0 else "getppid", [at], at, **key) for at in range(1000))
    for _ in range(count // 1000):
        world.history.feed(batch)
    return world, trace


def test_a_million_calls_are_searched_by_name_without_an_object_each(monkeypatch: pytest.MonkeyPatch) -> None:
    _, trace = many(1_000_000)
    made = []
    original = Syscall.__init__

    def counting(self: Syscall, *arguments: Any) -> None:
        made.append(1)
        original(self, *arguments)

    monkeypatch.setattr(Syscall, "__init__", counting)
    trace.syscalls.where("openat")  # names are read once
    begun = time.perf_counter()
    found = trace.syscalls.where("openat")
    assert len(found) == 10_000
    # Its budget is 0.2 s; this is a test of what it does, and not of the machine.
    assert time.perf_counter() - begun < 2
    assert len(trace.syscalls.where("getppid", process="sh")) == 990_000
    trace.assert_no_syscall("connect")
    trace.assert_budget({"openat": 10_000})
    assert trace.syscalls.summary()["getppid"].calls == 990_000
    assert not made
    assert "and 999996 more" in repr(trace.syscalls)
    assert found[77].name == "openat"
    assert len(made) <= 6


def test_a_message_about_very_many_is_short() -> None:
    _, trace = many(20_000)
    with pytest.raises(AssertionError) as caught:
        trace.assert_no_syscall("getppid")
    assert len(str(caught.value).splitlines()) < 20
    assert "… and 19,792 more" in str(caught.value)
    with pytest.raises(AssertionError) as caught:
        trace.assert_syscall("getppid", result=-1)
    assert len(str(caught.value).splitlines()) < 20


def test_a_call_can_be_waited_for() -> None:
    world, trace, sh = build()
    assert trace.wait_for(call("close", fd=3), timeout=0).name == "close"
    assert trace.wait_for(call("read"), timeout=0, errno="EAGAIN").args.count == 20
    world.session.later = [
        lambda: world.call(sh, "getpid"),
        lambda: world.call(sh, "fsync", fd=4),
        lambda: world.call(sh, "fsync", fd=5),
    ]
    found = trace.wait_for(call("fsync", fd=5), timeout=5)
    assert int(found.args.fd) == 5
    assert len(world.session.waits) == 3


def test_a_call_that_blocks_is_found_first_and_last() -> None:
    world, trace, sh = build()
    world.block(sh, "read", fd=9, count=1)
    assert trace.wait_for(call("read", fd=9), timeout=5).in_progress
    assert not world.session.waits
    world.session.later = [lambda: world.block(sh, "write", fd=9, count=1)]
    assert trace.wait_for(call("write"), timeout=0.01).in_progress
    assert world.session.snapshots <= 6


def test_waiting_looks_at_each_call_once() -> None:
    world, trace, sh = build()
    met: list[str] = []
    world.session.later = [lambda: world.call(sh, "getpid"), lambda: world.call(sh, "fsync", fd=5)]

    def wanted(each: Syscall) -> bool:
        met.append(each.name)
        return each.name == "fsync"

    trace.wait_for(call(wanted), timeout=5)
    assert met == ["openat", "read", "read", "close", "getpid", "fsync"]


def test_what_cannot_be_waited_for_is_refused() -> None:
    _, trace, _ = build()
    with pytest.raises(UsageError, match=r"^there is no system call 'opnat'"):
        trace.wait_for(call("opnat"))
