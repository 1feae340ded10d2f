"""What is not recorded is not asked for, and never taken for what was not done."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from call_world import quiet_shell

from pytest_ebpf import TraceIncomplete, UsageError, family
from pytest_ebpf.settings import Syscalls

if TYPE_CHECKING:
    from collections.abc import Callable


NOT_RECORDED = "connect is not recorded: --ebpf-syscalls says 'getpid,open*'; record it, or ask for others"


def test_a_call_that_is_not_recorded_is_not_asked_for() -> None:
    _, trace, _ = quiet_shell(recorded="getpid,open*", source="--ebpf-syscalls")
    asks: list[Callable[[], object]] = [
        lambda: trace.assert_no_syscall("connect"),
        lambda: trace.assert_syscall("connect"),
        lambda: trace.assert_no_syscall(["getpid", "connect"]),
        lambda: trace.assert_no_syscall("conn*"),
        lambda: trace.assert_budget({"connect": 0}),
        lambda: trace.syscalls.where("connect"),
        lambda: trace.assert_sequence(["connect"]),
    ]
    for ask in asks:
        with pytest.raises(UsageError, match=f"^{re.escape(NOT_RECORDED)}$"):
            ask()
    trace.assert_no_syscall("open*")
    trace.assert_syscall("getpid", count=1)
    assert len(trace.syscalls) == 1


def test_calls_that_are_recorded_in_part_only_are_not_all() -> None:
    _, trace, _ = quiet_shell(recorded="getpid,openat,close", source="the ini value ebpf_syscalls")
    why = "creat, open, openat2 were not recorded: the ini value ebpf_syscalls says 'getpid,openat,close'"
    for ask in (
        lambda: trace.assert_no_syscall(family.open),
        lambda: trace.assert_syscall(family.open),
        lambda: trace.assert_syscall(family.open, count=0),
        lambda: not trace.syscalls.where(family.open),
    ):
        with pytest.raises(TraceIncomplete, match=re.escape(why)):
            ask()
    for ask in (
        lambda: trace.assert_no_syscall(path="/x"),
        lambda: trace.assert_only(["getpid"]),
        lambda: not trace.syscalls.where(path="/x"),
    ):
        with pytest.raises(TraceIncomplete, match=r"and \d+ more were not recorded"):
            ask()
    trace.assert_syscall("get*")
    assert not trace.syscalls.where("close").where(path="/x")
    # A bare list is of what is recorded.
    assert [each.name for each in trace.syscalls] == ["getpid"]


def test_the_setting_that_counts_is_that_of_the_window() -> None:
    world, trace, _ = quiet_shell(recorded="getpid")
    trace.close()
    world.history.syscalls = Syscalls("all")
    with pytest.raises(UsageError, match="is not recorded"):
        trace.assert_no_syscall("connect")
    with closing(world.trace()) as later:
        later.assert_no_syscall("connect")


def test_children_only_leaves_out_the_tests_own_process() -> None:
    world, trace, sh = quiet_shell()
    world.call(world.root, "openat", 3, dirfd=-100, path="/early")
    assert not trace.children_only
    trace.children_only = True
    assert trace.children_only
    assert world.session.children_only
    assert [each.name for each in trace.syscalls] == ["getpid"]
    trace.assert_no_syscall("openat")
    trace.assert_syscall("getpid", process=["sh", "pytest"])
    for process in (trace.root, trace.root.pid, [trace.root, "sh"]):
        with pytest.raises(UsageError, match=r"is the test's own process, and children_only leaves its calls out$"):
            trace.assert_no_syscall("connect", process=process)
    assert sh.pid != trace.root.pid


def test_children_only_stays_and_holds_in_sections() -> None:
    _, trace, _ = quiet_shell()
    with trace.section("inner") as inner:
        trace.children_only = True
        assert inner.children_only
        with pytest.raises(UsageError, match=r"^children_only cannot be taken back: calls that were left out are not"):
            inner.children_only = False
    with trace.section("later") as later:
        assert later.children_only
    trace.close()
    with pytest.raises(UsageError, match=r"^children_only cannot be taken back"):
        trace.children_only = False


def test_children_only_is_too_late_for_a_window_that_is_closed() -> None:
    _, trace, _ = quiet_shell()
    trace.close()
    with pytest.raises(UsageError, match=r"^children_only is of no use in a window that is closed$"):
        trace.children_only = True
