"""``task->pid``, in every way to read it."""

import subprocess
from pathlib import Path

from pytest_ebpf import Process, Trace

HERE = Path(__file__).parent
INITIAL = 0xEFFFFFFC  # PROC_PID_INIT_INO, linux/proc_ns.h


def run_true(ebpf_trace: Trace) -> Process:
    """Run something; return the process, whose ``host_pid`` is what a task_struct has."""
    with subprocess.Popen(["true"]) as started:
        pass
    child = ebpf_trace.assert_spawned("true", pid=started.pid)
    # In the initial namespace it is the pid; in a container a test sees another.
    assert child.host_pid == started.pid or Path("/proc/self/ns/pid").stat().st_ino != INITIAL
    return child


def test_with_co_re(ebpf_trace: Trace) -> None:
    program = ebpf_trace.program(HERE / "pid.bpf.c")
    child = run_true(ebpf_trace)

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
