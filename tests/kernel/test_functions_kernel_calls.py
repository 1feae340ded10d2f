"""What functions of the kernel are called with and return, as the program that has them called knows it.

Where the kernel has no kprobes, that is what is said.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest
from sessions import session_of
from tiers import require_root, with_kprobes, without_kprobes

from pytest_ebpf import UNREADABLE, BrokerError, Trace, TraceIncomplete
from pytest_ebpf.broker import launch
from pytest_ebpf.engine.records import Decoder
from pytest_ebpf.history import History

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def root() -> None:
    """Leave as anybody else: under an administrator's broker the kernel's memory is for root alone."""
    require_root()


AT_FDCWD = -100
"""``linux/fcntl.h``: names are looked up from the current directory."""


@without_kprobes
@pytest.mark.parametrize("returns", [None, True, "s32"])
def test_a_kernel_without_kprobes_says_so(ebpf_trace: Trace, returns: object) -> None:
    with pytest.raises(BrokerError) as caught:
        ebpf_trace.kernel_function("do_unlinkat", returns=returns)
    assert str(caught.value) == (
        f"pytest-ebpf: the broker refused: this kernel ({os.uname().release}) has no kprobes\n"
        "  needs   a kernel built with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y\n"
        "  try     a tracepoint near do_unlinkat: grep NAME /sys/kernel/tracing/available_events"
    )


@without_kprobes
def test_a_kernel_without_kprobes_says_so_of_patterns(ebpf_trace: Trace) -> None:
    with pytest.raises(BrokerError, match=r"^this kernel \(.*\) has no kprobes\n  needs   a kernel built with"):
        ebpf_trace.kernel_function("do_unlink*")


@with_kprobes
def test_the_file_that_is_removed(ebpf_trace: Trace, tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()
    calls = ebpf_trace.kernel_function("do_unlinkat", returns=True)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        file.unlink()
    own = [call for call in calls if call.process == ebpf_trace.root]
    assert [(call.dfd, call.name.name, call.result) for call in own] == [
        (AT_FDCWD, os.fsencode(file), 0),
        (AT_FDCWD, os.fsencode(file), -2),
    ]
    ebpf_trace.assert_called("do_unlinkat", name__name=str(file), result=0, count=1, process=os.getpid())
    ebpf_trace.assert_not_called("do_unlinkat", name__name=f"{file}.other")


@with_kprobes
def test_what_a_child_removes_is_a_call_of_the_child(ebpf_trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    calls = ebpf_trace.kernel_function("do_unlinkat", dfd=..., name="str@arg1->0")
    child = subprocess.Popen(["rm", "file"], cwd=tmp_path)
    assert child.wait() == 0
    call = calls.where(name="file").one()
    assert (call.process.pid, call.process.comm, call.dfd) == (child.pid, "rm", AT_FDCWD)


@with_kprobes
def test_structures_of_the_kernels_behind_pointers(ebpf_trace: Trace, tmp_path: Path) -> None:
    file = tmp_path / "in its directory"
    file.touch()
    inode, folder = file.stat(), tmp_path.stat()
    calls = ebpf_trace.kernel_function("vfs_unlink", dir=..., dentry=..., returns="s32")
    file.unlink()
    call = calls.where(process=os.getpid()).one()
    assert (call.dir.i_ino, call.dentry.d_name.len, call.result) == (folder.st_ino, len(file.name), 0)
    named = bytes(call.dentry.d_iname)
    assert named[: len(file.name) + 1] == os.fsencode(file.name) + b"\0"
    assert (call.dentry.d_inode.i_ino, stat.S_ISREG(call.dentry.d_inode.i_mode)) == (inode.st_ino, True)


@with_kprobes
def test_the_programs_memory_is_read_where_it_is_said_to_be_the_programs(ebpf_trace: Trace, tmp_path: Path) -> None:
    # BTF does not say whose memory a pointer leads to; the way the file is opened lies in the kernel's.
    file = tmp_path / "opened"
    calls = ebpf_trace.kernel_function(
        "do_sys_openat2", dfd=..., filename="user:str@arg1", how=..., mistaken="str@arg1", returns="s32"
    )
    descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
    os.close(descriptor)
    call = calls.where(filename=str(file)).one()
    wanted = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    assert (call.dfd, call.how.flags & wanted, call.how.mode & 0o777) == (AT_FDCWD, wanted, 0o640)
    assert call.result == descriptor
    assert call.mistaken == UNREADABLE


@with_kprobes
def test_the_kernel_compares_what_its_functions_are_called_with(ebpf_trace: Trace, tmp_path: Path) -> None:
    calls = ebpf_trace.kernel_function("vfs_write", count="u64(arg2)", where="count == 4321", returns="s64")
    with (tmp_path / "file").open("wb", buffering=0) as file:
        for size in (4320, 4321, 4322):
            file.write(bytes(size))
    assert [(call.count, call.result) for call in calls] == [(4321, 4321)]


@with_kprobes
@pytest.mark.parametrize("asked", ["do_unlinkat", "do_[ru][mn]*"])
def test_from_where_a_function_was_called(ebpf_trace: Trace, tmp_path: Path, asked: str) -> None:
    file = tmp_path / "file"
    file.touch()
    calls = ebpf_trace.kernel_function(asked, second="u64(arg1)", stack=True, returns="s32")
    file.unlink()
    call = calls.where("do_unlinkat", process=os.getpid()).one()
    inside = [frame for frame in call.stack if frame.path == "[kernel]"]
    outside = call.stack[len(inside) :]
    names = [str(frame.function).partition("+")[0] for frame in inside]
    assert names[0] == "do_unlinkat"
    assert names[-2:] == ["do_syscall_64", "entry_SYSCALL_64_after_hwframe"]
    assert str(outside[0].function).startswith("unlink")
    assert "libc" in str(outside[0].path)
    assert str(call.stack[0]) == f"{call.stack[0].function} ([kernel])"


@with_kprobes
def test_a_function_that_is_not_called_is_not_called(ebpf_trace: Trace, tmp_path: Path) -> None:
    ebpf_trace.kernel_function("do_rmdir", returns=True)
    (tmp_path / "file").touch()
    (tmp_path / "file").unlink()
    ebpf_trace.assert_not_called("do_rmdir")
    with pytest.raises(FileNotFoundError):
        (tmp_path / "none").rmdir()
    with pytest.raises(AssertionError, match="do_rmdir"):
        ebpf_trace.assert_not_called("do_rmdir")
    ebpf_trace.assert_called("do_rmdir", result=-2, count=1)


@with_kprobes
def test_more_returns_at_once_than_the_kernel_follows_are_not_made_up(ebpf_trace: Trace) -> None:
    calls = ebpf_trace.kernel_function("hrtimer_nanosleep", returns="s32")
    threads = [threading.Thread(target=time.sleep, args=(4,)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = [call for call in calls if call.returned]
    assert len(calls) == 40
    assert 0 < len(known) < 40
    assert {call.result for call in known} == {0}
    with pytest.raises(TraceIncomplete, match="the returns of ten calls of a function of its own at once"):
        ebpf_trace.assert_not_called(calls, result=-4)
    time.sleep(0.001)
    assert calls[-1].result == 0


@with_kprobes
def test_a_call_from_within_the_look_up_of_whose_it_is_is_told_or_counted(run_directory: Path) -> None:
    # What enters a new process into the session calls it, and before 6.2 keeps all others from looking meanwhile. The
    # broker is this test's own, so that no other test has this probe.
    client = launch.connect(run_directory, os.getpid())
    with contextlib.closing(session_of(client)) as session, Trace(History(session, Decoder().decode)) as trace:
        calls = trace.kernel_function("bpf_local_storage_update", owner="u64(arg0)")
        subprocess.run(["/bin/true"], check=True)
        if calls.seen():
            assert not trace.losses
            return
        assert trace.losses.lost_lookups
        with pytest.raises(TraceIncomplete, match=r"did not learn whose they were"):
            trace.assert_not_called(calls)
