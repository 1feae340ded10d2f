"""What system calls can be asked for, and what matches."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import struct
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from call_world import CallWorld, shell
from dirty_equals import IsInt, IsPartialDict, IsStr

from pytest_ebpf import UsageError, call, family, glob
from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.matching import show

if TYPE_CHECKING:
    from model_stream import Actor

    from pytest_ebpf import Trace
    from pytest_ebpf.syscalls.call import Syscall


def files() -> tuple[CallWorld, Trace, Actor]:
    """A shell that opens three files, of which one fails, and works on the second."""
    world, trace, sh = shell()
    world.open(sh, "/etc/passwd", -errno.EACCES, os.O_RDONLY | os.O_CLOEXEC)
    data = world.file(3, "/var/x/data.json")
    world.open(sh, "/var/x/data.json", data, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode=0o644)
    world.call(sh, "write", 5, fd=data, buf=b"hello", count=5)
    world.call(sh, "fsync", 0, fd=data)
    world.open(sh, "/var/other", world.file(4, "/var/other"), os.O_WRONLY)
    world.call(sh, "rename", 0, oldpath="/var/x/data.json", newpath="/var/x/final.json")
    return world, trace, sh


def opened(trace: Trace, **criteria: Any) -> list[str]:
    return [each.args.path for each in trace.syscalls.where("openat", **criteria)]


def names(trace: Trace, what: Any = None, **criteria: Any) -> list[str]:
    return [each.name for each in trace.syscalls.where(what, **criteria)]


def test_calls_are_found_by_name_pattern_group_family_and_list() -> None:
    _, trace, _ = files()
    assert names(trace) == ["openat", "openat", "write", "fsync", "openat", "rename"]
    assert names(trace, "fsync") == ["fsync"]
    assert names(trace, "f*c") == names(trace, re.compile("^fs")) == names(trace, glob("fs*")) == ["fsync"]
    assert names(trace, "%file") == ["openat", "openat", "openat", "rename"]
    assert names(trace, family.write) == ["write"]
    assert names(trace, ["write", family.rename]) == names(trace, "write,rename") == ["write", "rename"]
    assert names(trace, "!openat,!write") == ["fsync", "rename"]
    assert names(trace, "*") == names(trace)
    assert names(trace, "close") == []


def test_a_predicate_is_asked_of_each_call() -> None:
    _, trace, _ = files()
    assert names(trace, lambda each: each.result == 5) == ["write"]
    met: list[Syscall] = []
    trace.syscalls.where("openat").where(met.append)
    assert [each.name for each in met] == ["openat"] * 3


def test_a_call_that_was_asked_for_elsewhere_is_asked_for_here() -> None:
    _, trace, _ = files()
    assert names(trace, call("openat", flags={"O_WRONLY"})) == ["openat"]
    assert names(trace, call("openat", flags={"O_WRONLY"}), path="/var/other") == ["openat"]
    assert names(trace, call(path="data.json"), errno=None) == ["openat", "write", "fsync", "rename"]
    assert repr(call("openat", path="x")) == "call(openat, path='x')"
    assert repr(call("fsync", of="directory")) == "call(fsync, of='directory')"
    with pytest.raises(UsageError, match=r"^path is given twice: in call\(openat, path='x'\), and as path=$"):
        trace.syscalls.where(call("openat", path="x"), path="y")
    with pytest.raises(UsageError, match=r"^of is 'file' or 'directory', not 'inode'$"):
        call("fsync", of="inode")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/etc/passwd", ["openat"]),
        ("passwd", ["openat"]),
        ("asswd", []),
        ("etc/passwd", ["openat"]),
        ("/passwd", []),
        ("data.json", ["openat", "write", "fsync", "rename"]),
        (b"x/data.json", ["openat", "write", "fsync", "rename"]),
        (Path("x/data.json"), ["openat", "write", "fsync", "rename"]),
        (Path("/var/x/data.json"), ["openat", "write", "fsync", "rename"]),
        ("/var/x/../x/./data.json", ["openat", "write", "fsync", "rename"]),
        ("/var/x/", []),
        ("final.json", ["rename"]),
        (glob("/var/x/*"), ["openat", "write", "fsync", "rename"]),
        (re.compile(r"final\.json$"), ["rename"]),
        (lambda path: path.startswith("/etc"), ["openat"]),
        (IsStr(regex="/var/o.*"), ["openat"]),
    ],
    ids=show,
)
def test_a_path_is_any_of_a_calls_absolute_as_a_whole_relative_from_its_end(path: Any, found: list[str]) -> None:
    _, trace, _ = files()
    assert names(trace, path=path) == found


def test_a_path_argument_is_compared_likewise() -> None:
    _, trace, _ = files()
    assert names(trace, oldpath="data.json") == names(trace, "rename", newpath="final.json") == ["rename"]
    assert names(trace, newpath="data.json") == []


def test_a_relative_path_starts_where_the_call_says() -> None:
    world, trace, sh = shell()
    world.open(sh, "a/../b", -errno.ENOENT, dirfd=world.directory(7, "/srv"))
    assert names(trace, path="b") == ["openat"]
    assert names(trace, path="/srv/a/../b") == ["openat"]
    # What a/.. is only the kernel knows.
    doubtful = trace.syscalls.where(path="/srv/b")
    with pytest.raises(TraceIncomplete, match=r"path: not known: path may be it through a symbolic link"):
        bool(doubtful)


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        ("O_RDWR|O_CREAT|O_CLOEXEC", ["/var/x/data.json"]),
        ("O_CREAT | O_CLOEXEC | O_RDWR", ["/var/x/data.json"]),
        (os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, ["/var/x/data.json"]),
        ("O_CREAT", []),
        (os.O_CREAT, []),
        ({"O_CREAT"}, ["/var/x/data.json"]),
        ({"O_CLOEXEC"}, ["/etc/passwd", "/var/x/data.json"]),
        ({os.O_CLOEXEC}, ["/etc/passwd", "/var/x/data.json"]),
        (["O_CLOEXEC", os.O_CREAT], ["/var/x/data.json"]),
        ({"O_RDONLY"}, ["/etc/passwd"]),
        ({"O_WRONLY"}, ["/var/other"]),
        ({"O_RDWR"}, ["/var/x/data.json"]),
        ("O_WRONLY", ["/var/other"]),
        (set(), []),
        (lambda flags: flags & os.O_ACCMODE, ["/var/x/data.json", "/var/other"]),
        (IsInt(lt=2), ["/var/other"]),
    ],
    ids=show,
)
def test_flags_as_a_whole_or_at_least_some(flags: Any, found: list[str]) -> None:
    _, trace, _ = files()
    assert opened(trace, flags=flags) == found


def test_a_signal_and_other_choices_are_names_or_numbers() -> None:
    world, trace, sh = shell()
    world.call(sh, "kill", pid=7, sig=9)
    world.call(sh, "lseek", fd=3, offset=5, whence=1)
    assert names(trace, "kill", sig="SIGKILL") == names(trace, sig=9) == names(trace, sig=signal.SIGKILL) == ["kill"]
    assert names(trace, "lseek", whence="SEEK_CUR") == ["lseek"]
    assert names(trace, "lseek", whence="SEEK_SET") == []
    with pytest.raises(UsageError, match=r"^sig has no 'SIGKIL'; did you mean 'SIGKILL'\?$"):
        trace.syscalls.where("kill", sig="SIGKIL")


def test_names_within_a_structure_are_compared_by_value() -> None:
    world, trace, sh = shell()
    world.call(sh, "rt_sigaction", signum=15, act=struct.pack("=QQQQ", 1, 0x10000000, 0, 0), sigsetsize=8)
    (act,) = (each.args.act for each in trace.syscalls.where("rt_sigaction"))
    assert names(trace, "rt_sigaction", act={"sa_flags": {"SA_RESTART"}}) == ["rt_sigaction"], act
    assert names(trace, "rt_sigaction", act={"sa_flags": "SA_RESTART"}) == ["rt_sigaction"]
    assert names(trace, "rt_sigaction", act={"sa_flags": {"SA_SIGINFO"}}) == []


def test_creat_has_the_flags_that_it_stands_for() -> None:
    world, trace, sh = shell()
    world.call(sh, "creat", 3, path="/a", mode=0o600)
    world.open(sh, "/b", 4, os.O_RDONLY)
    assert names(trace, family.open, flags={"O_WRONLY"}) == names(trace, "creat", flags={"O_TRUNC"}) == ["creat"]


def test_an_argument_may_be_a_field_of_a_structure() -> None:
    world, trace, sh = shell()
    world.call(sh, "openat2", 3, dirfd=-100, path="/a", how=struct.pack("=QQQ", os.O_WRONLY, 0, 0), size=24)
    world.open(sh, "/b", 4, os.O_RDONLY)
    assert names(trace, family.open, flags={"O_WRONLY"}) == ["openat2"]
    assert names(trace, "openat2", how={"flags": {"O_WRONLY"}}) == ["openat2"]
    assert names(trace, "openat2", how={"flags": "O_WRONLY", "mode": 1}) == []
    assert names(trace, "openat2", how=IsPartialDict(flags=1)) == ["openat2"]
    with pytest.raises(UsageError, match=r"^flags has no 'O_WRITE'; did you mean 'O_\w+'\?$"):
        trace.syscalls.where("openat2", how={"flags": "O_WRITE"})


def test_a_descriptor_is_a_number_or_the_path_behind_it() -> None:
    world, trace, sh = files()
    assert names(trace, fd=3) == ["write", "fsync"]
    assert names(trace, fd="data.json") == names(trace, fd=Path("/var/x/data.json")) == ["write", "fsync"]
    assert names(trace, fd=glob("*.json")) == ["write", "fsync"]
    assert names(trace, "write", fd=lambda fd: fd.file.inode > 0) == ["write"]
    world.call(sh, "close", -errno.EBADF, fd=9)
    assert names(trace, "close", fd="data.json") == []
    assert names(trace, "openat", dirfd="AT_FDCWD") == names(trace, "openat", dirfd=-100) == ["openat"] * 3


def test_a_result_is_a_number_a_new_file_or_nothing() -> None:
    world, trace, sh = files()
    assert names(trace, result=5) == ["write"]
    assert names(trace, result=-1) == ["openat"]
    assert opened(trace, result="data.json") == ["/var/x/data.json"]
    assert opened(trace, result=lambda fd: fd == 4) == ["/var/other"]
    world.call(sh, "exit_group", options={"unfinished": True}, status=0)
    assert names(trace, result=None) == names(trace, unfinished=True) == ["exit_group"]
    assert "exit_group" not in names(trace, errno=None)


def test_an_error_is_a_name_a_number_or_none_for_success() -> None:
    world, trace, sh = files()
    for wanted in ({"errno": 13}, {"errno": "EACCES"}, {"error": "EACCES"}, {"error": glob("EA*")}):
        assert names(trace, **wanted) == ["openat"], wanted
    assert names(trace, errno=lambda number: number == errno.EACCES) == ["openat"]
    assert names(trace, errno=None) == ["openat", "write", "fsync", "openat", "rename"]
    world.call(sh, "read", -errno.EAGAIN, fd=3)
    assert names(trace, errno="EWOULDBLOCK") == names(trace, errno="EAGAIN") == ["read"]


def test_other_fields_are_asked_for_by_value() -> None:
    world, trace, sh = files()
    world.call(sh, "nanosleep", steps=40, duration=struct.pack("=qq", 0, 2_000_000))
    assert names(trace, duration=lambda seconds: seconds > 0.001) == ["nanosleep"]
    assert names(trace, args={"duration": {"tv_nsec": 2_000_000}}) == ["nanosleep"]
    assert names(trace, args={"duration": {"tv_nsec": 1}}) == []
    assert names(trace, "write", number=1, abi="native", denied=False, in_progress=False) == ["write"]
    assert names(trace, "write", tid=sh.pid, host_tid=sh.pid, window=1) == ["write"]
    assert names(trace, "write", tid=1) == []
    assert names(trace, count=5) == ["write"]


def test_a_thread_that_is_older_than_the_session_has_its_number() -> None:
    world, trace, _ = shell()
    own = world.root.identity
    world.emit("adopted", world.root, {**own, "host_tid": 5000, "tid": 50, "namespace_tid": 5})
    world.call(world.root, "getpid", options={"tid": 5000})
    assert trace.syscalls.where("getpid").one().tid == 50
    assert names(trace, tid=50, host_tid=5000) == ["getpid"]
    trace.assert_no_syscall("getpid", tid=5000)


def test_data_is_compared_as_bytes_or_text() -> None:
    _, trace, _ = files()
    for wanted in (b"hello", "hello", re.compile("^he"), re.compile(b"l+"), glob("h*o"), lambda data: len(data) == 5):
        assert names(trace, "write", buf=wanted) == ["write"], wanted
    assert names(trace, "write", buf="hell") == []


def test_a_list_of_texts_is_compared_item_by_item() -> None:
    world, trace, sh = shell()
    data = world.call(
        sh, "execve", path="/bin/ls", argv=0x1000, options={"pieces": [(0, b"/bin/ls"), (1, 0, b"ls"), (1, 1, b"-l")]}
    )
    assert data
    for wanted in (["ls", "-l"], ("ls", "-l"), ["ls", ...], [..., glob("-?")], ["ls", IsStr]):
        assert names(trace, "execve", argv=wanted) == ["execve"], wanted
    assert names(trace, "execve", argv=["ls"]) == []


def sockaddr(family_: int, port: int, address: str) -> bytes:
    packed = socket.inet_pton(family_, address)
    if family_ == socket.AF_INET:
        return struct.pack("=H", family_) + struct.pack("!H", port) + packed + bytes(8)
    return struct.pack("=H", family_) + struct.pack("!HI", port, 0) + packed + bytes(4)


def connections() -> tuple[CallWorld, Trace, Actor]:
    world, trace, sh = shell()
    for fd, address in enumerate(
        [
            sockaddr(socket.AF_INET, 80, "127.0.0.1"),
            sockaddr(socket.AF_INET6, 443, "::1"),
            sockaddr(socket.AF_INET6, 80, "::ffff:10.0.0.1"),
            struct.pack("=H", socket.AF_UNIX) + b"/run/docker.sock\0",
            struct.pack("=H", socket.AF_UNIX) + b"\0hidden",
            struct.pack("=H", socket.AF_UNIX) + b"here.sock\0",
        ]
    ):
        world.call(sh, "connect", sockfd=fd, addr=address, addrlen=len(address))
    return world, trace, sh


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({"family": "AF_INET"}, [0]),
        ({"family": socket.AF_INET6}, [1, 2]),
        ({"family": "AF_UNIX"}, [3, 4, 5]),
        ({"family": "AF_LOCAL"}, [3, 4, 5]),
        ({"port": 80}, [0, 2]),
        ({"port": lambda port: port > 100}, [1]),
        ({"address": "127.0.0.1"}, [0]),
        ({"address": "0:0:0:0:0:0:0:1"}, [1]),
        ({"address": ip_address("::1")}, [1]),
        ({"address": "10.0.0.1"}, [2]),
        ({"address": glob("127.*")}, [0]),
        ({"address": "127.0.0.1", "port": 80, "family": "AF_INET"}, [0]),
        ({"address": "127.0.0.1", "port": 443}, []),
        ({"family": "AF_INET6", "port": 80}, [2]),
        ({"path": "/run/docker.sock"}, [3]),
        ({"path": "@hidden"}, [4]),
        ({"path": "here.sock"}, [5]),
        ({"addr": {"port": 443}}, [1]),
        ({"addr": {"family": "AF_INET"}}, [0]),
        ({"addr": lambda addr: addr.port == 443}, [1]),
    ],
    ids=show,
)
def test_a_socket_address_is_asked_for_by_its_parts(criteria: dict[str, Any], found: list[int]) -> None:
    _, trace, _ = connections()
    assert [int(each.args.sockfd) for each in trace.syscalls.where("connect", **criteria)] == found


def test_a_socket_has_the_family_that_it_is_made_with() -> None:
    world, trace, sh = connections()
    world.call(sh, "socket", 9, domain=socket.AF_INET, type=1, protocol=0)
    assert names(trace, family="AF_INET") == ["connect", "socket"]
    assert names(trace, "socket", family="AF_UNIX") == []
    assert names(trace, "socket", family="AF_INET", port=80) == []


def test_whose_calls_are_asked_for() -> None:
    world, trace, sh = files()
    other = world.exec(world.fork(sh), "cat")
    world.call(other, "close", fd=3)
    world.call(world.root, "fsync", fd=3)
    parent, child = trace.processes
    assert names(trace, process=child) == names(trace, process=other.pid) == ["close"]
    assert names(trace, process="cat") == names(trace, process=glob("c?t")) == ["close"]
    assert names(trace, process=re.compile("^ca")) == ["close"]
    assert names(trace, process=parent.descendants) == names(trace, process=[child]) == ["close"]
    assert names(trace, process=lambda process: process.pid == other.pid) == ["close"]
    assert len(names(trace, process=["cat", parent])) == 7
    assert names(trace, process=trace.root) == ["fsync"]
    assert len(names(trace, process=parent)) == 6


def test_who_has_a_pid_is_meant_by_it() -> None:
    _, trace, sh = files()
    popen = SimpleNamespace(pid=sh.pid)  # such as a subprocess.Popen
    assert names(trace, process=popen) == names(trace, process=[popen]) == names(trace, process=sh.pid) != []
    with pytest.raises(AssertionError, match=rf"^expected no system call made: write, process={sh.pid}  "):
        trace.assert_no_syscall("write", process=popen)


def test_a_pid_means_its_process_of_this_window() -> None:
    world, outer, sh = shell()
    first = world.run(sh, "true")
    with outer.section("inner") as inner:
        second = world.exec(world.fork(sh, pid=first.pid, host_pid=first.key[0]), "cat", "x")
        world.call(second, "getpid")
        world.exit(second)
    assert names(inner, process=first.pid) == ["getpid"]
    with outer.section("after") as after, pytest.raises(UsageError, match=r": no process with this pid is known to "):
        after.assert_no_syscall("getpid", process=first.pid)
    with pytest.raises(UsageError) as caught:
        outer.assert_no_syscall("getpid", process=first.pid)
    assert str(caught.value) == (
        f"process={first.pid}: 2 processes had this pid in the window, one after the other:\n"
        f"  {first.pid} true (exit 0)\n"
        f"  {first.pid} cat x (exit 0)\n"
        f"  try     process=ebpf_trace.processes.where(pid={first.pid})[0], or another of them"
    )
    assert names(outer, process=outer.processes.where(pid=first.pid)[1]) == ["getpid"]


def test_a_name_means_the_calls_made_while_a_program_of_that_name_ran() -> None:
    world, trace, sh = shell()
    child = world.fork(sh)
    world.call(child, "dup2", oldfd=3, newfd=4)
    world.call(child, "execve", path="/bin/cat")
    world.exec(child, "cat")
    world.call(child, "read", fd=4)
    world.exec(child, "tail")
    world.call(child, "close", fd=4)
    assert names(trace, process="cat") == ["read"]
    assert names(trace, process="sh") == ["dup2", "execve"]
    assert names(trace, process="tail") == ["close"]
    cat = trace.assert_spawned("cat")
    assert names(trace, process=cat) == ["dup2", "execve", "read", "close"]
    assert names(trace, process=cat.executions[0]) == ["read"]
    assert names(trace, process=cat.executions[1]) == ["close"]
