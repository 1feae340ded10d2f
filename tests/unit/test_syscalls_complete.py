"""No assertion about system calls passes on evidence that is not whole."""

from __future__ import annotations

import errno
import os
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import calls_stream
import pytest
from call_world import ADDRESS, CallWorld, quiet_shell, shell
from model_stream import World

from pytest_ebpf import TraceIncomplete, UsageError, call, glob
from pytest_ebpf.matching import show

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_stream import Actor

    from pytest_ebpf import Trace

ABSENT: dict[str, Callable[[Trace], object]] = {
    "no syscall": lambda trace: trace.assert_no_syscall("connect"),
    "a count": lambda trace: trace.assert_syscall("connect", count=0),
    "a budget": lambda trace: trace.assert_budget({"connect": 0}),
    "nothing but": lambda trace: trace.assert_only(["getpid", "io_uring*"]),
    "not": lambda trace: not trace.syscalls.where("connect"),
    "a length": lambda trace: len(trace.syscalls.where("connect")),
    "the end": lambda trace: list(trace.syscalls.where("connect")),
    "a summary": lambda trace: trace.syscalls.summary()["getpid"],
}


@pytest.fixture(params=ABSENT.values(), ids=list(ABSENT))
def absent(request: pytest.FixtureRequest) -> Callable[[Trace], object]:
    """What holds if there was no connect, and nothing but a getpid."""
    asked: Callable[[Trace], object] = request.param
    return asked


def test_with_whole_evidence_absence_holds(absent: Callable[[Trace], object]) -> None:
    _, trace, _ = quiet_shell()
    absent(trace)


def test_with_a_call_that_was_made_it_does_not(absent: Callable[[Trace], object]) -> None:
    world, trace, sh = quiet_shell()
    world.call(sh, "connect", -errno.ECONNREFUSED, sockfd=3, addr=b"", addrlen=0)
    if absent in {ABSENT["not"], ABSENT["a length"], ABSENT["the end"], ABSENT["a summary"]}:
        assert len(trace.syscalls.where("connect")) == 1
        return
    with pytest.raises(AssertionError):
        absent(trace)


@pytest.mark.parametrize(
    ("lost", "why"),
    [
        ({"lost_records": 2, "lost_bytes": 300}, "2 records (300 B) did not fit in the ring of 8 MiB"),
        ({"lost_members": 1}, "1 thread could not be entered into the session"),
        ({"left_members": 1}, "1 thread left the session by a change of user"),
    ],
    ids=show,
)
def test_with_records_lost_it_cannot_be_told(absent: Callable[[Trace], object], lost: dict[str, int], why: str) -> None:
    world, trace, _ = quiet_shell()
    world.session.lost.update(lost)
    with pytest.raises(TraceIncomplete, match=re.escape(why)):
        absent(trace)
    # What was seen was seen.
    trace.assert_syscall("getpid")
    assert trace.syscalls.where("getpid").first.name == "getpid"
    with pytest.raises(TraceIncomplete):
        trace.assert_syscall("connect")


def test_with_an_io_uring_it_cannot_be_told(absent: Callable[[Trace], object]) -> None:
    world, trace, sh = quiet_shell()
    world.call(sh, "io_uring_setup", 5, entries=8)
    with pytest.raises(TraceIncomplete, match=r"process 4101 sh -c x \(running\) has an io_uring"):
        absent(trace)
    trace.assert_syscall("getpid")


def test_an_io_uring_that_was_refused_does_nothing(absent: Callable[[Trace], object]) -> None:
    world, trace, sh = quiet_shell()
    world.call(sh, "io_uring_setup", -errno.EPERM, entries=8)
    absent(trace)


def test_what_the_kernel_side_could_not_read_may_be_anything() -> None:
    world, trace, sh = shell()
    world.open(sh, "/gone", 3, gone=("path",))
    for path in ("/etc/passwd", "passwd", glob("*"), lambda path: path == "x"):
        with pytest.raises(TraceIncomplete, match="path was not copied"):
            trace.assert_no_syscall("openat", path=path)
        with pytest.raises(TraceIncomplete):
            trace.assert_only([call("openat", path=path)])
        with pytest.raises(TraceIncomplete):
            trace.assert_budget({call("openat", path=path): 0})
    # Whatever it opened, it asked for no writing.
    trace.assert_no_syscall("openat", flags={"O_WRONLY"})
    trace.assert_no_syscall("openat", path="/etc/passwd", flags={"O_WRONLY"})


def test_what_the_kernel_itself_could_not_read_is_nothing() -> None:
    world, trace, sh = shell()
    at = world.tick()
    nowhere = calls_stream.piece(tid=sh.pid, entered_ns=at, address=ADDRESS, unreadable=True)
    how: dict[str, Any] = {"pid": sh.key[0], "start_ns": sh.key[1], "entered_ns": at}
    world.session.calls += nowhere + calls_stream.call("openat", [-100, ADDRESS], -errno.EFAULT, **how)
    trace.assert_no_syscall("openat", path="/etc/passwd")
    trace.assert_no_syscall("openat", path=glob("*"))
    # The twin: the call went on, so there was something, and only we could not read it.
    world.session.calls += nowhere.replace(at.to_bytes(8, "little"), (at + 1).to_bytes(8, "little"))
    world.session.calls += calls_stream.call("openat", [-100, ADDRESS], -errno.ENOENT, **{**how, "entered_ns": at + 1})
    with pytest.raises(TraceIncomplete, match="path, a path, could not be read at 0x7f0000001000"):
        trace.assert_no_syscall("openat", path="/etc/passwd")


def test_a_file_whose_record_was_lost_may_be_any() -> None:
    world, trace, sh = shell()
    world.call(sh, "fsync", fd=world.file(3, "/srv/a"), gone=("fd",))
    for criteria in ({"path": "/etc/passwd"}, {"fd": "passwd"}, {"fd": glob("*")}):
        with pytest.raises(TraceIncomplete, match="the record of the file behind fd was lost"):
            trace.assert_no_syscall("fsync", **criteria)
    world.open(sh, "/link", world.file(4, "/x"), gone=("result",))
    with pytest.raises(TraceIncomplete, match="the record of the file that it opened was lost"):
        trace.assert_no_syscall("openat", path="/etc/passwd")
    # There is no file behind a descriptor that is none.
    world.call(sh, "close", -errno.EBADF, fd=9)
    trace.assert_no_syscall("close", path="/etc/passwd")


def test_a_path_without_its_beginning_may_be_the_one() -> None:
    world, trace, sh = shell()
    world.call(sh, "fsync", fd=world.file(3, "/b/c.txt", cut=True))
    for path in ("/a/b/c.txt", "a/b/c.txt", "/x/y/b/c.txt"):
        with pytest.raises(TraceIncomplete, match="lies deeper than"):
            trace.assert_no_syscall("fsync", path=path)
    for path in ("/a/c.txt", "/b/d.txt", "d.txt", "/a/xb/c.txt"):
        trace.assert_no_syscall("fsync", path=path)
    for path in ("c.txt", "b/c.txt"):
        trace.assert_syscall("fsync", path=path)
        trace.assert_syscall("fsync", fd=path)


def test_data_that_nobody_asked_for_may_be_anything() -> None:
    world, trace, sh = shell()
    world.call(sh, "write", 5, fd=3, buf=ADDRESS, count=5)
    text = "the data of buf was not copied"
    with pytest.raises(TraceIncomplete, match=text):
        trace.assert_no_syscall("write", buf=b"x")
    with pytest.raises(TraceIncomplete, match=re.escape('@pytest.mark.ebpf(data_limit="4K")')):
        trace.assert_syscall("write", buf=b"x")


def test_data_that_was_cut_may_go_on_in_any_way() -> None:
    world, trace, sh = shell()
    world.session.calls += cut_write(world, sh, b"hello")
    with pytest.raises(TraceIncomplete, match="only 5 bytes were copied"):
        trace.assert_no_syscall("write", buf=b"hello world")
    trace.assert_no_syscall("write", buf=b"bye")
    trace.assert_syscall("write", buf=glob("hell*"))


def cut_write(world: CallWorld, sh: Actor, data: bytes) -> bytes:
    at = world.tick()
    return calls_stream.piece(data, tid=sh.pid, entered_ns=at, cut=True) + calls_stream.call(
        "write", [3, ADDRESS, 50], 50, pid=sh.key[0], start_ns=sh.key[1], window=1, entered_ns=at
    )


def test_the_pointers_of_a_32_bit_call_lead_to_what_is_not_followed() -> None:
    world, trace, sh = shell()
    world.call(sh, "execve", options={"abi": "compat"}, path="/bin/x", argv=ADDRESS)
    with pytest.raises(TraceIncomplete, match="32-bit calls"):
        trace.assert_no_syscall("execve", argv=["ls"])
    trace.assert_no_syscall("execve", argv=["ls"], abi="native")
    trace.assert_syscall("execve", path="/bin/x", abi="compat")


@pytest.mark.parametrize(
    ("name", "message"),
    [("sendmsg", {"msg": ADDRESS}), ("sendmmsg", {"msgvec": ADDRESS}), ("recvmmsg", {"msgvec": ADDRESS})],
)
def test_the_address_of_a_32_bit_message_is_not_followed(name: str, message: dict[str, Any]) -> None:
    world, trace, sh = shell()
    world.call(sh, name, 1, options={"abi": "compat"}, sockfd=3, **message)
    with pytest.raises(TraceIncomplete, match="32-bit calls"):
        trace.assert_no_syscall(name, address="127.0.0.1")
    with pytest.raises(TraceIncomplete, match="32-bit calls"):
        trace.assert_no_syscall(name, path="/run/socket")
    trace.assert_no_syscall(name, address="127.0.0.1", abi="native")


def test_a_call_that_stands_for_another_may_be_it() -> None:
    world, trace, sh = shell()
    compat = {"abi": "compat"}
    world.call(sh, "socketcall", options=compat, call=3, args=ADDRESS)
    world.call(sh, "ipc", options=compat, call=1 << 16 | 21)
    why = "it stands for connect, and with what arguments is not followed"
    for ask in (
        lambda: trace.assert_no_syscall("connect"),
        lambda: trace.assert_no_syscall("connect", port=80, process="sh"),
        lambda: not trace.syscalls.where("%network", port=80),
        lambda: trace.assert_syscall("connect", count=0),
        lambda: trace.assert_budget({"connect": 0}),
    ):
        with pytest.raises(TraceIncomplete, match=why):
            ask()
    with pytest.raises(TraceIncomplete, match="it stands for shmat"):
        trace.assert_no_syscall("shmat")
    with pytest.raises(TraceIncomplete, match="socketcall"):
        trace.assert_sequence(["connect"])
    trace.assert_no_syscall(["bind", "semop"])
    trace.assert_no_syscall("connect", process=trace.root)
    trace.assert_syscall("socketcall", count=1)
    assert trace.syscalls.where(["connect", "socketcall"]).one().name == "socketcall"


def test_a_call_without_a_name_may_have_any_argument() -> None:
    world, trace, sh = shell()
    world.call(sh, 510, 0)
    assert trace.syscalls.where("syscall_0x1fe").one().name == "syscall_0x1fe"
    for criteria in ({"path": "/x"}, {"fd": 3}, {"flags": 0}, {"family": "AF_INET"}):
        with pytest.raises(TraceIncomplete, match="what the arguments of this call mean is not known"):
            trace.assert_no_syscall(**criteria)
        trace.assert_no_syscall("openat" if "flags" in criteria else "connect", **criteria)
    with pytest.raises(AssertionError):
        trace.assert_only(["%all"])
    with pytest.raises(AssertionError):
        trace.assert_no_syscall("*")


def test_a_call_that_no_kernel_has_does_nothing() -> None:
    world, trace, sh = shell()
    world.call(sh, 510, -errno.ENOSYS)
    trace.assert_no_syscall(path="/x")
    trace.assert_no_syscall(flags=0)


def test_a_process_whose_name_is_not_known_may_be_the_one() -> None:
    world, trace, sh = shell()
    child = world.exec(world.fork(sh), "x", truncated="argv filename exe", argv=b"", filename=b"", exe=b"")
    world.call(child, "connect", sockfd=3, addr=b"", addrlen=0)
    with pytest.raises(TraceIncomplete, match="whether it goes by that name is not known"):
        trace.assert_no_syscall("connect", process="curl")
    with pytest.raises(TraceIncomplete):
        trace.assert_only(["getpid"], process="curl")
    with pytest.raises(TraceIncomplete):
        bool(trace.syscalls.where("connect", process="curl"))
    with pytest.raises(TraceIncomplete):
        bool(trace.syscalls.where("connect", process="curl").where(sockfd=3))
    with pytest.raises(TraceIncomplete, match="whether it goes by that name is not known"):
        trace.assert_no_syscall("connect", process="curl", sockfd=3)
    with pytest.raises(TraceIncomplete):
        trace.assert_sequence(["connect"], process="curl")
    trace.assert_no_syscall("connect", process="curl", sockfd=4)


def test_processes_of_which_there_may_be_more_are_not_all() -> None:
    world, trace, sh = shell()
    cat = world.exec(world.fork(sh), "cat")
    world.call(cat, "read", fd=3)
    descendants = trace.assert_spawned("sh").descendants
    trace.assert_no_syscall("connect", process=descendants)
    world.session.lost.update(lost_records=1, lost_bytes=1)
    with pytest.raises(TraceIncomplete):
        trace.assert_no_syscall("connect", process=descendants)
    trace.assert_syscall("read", process=descendants)


def test_a_name_that_nobody_goes_by_lets_nothing_hold() -> None:
    _, trace, _ = quiet_shell()
    text = "process='curk': no process goes by that, so this would hold whatever happened"
    asks: list[Callable[[], object]] = [
        lambda: trace.assert_no_syscall("connect", process="curk"),
        lambda: trace.assert_syscall("connect", process="curk", count=0),
        lambda: trace.assert_only(["getpid"], process="curk"),
        lambda: trace.assert_budget({"connect": 0}, process="curk"),
    ]
    for ask in asks:
        with pytest.raises(UsageError, match=f"^{text}$"):
            ask()
    with pytest.raises(AssertionError):
        trace.assert_syscall("connect", process="curk")


def test_where_none_are_recorded_none_can_be_asked_for(absent: Callable[[Trace], object]) -> None:
    _, trace, _ = quiet_shell(recorded="none", source="@pytest.mark.ebpf(syscalls=...)")
    text = (
        'no system calls are recorded: @pytest.mark.ebpf(syscalls=...) says none; try @pytest.mark.ebpf(syscalls="all")'
    )
    with pytest.raises(UsageError, match=f"^{re.escape(text)}$"):
        absent(trace)
    trace.assert_spawned("sh")


def test_a_session_without_system_calls_has_none_to_ask_for(absent: Callable[[Trace], object]) -> None:
    world = World()
    with closing(world.trace()) as trace, pytest.raises(UsageError, match=r"^this session records no system calls$"):
        absent(trace)


def test_calls_of_a_window_that_is_forgotten_are_gone(absent: Callable[[Trace], object]) -> None:
    world, trace, sh = quiet_shell()
    world.open(sh, "/a", world.file(3, "/a"))
    kept = trace.syscalls
    (opened,) = trace.syscalls.where("openat")
    trace.close()
    assert [each.name for each in kept] == ["getpid", "openat"]
    with closing(world.trace()):
        text = "this trace's records are gone: a trace can be asked until the next test's window opens; ask earlier"
        asks: list[Callable[[], object]] = [
            lambda: absent(trace),
            lambda: kept[0],
            lambda: list(kept),
            lambda: repr(kept),
            kept.summary,
            lambda: kept.where("getpid"),
            lambda: opened.process,
        ]
        for ask in asks:
            with pytest.raises(UsageError, match=f"^{re.escape(text)}$"):
                ask()
        # A call itself is kept; not what was told of beside it.
        assert opened.args.path == "/a"
        with pytest.raises(UsageError, match=f"^{re.escape(text)}$"):
            _ = opened.result


def test_a_denied_call_was_made_and_denied() -> None:
    world, trace, sh = shell()
    world.call(sh, "connect", -errno.EPERM, sockfd=3, addr=b"", addrlen=0, options={"denied": True})
    assert trace.assert_syscall("connect", denied=True).errno == errno.EPERM
    trace.assert_no_syscall("connect", denied=False)
    with pytest.raises(AssertionError):
        trace.assert_no_syscall("connect")


def test_a_call_that_a_filter_answered_by_a_signal_neither_succeeded_nor_failed() -> None:
    world, trace, sh = shell()
    world.call(sh, "connect", sockfd=3, addr=b"", addrlen=0, options={"denied": True, "trapped": True})
    for criteria in ({"errno": None}, {"errno": "EPERM"}, {"duration": lambda seconds: seconds >= 0}, {"result": 0}):
        trace.assert_no_syscall("connect", **criteria)
    trace.assert_syscall("connect", result=None, denied=True)


def test_an_exact_flag_is_not_hidden_by_another_call_that_does_not_have_it() -> None:
    world, trace, sh = shell()
    world.open(sh, "/a", 3, os.O_WRONLY | os.O_CREAT)
    world.call(sh, "close", fd=3)
    with pytest.raises(AssertionError):
        trace.assert_no_syscall(flags={"O_CREAT"})
    trace.assert_no_syscall(flags={"O_TRUNC"})
