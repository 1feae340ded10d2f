"""What an io_uring does leaves no system calls: who may have used one, and who cannot have."""

from __future__ import annotations

import errno
from contextlib import closing

import pytest
from call_world import quiet_shell

from pytest_ebpf import TraceIncomplete, glob


def test_who_was_refused_an_io_uring_has_none_though_another_has_one() -> None:
    world, trace, sh = quiet_shell()
    cat = world.exec(world.fork(sh), "cat")
    world.call(sh, "io_uring_setup", -errno.EPERM, entries=8)
    world.call(cat, "io_uring_setup", 5, entries=8)
    trace.assert_no_syscall("connect", process="sh")
    with pytest.raises(TraceIncomplete):
        trace.assert_no_syscall("connect", process="cat")


def test_a_test_can_allow_io_urings() -> None:
    world, trace, sh = quiet_shell()
    world.call(sh, "io_uring_setup", 5, entries=8)
    trace.assert_no_syscall("connect", allow_io_uring=True)
    trace.assert_syscall("connect", count=0, allow_io_uring=True)
    trace.assert_only(["getpid", "io_uring_setup"], allow_io_uring=True)
    trace.assert_budget({"connect": 0}, allow_io_uring=True)
    assert not trace.syscalls.where("connect", allow_io_uring=True)
    assert not trace.syscalls.where(allow_io_uring=True).where("connect")


def test_an_io_uring_of_a_process_that_is_not_asked_for_does_not_matter() -> None:
    world, trace, sh = quiet_shell()
    cat = world.exec(world.fork(sh), "cat")
    world.call(cat, "io_uring_setup", 5, entries=8)
    trace.assert_no_syscall("connect", process="sh")
    assert not trace.syscalls.where(process="sh").where("connect")
    for process in ("cat", glob("c*"), ["sh", "cat"]):
        with pytest.raises(TraceIncomplete, match="has an io_uring"):
            trace.assert_no_syscall("connect", process=process)
    with pytest.raises(TraceIncomplete, match="has an io_uring"):
        bool(trace.syscalls.where(process="cat").where("connect"))


def test_an_io_uring_that_was_set_up_in_an_earlier_window_still_works() -> None:
    world, trace, sh = quiet_shell()
    world.call(sh, "io_uring_setup", 5, entries=8)
    trace.close()
    for _ in range(2):
        with closing(world.trace()) as later, pytest.raises(TraceIncomplete, match="has an io_uring"):
            later.assert_no_syscall("connect")
    world.exit(sh)
    with closing(world.trace()) as last:
        last.assert_no_syscall("connect")


def test_an_io_uring_that_was_set_up_after_the_window_had_closed_does_not_matter() -> None:
    world, trace, sh = quiet_shell()
    trace.close()
    world.tick()
    world.call(sh, "io_uring_setup", 5, entries=8)
    trace.assert_no_syscall("connect")


def test_who_enters_an_io_uring_has_one_wherever_it_came_from() -> None:
    world, trace, sh = quiet_shell()
    world.call(sh, "io_uring_enter", 1)
    with pytest.raises(TraceIncomplete, match="has an io_uring"):
        trace.assert_no_syscall("connect")


def test_an_io_uring_of_which_the_record_was_lost_is_somebodys() -> None:
    world, trace, _ = quiet_shell()
    trace.close()
    world.session.lost["urings"] = 1
    with (
        closing(world.trace()) as later,
        pytest.raises(TraceIncomplete, match="1 io_uring were set up by processes of which"),
    ):
        later.assert_no_syscall("connect")


def test_an_io_uring_that_is_older_than_the_session_is_found_in_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_ebpf.procfs.has_uring", lambda pid: pid == 4100)
    monkeypatch.setattr("pytest_ebpf.procfs.numbers_as", lambda *_: "pid")
    world, trace, _ = quiet_shell()
    world.history.update()
    with pytest.raises(TraceIncomplete, match=r"process 4100 pytest test_it.py \(running\) has an io_uring"):
        trace.assert_no_syscall("connect")
    trace.assert_no_syscall("connect", process="sh")
