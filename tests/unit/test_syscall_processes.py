"""What the calls of processes, signals and time are made with."""

from __future__ import annotations

import errno
import signal
import struct

import pytest
from fake_calls import call

from pytest_ebpf._values import Gap
from pytest_ebpf.syscalls import text
from pytest_ebpf.syscalls.structures.processes import WaitStatus
from pytest_ebpf.syscalls.structures.signals import SignalSet
from pytest_ebpf.syscalls.structures.timers import ClockId
from pytest_ebpf.syscalls.values import Missing, Pointer, Unreadable

ONE, OTHER = 0x7F0000001000, 0x7F0000002000


@pytest.mark.parametrize(
    ("mask", "written"),
    [
        (0, "[]"),
        (1 << 9 | 1 << 16, "[USR1 CHLD]"),
        (1 << 31 | 1 << 32 | 1 << 63, "[RTMIN RT_1 RT_32]"),
        ((1 << 64) - 1, "~[]"),
        ((1 << 64) - 1 ^ 1 << 8 ^ 1 << 31, "~[KILL RTMIN]"),
    ],
)
def test_a_set_of_signals_is_written_by_what_is_fewer(mask: int, written: str) -> None:
    assert str(SignalSet.of(mask.to_bytes(8, "little"))) == written


def test_a_set_of_signals_has_those_of_python() -> None:
    found = SignalSet.of((1 << 9).to_bytes(8, "little"))
    assert found == frozenset({signal.SIGUSR1})
    assert signal.SIGUSR2 not in found


def test_a_mask_of_another_size_than_the_kernels_is_not_looked_at() -> None:
    made = call("rt_sigprocmask", 0, ONE, 0, 4, result=-errno.EINVAL, memory={ONE: bytes(8)})
    assert text.arguments(made) == f"SIG_BLOCK, {ONE:#x}, NULL, 4"


def test_what_is_done_about_a_signal_has_a_restorer_only_where_the_flag_says_so() -> None:
    with_it = struct.pack("4Q", OTHER, 0x14000000, 0x77, 1 << 1)
    without = struct.pack("4Q", 1, 0, 0x77, 0)
    made = call("rt_sigaction", 2, ONE, OTHER, 8, memory={ONE: with_it}, after={OTHER: without})
    assert made.args.act == {
        "sa_handler": OTHER,
        "sa_mask": {signal.SIGINT},
        "sa_flags": 0x14000000,
        "sa_restorer": 0x77,
    }
    assert str(made.args.oldact) == "{sa_handler=SIG_IGN, sa_mask=[], sa_flags=0}"


@pytest.mark.parametrize(
    ("status", "fields", "written"),
    [
        (3 << 8, (3, None, False, False), "[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]"),
        (9, (None, 9, False, False), "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}]"),
        (6 | 0x80, (None, 6, False, True), "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGABRT && WCOREDUMP(s)}]"),
        (19 << 8 | 0x7F, (None, 19, True, False), "[{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}]"),
        (
            4 << 16 | 5 << 8 | 0x7F,
            (None, 5, True, False),
            "[{WIFSTOPPED(s) && WSTOPSIG(s) == SIGTRAP} | PTRACE_EVENT_EXEC<<16]",
        ),
        (0xFFFF, (None, None, False, False), "[{WIFCONTINUED(s)}]"),
    ],
)
def test_a_wait_status_says_how_a_process_ended(
    status: int, fields: tuple[int | None, int | None, bool, bool], written: str
) -> None:
    found = WaitStatus(status)
    assert (found.exit_code, found.signal, found.stopped, found.core_dumped) == fields
    assert str(found) == written
    assert found.continued is (status == 0xFFFF)


def test_of_a_wait_that_found_nobody_nothing_is_filled_in() -> None:
    made = call("wait4", -1, ONE, 1, OTHER, result=0, memory={ONE: bytes(4), OTHER: bytes(144)})
    assert text.arguments(made) == f"-1, {ONE:#x}, WNOHANG, {OTHER:#x}"


def test_what_is_left_of_a_sleep_is_known_if_a_signal_ended_it() -> None:
    memory, left = {ONE: struct.pack("2q", 5, 0)}, {OTHER: struct.pack("2q", 3, 9)}
    made = call("nanosleep", ONE, OTHER, result=-516, memory=memory, after=left)
    assert text.arguments(made) == "{tv_sec=5, tv_nsec=0}, {tv_sec=3, tv_nsec=9}"
    assert call("nanosleep", ONE, OTHER, memory=memory, after=left).args.rem == Pointer(OTHER)
    absolute = call("clock_nanosleep", 1, 1, ONE, OTHER, result=-514, memory=memory, after=left)
    assert absolute.args.remain == Pointer(OTHER), "what is absolute leaves nothing"


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (~0 << 3 | 2, "MAKE_PROCESS_CPUCLOCK(0, CPUCLOCK_SCHED)"),
        (~1234 << 3 | 6, "MAKE_THREAD_CPUCLOCK(1234, CPUCLOCK_SCHED)"),
        (~5 << 3 | 3, "FD_TO_CLOCKID(5)"),
    ],
)
def test_a_clock_without_a_name_says_whose_it_is(number: int, written: str) -> None:
    assert str(ClockId(number)) == written


def test_limits_and_priorities_are_written_as_people_count() -> None:
    made = call("prlimit64", 0, 3, ONE, 0, memory={ONE: struct.pack("2Q", 8192 * 1024, (1 << 64) - 1)})
    assert text.arguments(made) == "0, RLIMIT_STACK, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}, NULL"
    assert made.args.new_limit.rlim_cur == 8192 * 1024
    assert text.arguments(call("ioprio_set", 1, 0, 2 << 13 | 4)) == (
        "IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 4)"
    )
    idle = call("ioprio_get", 1, 0, result=3 << 13)
    assert text.outcome(idle) == "24576 (IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0))"


def test_clone_has_what_its_flags_say() -> None:
    assert list(call("clone", 17, 0, 1, 2, 3).args) == ["stack", "flags"]
    made = call("clone", 0x100000 | 0x200000 | 17, 0, ONE, 2, 3, result=77, after={ONE: b"M\0\0\0"})
    assert (made.args.parent_tid, made.args.child_tid) == (77, 2)
    assert text.arguments(made) == (
        "child_stack=NULL, flags=CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID|SIGCHLD, parent_tid=[77], child_tidptr=0x2"
    )


def test_clone3_has_what_its_flags_and_its_size_say_and_what_it_filled_in() -> None:
    flags = 0x100000 | 0x1000  # CLONE_PARENT_SETTID, CLONE_PIDFD
    memory = {ONE: struct.pack("11Q", flags, OTHER, 0x20, 0x30, 17, 0, 0, 0x40, 0, 0, 9)}
    whole = call("clone3", ONE, 88, result=77, memory=memory, after={OTHER: b"\5\0\0\0"}).args.cl_args
    assert whole == {
        "flags": flags,
        "pidfd": OTHER,
        "parent_tid": 0x30,
        "exit_signal": 17,
        "stack": None,
        "stack_size": 0,
        "cgroup": 9,
    }
    assert whole.after == {"pidfd": 5, "parent_tid": 77}
    assert str(whole).endswith(" => {pidfd=[5], parent_tid=[77]}")
    assert "cgroup" not in call("clone3", ONE, 64, result=77, memory=memory).args.cl_args
    assert call("clone3", ONE, 88, result=-errno.EAGAIN, memory=memory).args.cl_args.after is None


def test_what_nobody_could_read_is_told_from_what_we_could_not() -> None:
    made = call("rt_sigprocmask", 0, ONE, 0, 8, result=-errno.EFAULT)
    assert made.args.set == Unreadable(ONE)
    made = call("rt_sigprocmask", 0, ONE, 0, 8)
    missing = made.raw("set")
    assert isinstance(missing, Missing)
    assert missing.why == f"set, a set of signals, could not be read at {ONE:#x}"
    assert isinstance(missing, Gap)
    assert text.arguments(made) == f"SIG_BLOCK, {ONE:#x}, NULL, 8"


def test_of_a_siginfo_the_sender_the_child_or_the_fault_is_told() -> None:
    child = struct.pack("3i4xiIi4xqq", 17, 0, 1, 42, 1000, 7, 3, 0).ljust(128, b"\0")
    assert str(call("waitid", 1, 42, ONE, 4, 0, after={ONE: child}).args.infop) == (
        "{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=42, si_uid=1000, si_status=7,"
        " si_utime=3 /* 0.03 s */, si_stime=0}"
    )
    assert call("waitid", 0, 0, ONE, 5, 0, after={ONE: bytes(128)}).args.infop == {}
    fault = struct.pack("3i4xQ", 11, 0, 2, 0xDEAD).ljust(128, b"\0")
    value = struct.pack("3i4xiIq", 10, 0, -1, 42, 0, 5).ljust(128, b"\0")
    for data, written in (
        (fault, "{si_signo=SIGSEGV, si_code=SEGV_ACCERR, si_addr=0xdead}"),
        (value, "{si_signo=SIGUSR1, si_code=SI_QUEUE, si_pid=42, si_uid=0, si_int=5, si_ptr=0x5}"),
    ):
        assert str(call("rt_sigqueueinfo", 1, 10, ONE, memory={ONE: data}).args.info) == written
