"""``task->pid``, in every way to read it."""

import subprocess
from pathlib import Path

from pytest_ebpf import Process, Trace

HERE = Path(__file__).parent


def run_true(ebpf_trace: Trace) -> Process:
    """Run something; return the process."""
    with subprocess.Popen(["true"]) as started:
        pass
    return ebpf_trace.assert_spawned("true", pid=started.pid)


def test_with_co_re(ebpf_trace: Trace) -> None:
    program = ebpf_trace.program(HERE / "pid.bpf.c")
    child = run_true(ebpf_trace)

    # A task_struct has the pid that the initial namespace knows: not what a test in a container sees.
    pid = child.host_pid
    program.assert_event("typed", direct=pid, process=child, count=1)
    program.assert_event("untyped", bpf_core_read=pid, bpf_core_read_macro=pid, process=child, count=1)


def test_with_offsets_that_are_fixed(ebpf_trace: Trace) -> None:
    program = ebpf_trace.program(HERE / "pid_fixed.bpf.c")
    child = run_true(ebpf_trace)

    # Both are right, since it was compiled on this kernel.
    pid = child.host_pid
    program.assert_event("fixed", without_co_re=pid, preserve_access_index=pid, process=child, count=1)


def test_with_bcc(ebpf_trace: Trace) -> None:
    program = ebpf_trace.bcc(HERE / "task.bcc.c")
    child = run_true(ebpf_trace)

    program.assert_event("pids", plain=child.host_pid, helper=child.host_pid, process=child, count=1)
