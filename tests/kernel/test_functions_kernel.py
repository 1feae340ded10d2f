"""Tracepoints and functions of the kernel, asked for and asserted."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from brokers import eventually
from tiers import require_root

from pytest_ebpf import BrokerError, TraceIncomplete, UsageError

if TYPE_CHECKING:
    from pytest_ebpf import Trace


@pytest.fixture(autouse=True)
def root() -> None:
    """Leave as anybody else: under an administrator's broker the kernel's memory is for root alone."""
    require_root()


def test_a_tracepoint_has_the_fields_of_its_format(ebpf_trace: Trace) -> None:
    calls = ebpf_trace.tracepoint("sched:sched_process_exec")
    exits = ebpf_trace.tracepoint("sched:sched_process_exit")
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    call = calls.one()
    assert (call.pid, call.process.pid, call.function) == (child.pid, child.pid, "sched_process_exec")
    assert call.filename == b"/bin/true"
    ebpf_trace.assert_called("sched_process_exec", filename="/bin/true", count=1)
    assert [(each.comm, each.pid) for each in exits] == [(b"true", child.pid)]
    ebpf_trace.assert_called("sched_process_exit", comm="true", count=1)
    ebpf_trace.assert_not_called("sched_process_exit", comm="false")


def test_the_arguments_of_a_system_call(ebpf_trace: Trace) -> None:
    calls = ebpf_trace.probe("tracepoint:syscalls:sys_enter_lseek fd=... offset=...")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.lseek(5000, 77, os.SEEK_SET)
    ebpf_trace.assert_called(calls, fd=5000, offset=77, count=1)


def test_the_kernel_compares_fields(ebpf_trace: Trace) -> None:
    calls = ebpf_trace.tracepoint("syscalls:sys_enter_fchdir", where="fd == 5001")
    for descriptor in (5000, 5001, 5002):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fchdir(descriptor)
    assert [call.fd for call in calls] == [5001]


def test_several_probes_are_on_a_tracepoint_with_other_fields(ebpf_trace: Trace) -> None:
    both = ebpf_trace.tracepoint("syscalls:sys_enter_fchdir")
    some = ebpf_trace.tracepoint("syscalls:sys_enter_fchdir", fd=..., where="fd == 5003")
    for descriptor in (5002, 5003):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fchdir(descriptor)
    assert [call.fd for call in both] == [5002, 5003]
    assert [call.fd for call in some] == [5003]


def test_a_tracepoint_is_passed_from_the_kernel_and_the_program(ebpf_trace: Trace) -> None:
    calls = ebpf_trace.probe("raw_tracepoint:sys_enter stack")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fchdir(5000)
    stacks = [[str(frame.function).partition("+")[0] for frame in call.stack] for call in calls]
    (stack,) = (each for each in stacks if "fchdir" in each)
    assert stack.index("do_syscall_64" if "do_syscall_64" in stack else "el0_svc") < stack.index("fchdir")


def test_a_raw_tracepoint_has_its_arguments_and_what_they_point_to(ebpf_trace: Trace) -> None:
    calls = ebpf_trace.probe("rawtracepoint:sched_process_exec")
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    assert [(call.old_pid, call.process.pid) for call in calls] == [(child.pid, child.pid)]


def test_a_signal_is_told_of_the_process_that_it_is_for(ebpf_trace: Trace) -> None:
    signalled = ebpf_trace.tracepoint("raw_tracepoint:signal_generate", task="task", where=f"sig == {signal.SIGUSR1}")
    sent = ebpf_trace.probe(f"raw_tracepoint:signal_generate where='sig == {signal.SIGUSR1}'")
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeping:
        subprocess.run(["/bin/kill", "-USR1", str(sleeping.pid)], check=True)
    assert [(call.process.pid, call.args["task"].pid) for call in signalled] == [(sleeping.pid, sleeping.pid)]
    assert [call.process.comm for call in sent] == ["kill"]
    ebpf_trace.assert_called(signalled, process=sleeping.pid, sig=signal.SIGUSR1, count=1)
    ebpf_trace.assert_not_called(signalled, process="kill")
    ebpf_trace.assert_not_called(sent, process=sleeping.pid)


def test_a_thread_that_waits_is_told_of_when_another_wakes_it(ebpf_trace: Trace) -> None:
    woken = ebpf_trace.probe("raw_tracepoint:sched_wakeup task=p")
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as cat:
        assert cat.stdin
        assert cat.stdout
        for line in (b"first\n", b"second\n"):
            cat.stdin.write(line)
            assert cat.stdout.read(len(line)) == line
            assert eventually(lambda: ") S " in Path(f"/proc/{cat.pid}/stat").read_text())
    assert {call.p.pid for call in woken.where(process=cat.pid)} == {cat.pid}
    assert {call.p.pid == call.host_tid for call in woken} == {True}


def test_who_passes_a_tracepoint_says_nothing_of_whom_it_is_about(ebpf_trace: Trace) -> None:
    ebpf_trace.tracepoint("raw_tracepoint:signal_generate", task="task", every=1000)
    ebpf_trace.tracepoint("raw_tracepoint:signal_generate")
    with subprocess.Popen(["/bin/sleep", "60"]) as sleeping:
        subprocess.run(["/bin/kill", "-USR1", str(sleeping.pid)], check=True)
    with pytest.raises(TraceIncomplete, match=r"of signal_generate were left out by every=1000"):
        ebpf_trace.assert_not_called("signal_generate", sig=signal.SIGUSR2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "tracepoint:sched:sched_wakeup task=p",
            (
                "tracepoint:sched:sched_wakeup: task='p' is an argument of the kernel's, and the record of a tracepoint"
                " has none: ask for 'raw_tracepoint:sched_wakeup', which has the arguments"
            ),
        ),
        (
            "raw_tracepoint:sched_switch task=nex",
            (
                "raw_tracepoint:sched_switch: task='nex' is no argument of it; did you mean 'next'? (tasks are: prev,"
                " next)"
            ),
        ),
        (
            "raw_tracepoint:signal_generate task=sig",
            "raw_tracepoint:signal_generate: task='sig' is no struct task_struct * (tasks are: task)",
        ),
        (
            "raw_tracepoint:sys_enter task=regs",
            (
                "raw_tracepoint:sys_enter: task='regs' is no struct task_struct * (it has no task: ask for it without"
                " task=)"
            ),
        ),
        (
            "raw_tracepoint:task_newtask task=task",
            (
                "raw_tracepoint:task_newtask: the new task is not yet known as the test's there, and nothing would be"
                " told: ask for it without task=, or for raw_tracepoint:sched_process_fork"
            ),
        ),
        (
            "raw_tracepoint:sched_wakeup task=p first=user:u64@ctx->0",
            (
                "raw_tracepoint:sched_wakeup: first='user:u64@ctx->0' is in the memory of a program, and with task="
                " another program may be running: ask for it without task="
            ),
        ),
    ],
)
def test_a_task_that_cannot_be_told_of(ebpf_trace: Trace, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        ebpf_trace.probe(text)
    assert str(caught.value) == message


def test_a_new_thread_is_told_of_from_its_fork_on(ebpf_trace: Trace) -> None:
    forked = ebpf_trace.tracepoint("raw_tracepoint:sched_process_fork", task="child")
    children = [subprocess.run(["/bin/true"], check=True) for _ in range(3)]
    assert len(forked) == len(children)
    assert all(call.child.pid == call.host_tid for call in forked)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (
            "tracepoint:sched:no_such",
            BrokerError,
            f"this kernel ({os.uname().release}) has no tracepoint sched:no_such",
        ),
        ("raw_tracepoint:no_such", UsageError, "the kernel's BTF has no tracepoint 'no_such'"),
        (
            "kprobe:do_unlinkatt",
            UsageError,
            "the kernel's BTF has no function 'do_unlinkatt'; did you mean do_unlinkat",
        ),
        (
            "tracepoint:sched:sched_process_exit prioo=...",
            UsageError,
            "tracepoint:sched:sched_process_exit: prioo=... is no field of it; did you mean 'prio'? (there are: ",
        ),
    ],
)
def test_what_the_kernel_does_not_have(ebpf_trace: Trace, text: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        ebpf_trace.probe(text)
    assert message in str(caught.value)
