"""``task->mm->exe_file->f_inode->i_ino``: what a process runs, its names, and fields that not every kernel has."""

import os
import shutil
import subprocess
from pathlib import Path

from pytest_ebpf import Trace

HERE = Path(__file__).parent
TRUE = Path(shutil.which("true") or "")


def test_the_inode_with_co_re(ebpf_trace: Trace) -> None:
    program = ebpf_trace.program(HERE / "executable.bpf.c")
    subprocess.run([TRUE], check=True)

    inode = TRUE.stat().st_ino
    program.assert_event("inode_number", direct=inode, read=inode, read_into=inode, step_by_step=inode, count=1)


def test_the_inode_with_bcc(ebpf_trace: Trace) -> None:
    program = ebpf_trace.bcc(HERE / "task.bcc.c")
    subprocess.run([TRUE], check=True)

    program.assert_event("executables", inode=TRUE.stat().st_ino, comm=TRUE.name, file=TRUE.resolve().name)


def test_strings(ebpf_trace: Trace) -> None:
    program = ebpf_trace.program(HERE / "executable.bpf.c")
    subprocess.run([TRUE], check=True)

    program.assert_event("names", comm=TRUE.name, file=TRUE.resolve().name)
    program.assert_event("names", parent_comm=Path("/proc/thread-self/comm").read_text().rstrip("\n"))
    program.assert_event("names", host=os.uname().nodename)


def test_a_field_that_only_newer_kernels_have(ebpf_trace: Trace) -> None:
    program = ebpf_trace.program(HERE / "executable.bpf.c")
    subprocess.run([TRUE], check=True)

    seconds, nanoseconds = divmod(TRUE.stat().st_mtime_ns, 10**9)
    program.assert_event("modified", seconds=seconds, nanoseconds=nanoseconds)
    # The names of all of the kernel's fields are in its BTF.
    is_old = b"\0i_mtime_sec\0" not in Path("/sys/kernel/btf/vmlinux").read_bytes()
    program.assert_event("modified", from_timespec=is_old)


def test_the_size_of_a_field(ebpf_trace: Trace) -> None:
    program = ebpf_trace.program(HERE / "executable.bpf.c")
    subprocess.run([TRUE], check=True)

    program.assert_event("sizes", comm=16)
