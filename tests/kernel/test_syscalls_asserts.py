"""System calls of real programs, asked for and asserted."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from brokers import eventually
from calls_stream import number_of
from tiers import unable
from waiting import blocked, waits_in

from pytest_ebpf import Trace, TraceIncomplete, UsageError, call, family, glob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DURABLE = [family.write, family.fsync, family.rename, call("fsync", of="directory")]


def replace(path: Path, data: bytes, *, sync: bool = True, sync_folder: bool = True) -> None:
    """Replace a file's contents, durably unless told otherwise."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if sync_folder:
            os.fsync(folder)
    finally:
        os.close(folder)


def test_a_file_that_is_replaced_durably(ebpf_trace: Trace, tmp_path: Path) -> None:
    replace(tmp_path / "data.json", b"{}")
    write, fsync, rename, folder = ebpf_trace.assert_sequence(DURABLE, by="file")
    assert write.args.fd.path == fsync.args.fd.path == str(tmp_path / "data.tmp")
    assert (rename.args.oldpath, rename.args.newpath) == (str(tmp_path / "data.tmp"), str(tmp_path / "data.json"))
    assert folder.args.fd.path == str(tmp_path)
    ebpf_trace.assert_syscall("fsync", path="data.tmp", count=1)
    ebpf_trace.assert_syscall(family.open, path="data.tmp", flags={"O_CREAT"})
    ebpf_trace.assert_no_syscall(family.open, path="data.json")


@pytest.mark.parametrize("left_out", ["sync", "sync_folder"])
def test_a_file_that_is_not(ebpf_trace: Trace, tmp_path: Path, left_out: str) -> None:
    replace(tmp_path / "data.json", b"{}", **{left_out: False})
    with pytest.raises(AssertionError, match=r"^missing   "[1:]):
        ebpf_trace.assert_sequence(DURABLE, by="file")


def test_what_sqlite_does_to_commit(ebpf_trace: Trace, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as database, database:
        database.execute("create table t (x)")
    # What is written to the journal is safe before the database is touched, and that before the journal goes.
    journal, store = "a.db-journal", "a.db"
    ebpf_trace.assert_sequence(
        [
            call(family.write, path=journal),
            call(family.fsync, path=journal),
            call(family.write, path=store),
            call(family.fsync, path=store),
            call(family.unlink, path=journal),
        ]
    )
    with pytest.raises(AssertionError, match=r"(?m)^too early "):
        ebpf_trace.assert_sequence([call(family.write, path=store), call(family.fsync, path=journal)])


def test_which_files_a_program_opens(ebpf_trace: Trace) -> None:
    subprocess.run(["cat", "/etc/passwd"], stdout=subprocess.DEVNULL, check=True)
    opened = ebpf_trace.assert_syscall(family.open, path="/etc/passwd", process="cat")
    assert opened.result.file.path == "/etc/passwd"
    assert opened.process == ebpf_trace.assert_spawned("cat")
    ebpf_trace.assert_no_syscall(family.open, path="/etc/shadow")
    ebpf_trace.assert_no_syscall(family.open, process="cat", flags={"O_WRONLY"})
    ebpf_trace.assert_no_syscall("%network", process="cat")
    with pytest.raises(AssertionError):
        ebpf_trace.assert_no_syscall("%file", path=glob("/etc/*"), process="cat")
    assert ebpf_trace.syscalls.where("read", fd="/etc/passwd", process="cat")


def test_a_relative_path_is_where_the_program_was(ebpf_trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    subprocess.run(["cat", "here"], cwd=tmp_path, check=True)
    opened = ebpf_trace.assert_syscall("openat", path=tmp_path / "here", process="cat")
    assert (opened.args.path, opened.args.path.raw) == (str(tmp_path / "here"), "here")


def test_nothing_but_what_is_allowed(ebpf_trace: Trace) -> None:
    subprocess.run(["true"], check=True)
    # Before it runs, it is still Python's child.
    run = ebpf_trace.assert_spawned("true").executions[-1]
    allowed = ["%file", "%desc", "%memory", "%process", "%signal"]
    allowed += ["arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "getrandom", "brk", "futex"]
    ebpf_trace.assert_only(allowed, process=run)
    ebpf_trace.assert_only(allowed, process="true")
    with pytest.raises(AssertionError, match=r"(?m)^others    exit_group x 1: "):
        ebpf_trace.assert_only([each for each in allowed if each != "%process"], process=run)


def test_no_more_often_than_is_allowed(ebpf_trace: Trace) -> None:
    subprocess.run(["cat", "/etc/passwd", "/etc/group"], stdout=subprocess.DEVNULL, check=True)
    budget = {call(family.open, path=glob("/etc/[pg]*")): 2, "%network": 0}
    ebpf_trace.assert_budget(budget, process="cat")
    with pytest.raises(AssertionError, match="2, at most 1"):
        ebpf_trace.assert_budget({call(family.open, path=glob("/etc/[pg]*")): 1}, process="cat")


def _take_one(server: socket.socket) -> None:
    server.accept()[0].close()


@contextlib.contextmanager
def listening() -> Iterator[int]:
    """A server on loopback that takes what comes; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_take_one, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        thread.join()


CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])))"


def test_to_whom_a_program_connects(ebpf_trace: Trace) -> None:
    with listening() as port:
        subprocess.run([sys.executable, "-c", CONNECT, str(port)], check=True)
    python = ebpf_trace.processes.where(argv=[..., str(port)]).one()
    made = ebpf_trace.assert_syscall("connect", family="AF_INET", port=port, address="127.0.0.1", process=python)
    assert made.args.addr.port == port
    ebpf_trace.assert_no_syscall("connect", family="AF_INET6", process=python)
    ebpf_trace.assert_no_syscall("connect", port=lambda other: other != port, process=python)
    with pytest.raises(AssertionError, match=f"port: .*htons\\({port}\\).*, asked 1"):
        ebpf_trace.assert_syscall("connect", port=1, process=python)


def test_a_connection_is_waited_for(ebpf_trace: Trace) -> None:
    with listening() as port:
        later = f"import time; time.sleep(0.2); {CONNECT}"
        with subprocess.Popen([sys.executable, "-c", later, str(port)]) as python:
            made = ebpf_trace.wait_for(call("connect", port=port), timeout=30)
    assert made.process.pid == python.pid


def test_a_call_that_does_not_come_is_waited_for_in_vain(ebpf_trace: Trace) -> None:
    begun = time.monotonic()
    with pytest.raises(AssertionError, match=r"^waited 0\.200 s: expected a system call made: connect, port=1 "):
        ebpf_trace.wait_for(call("connect", port=1), timeout=0.2)
    assert 0.2 <= time.monotonic() - begun < 5


def test_a_read_that_waits_is_there_before_it_returns(ebpf_trace: Trace, program: Callable[[str], str]) -> None:
    with blocked(program("blocked")) as waiting:
        process = ebpf_trace.assert_spawned(pid=waiting.process.pid)
        reads = ebpf_trace.syscalls.where("read", process=process, fd=0)
        assert [each.in_progress for each in reads] == [True, True]
        assert {each.tid for each in reads} == waiting.tids
        with pytest.raises(AssertionError):
            ebpf_trace.assert_no_syscall("read", process=process, fd=0)
        with pytest.raises(TraceIncomplete, match="the call has not returned yet"):
            ebpf_trace.assert_no_syscall("read", process=process, fd=0, result=0)
        waiting.let_go(2)
        waiting.process.wait()
    ebpf_trace.assert_syscall("read", process=process, fd=0, result=1, count=2)
    ebpf_trace.assert_no_syscall("read", process=process, in_progress=True)


def test_a_thread_of_the_test_that_waits_is_there_too(ebpf_trace: Trace) -> None:
    reading, writing = os.pipe()
    thread = threading.Thread(target=os.read, args=(reading, 1))
    thread.start()
    assert thread.native_id
    tid = thread.native_id
    assert eventually(lambda: waits_in(number_of("read"), tid))
    found = ebpf_trace.assert_syscall("read", fd=reading, in_progress=True)
    assert found.tid == tid
    os.write(writing, b"x")
    thread.join()
    assert ebpf_trace.assert_syscall("read", fd=reading, count=1)[0].result == 1
    os.close(reading)
    os.close(writing)


def uring(path: str) -> subprocess.Popen[bytes]:
    """Start a program that has set up a ring, and waits."""
    running = subprocess.Popen([path, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stdout
    assert running.stdout.readline() == b"\n"
    return running


def ended(running: subprocess.Popen[bytes]) -> None:
    running.communicate(b"x")
    if running.returncode:
        unable("io_uring_setup(2) is refused here: /proc/sys/kernel/io_uring_disabled, or a seccomp filter")


def test_with_an_io_uring_absence_cannot_be_told(ebpf_trace: Trace, program: Callable[[str], str]) -> None:
    ebpf_trace.assert_no_syscall("connect", process=ebpf_trace.root)
    ended(uring(program("uring")))
    with pytest.raises(TraceIncomplete, match=r"process \d+ \S*uring wait \(exit 0\) has an io_uring"):
        ebpf_trace.assert_no_syscall("connect")
    ebpf_trace.assert_no_syscall("connect", allow_io_uring=True)
    ebpf_trace.assert_no_syscall("connect", process=ebpf_trace.root)
    ebpf_trace.assert_syscall("io_uring_setup", errno="EINVAL")


def test_an_io_uring_from_before_the_window_counts_as_long_as_its_process_lives(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    with ebpf_trace.section("before"):
        running = uring(program("uring"))
    with ebpf_trace.section("while it lives") as second:
        pass
    ended(running)
    with ebpf_trace.section("after") as third:
        subprocess.run(["true"], check=True)
    with pytest.raises(TraceIncomplete, match="has an io_uring"):
        second.assert_no_syscall("connect")
    third.assert_no_syscall("connect", process="true")
    third.assert_no_syscall("connect")


def calls_of_the_test(trace: Trace) -> list[str]:
    """The calls of the test's own thread: under pytest-xdist another one talks to the controller.

    Without the memory that the interpreter takes for the lists and texts of the test itself.
    """
    calls = trace.syscalls.where(process=trace.root, tid=threading.current_thread().native_id)
    memory = ("brk(", "mmap(NULL, 262144, ", "mmap(NULL, 1048576, ", "munmap(")  # malloc, and CPython's arenas
    return [str(each) for each in calls if not str(each).startswith(memory)]


def test_this_plugin_makes_no_call_that_it_shows(tmp_path: Path, ebpf_trace: Trace) -> None:
    since_setup = calls_of_the_test(ebpf_trace)
    # Between setup and call pytest writes its reports; what opened the window is in none of them.
    ours = {"flock", "openat", "mmap", "recvmsg", "sendmsg", "poll", "ioctl"}
    assert not {each.partition("(")[0] for each in since_setup} & ours
    assert calls_of_the_test(ebpf_trace) == since_setup
    subprocess.run(["sh", "-c", "true; exit 3"], check=False)
    before = calls_of_the_test(ebpf_trace)
    assert len(before) > len(since_setup)  # the twin: there is something to see

    process = ebpf_trace.assert_spawned("sh")
    process.argv, process.namespaces, process.exit_code, process.parent, process.cwd
    assert [each.comm for each in process.walk()] == ["sh"]
    assert str(process) + repr(process.executions)
    assert len(ebpf_trace.events) == len([repr(each) for each in ebpf_trace.events])
    assert ebpf_trace.tree() + str(ebpf_trace.losses)
    assert not ebpf_trace.leftovers
    for each in ebpf_trace.syscalls:
        assert str(each) + repr(each.args) + repr(each.process)
    assert str(ebpf_trace.syscalls.summary()) + str(ebpf_trace.syscalls.summary()["execve"])
    for ask in (
        lambda: ebpf_trace.assert_spawned("nobody"),
        lambda: ebpf_trace.assert_syscall("openat", path="nowhere", flags={"O_PATH"}),
        lambda: ebpf_trace.assert_no_syscall("execve"),
        lambda: ebpf_trace.assert_only([]),
        lambda: ebpf_trace.assert_budget({"execve": 0}),
        lambda: ebpf_trace.assert_sequence(["execve", "pause"], by="file"),
        lambda: ebpf_trace.syscalls.where("openat").one(),
        lambda: ebpf_trace.wait_for(call("pause"), timeout=0.01),
        lambda: ebpf_trace.wait_for("nobody", timeout=0.01),
    ):
        with pytest.raises(AssertionError):
            ask()
    with ebpf_trace.section("inner") as inner:
        assert not inner.syscalls
    ebpf_trace.children_only
    assert calls_of_the_test(ebpf_trace) == before
    (tmp_path / "x").touch()
    assert len(calls_of_the_test(ebpf_trace)) > len(before)


def test_a_list_of_very_many_calls_leaves_nothing_behind(ebpf_trace: Trace) -> None:
    for _ in range(100_000):
        os.getppid()
    tid = threading.current_thread().native_id
    before = len(ebpf_trace.syscalls.where("!getppid", tid=tid))
    several = [ebpf_trace.syscalls.where("getppid") for _ in range(3)]
    assert len(several[0]) == 100_000
    del several
    assert len(ebpf_trace.syscalls.where("!getppid", tid=tid)) == before


def test_children_only_leaves_out_the_tests_own_process(ebpf_trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "early").touch()
    ebpf_trace.children_only = True
    (tmp_path / "late").touch()
    subprocess.run(["true"], check=True)
    ebpf_trace.assert_no_syscall(family.open, path="early")
    ebpf_trace.assert_no_syscall(family.open, path="late")
    ebpf_trace.assert_syscall("execve", path=glob("*/true"))
    with pytest.raises(UsageError, match="children_only leaves its calls out"):
        ebpf_trace.assert_no_syscall("openat", process=ebpf_trace.root)


def test_a_call_that_fails_has_its_error(ebpf_trace: Trace) -> None:
    with pytest.raises(FileNotFoundError):
        os.open("/no/such/file", os.O_RDONLY)
    failed = ebpf_trace.assert_syscall("openat", path="/no/such/file", errno="ENOENT")
    assert (failed.result, failed.errno, failed.error) == (-1, errno.ENOENT, "ENOENT")
    ebpf_trace.assert_no_syscall("openat", path="/no/such/file", errno=None)


@pytest.mark.ebpf(data_limit="1K")
def test_data_is_compared_where_it_was_asked_for(ebpf_trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the password")
    ebpf_trace.assert_syscall("write", path="secret", buf="the password")
    with pytest.raises(AssertionError):
        ebpf_trace.assert_no_syscall("write", buf=glob("*password*"))
    ebpf_trace.assert_no_syscall("write", path="secret", buf=b"x")


def test_data_that_nobody_asked_for_may_be_anything(ebpf_trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the password")
    with pytest.raises(TraceIncomplete, match="the data of buf was not copied"):
        ebpf_trace.assert_no_syscall("write", path="secret", buf="the password")


@pytest.mark.ebpf(syscalls="%network,getppid")
def test_only_what_the_setting_names_is_recorded(ebpf_trace: Trace) -> None:
    os.getppid()
    os.getpid()
    subprocess.run(["true"], check=True)
    socket.socket().close()
    assert {each.name for each in ebpf_trace.syscalls} == {"getppid", "socket"}
    ebpf_trace.assert_no_syscall("connect")
    with pytest.raises(UsageError, match=r"^getpid is not recorded: @pytest.mark.ebpf\(syscalls=...\) says '%network,"):
        ebpf_trace.assert_no_syscall("getpid")


@pytest.mark.ebpf(syscalls="none")
def test_none_are_recorded_where_none_are_wanted(ebpf_trace: Trace) -> None:
    subprocess.run(["true"], check=True)
    ebpf_trace.assert_spawned("true")
    with pytest.raises(UsageError, match=r"^no system calls are recorded: @pytest.mark.ebpf\(syscalls=...\) says none"):
        ebpf_trace.assert_no_syscall("connect")


def test_all_are_recorded_again_in_the_next_test(ebpf_trace: Trace) -> None:
    os.getpid()
    ebpf_trace.assert_syscall("getpid")
