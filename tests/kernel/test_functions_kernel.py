"""Tracepoints and functions of the kernel, asked for and asserted."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tiers import require_root

from pytest_ebpf import BrokerError, UsageError

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


def test_a_raw_tracepoint_has_its_arguments_and_what_they_point_to(ebpf_trace: Trace) -> None:
    if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 10):
        pytest.skip("raw tracepoints with a cookie need Linux 6.10")
    calls = ebpf_trace.probe("rawtracepoint:sched_process_exec")
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    assert [(call.old_pid, call.process.pid) for call in calls] == [(child.pid, child.pid)]


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
