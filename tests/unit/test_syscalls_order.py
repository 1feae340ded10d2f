"""Sequences of system calls: of a file through its renames, of a process, of a thread."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from call_world import shell

from pytest_ebpf import TraceIncomplete, UsageError, call
from pytest_ebpf.matching import show

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf import Trace

DURABLE = ["write", "fsync", "rename", call("fsync", of="directory")]

TREE = """\
processes 4100 pytest test_it.py (the test)
          └─ 4101 sh -c x (+0.100 ms, running)
"""


class Writer:
    """A program that replaces a file, step by step, each of which can be left out or moved."""

    def __init__(self, path: str = "/srv/data.json") -> None:
        self.world, self.trace, self.sh = shell()
        self.path = path
        self.folder = os.path.dirname(path)  # noqa: PTH120 - a text
        self.temporary = self.world.file(3, f"{path}.tmp")
        self.directory = self.world.directory(4, self.folder)

    def do(self, *steps: str) -> Trace:
        for step in steps:
            getattr(self, step)()
        return self.trace

    def open(self) -> None:
        self.world.open(self.sh, self.temporary.path, self.temporary, os.O_WRONLY | os.O_CREAT)

    def write(self) -> None:
        self.world.call(self.sh, "write", 5, fd=self.temporary, buf=b"hello", count=5)

    def fsync(self) -> None:
        self.world.call(self.sh, "fsync", fd=self.temporary)

    def failing_fsync(self) -> None:
        self.world.call(self.sh, "fsync", -errno.EIO, fd=self.temporary)

    def rename(self) -> None:
        self.world.call(self.sh, "rename", oldpath=self.temporary.path, newpath=self.path)
        self.temporary = self.temporary.moved(self.path)

    def failing_rename(self) -> None:
        self.world.call(self.sh, "rename", -errno.EXDEV, oldpath=self.temporary.path, newpath=self.path)

    def open_folder(self) -> None:
        self.world.open(self.sh, self.folder, self.directory)

    def fsync_folder(self) -> None:
        self.world.call(self.sh, "fsync", fd=self.directory)

    def fsync_other_folder(self) -> None:
        self.world.call(self.sh, "fsync", fd=self.world.directory(9, "/var"))

    def close(self) -> None:
        self.world.call(self.sh, "close", fd=self.temporary)


ALL = ("open", "write", "fsync", "close", "rename", "open_folder", "fsync_folder")


def names(calls: list[Any]) -> list[str]:
    return [each.name for each in calls]


def test_a_file_is_followed_through_its_rename_to_its_directory() -> None:
    trace = Writer().do(*ALL)
    found = trace.assert_sequence(DURABLE, by="file")
    assert names(found) == ["write", "fsync", "rename", "fsync"]
    assert found[1].args.fd.path == "/srv/data.json.tmp"
    assert found[3].args.fd.path == "/srv"


@pytest.mark.parametrize(
    "steps",
    [
        ("open", "write", "rename", "fsync", "open_folder", "fsync_folder"),
        ("open", "fsync", "write", "rename", "open_folder", "fsync_folder"),
        ("open", "write", "open_folder", "fsync_folder", "rename", "fsync_folder"),
        ("open", "write", "failing_fsync", "rename", "open_folder", "fsync_folder"),
        ("open", "write", "fsync", "failing_rename", "open_folder", "fsync_folder"),
        ("open", "write", "fsync", "open_folder", "fsync_folder", "rename"),
        ("open", "write", "fsync", "rename", "fsync_other_folder"),
        ("open", "write", "fsync", "rename", "fsync"),
        ("write", "fsync", "rename"),
        (),
    ],
    ids="-".join,
)
def test_a_step_that_is_missing_or_too_early_fails_the_assertion(steps: tuple[str, ...]) -> None:
    trace = Writer().do(*steps)
    with pytest.raises(AssertionError):
        trace.assert_sequence(DURABLE, by="file")


def test_steps_on_two_files_are_none_of_one() -> None:
    writer = Writer()
    other = writer.world.file(7, "/srv/other")
    writer.do("open", "write")
    writer.world.call(writer.sh, "fsync", fd=other)
    writer.do("rename")
    with pytest.raises(AssertionError):
        writer.trace.assert_sequence(["write", "fsync", "rename"], by="file")
    # The twin: of whatever files, they are in this order.
    writer.trace.assert_sequence(["write", "fsync", "rename"])
    writer.trace.assert_sequence(["write", "fsync", "rename"], by="process")


def test_the_rename_of_another_file_onto_it_is_not_its_rename() -> None:
    writer = Writer()
    writer.do("open", "write", "fsync")
    writer.world.call(writer.sh, "rename", oldpath="/srv/x", newpath=writer.temporary.path)
    with pytest.raises(AssertionError):
        writer.trace.assert_sequence(["write", "fsync", "rename"], by="file")


def test_a_socket_is_a_file_too() -> None:
    world, trace, sh = shell()
    one, two = world.file(3, "", inode=77, mode=0o140777), world.file(4, "", inode=78, mode=0o140777)
    world.call(sh, "socket", one, domain=2, type=1, protocol=0)
    world.call(sh, "socket", two, domain=2, type=1, protocol=0)
    world.call(sh, "listen", sockfd=two, backlog=1)
    trace.assert_sequence(["socket", "listen"], by="file")
    with pytest.raises(AssertionError):
        trace.assert_sequence([call("socket", result=3), "listen"], by="file")


def test_by_process_and_by_thread() -> None:
    world, trace, sh = shell()
    cat, thread = world.fork(sh), world.thread(sh)
    world.call(sh, "getpid")
    world.call(cat, "getppid")
    world.call(thread, "gettid", options={"pid": sh.key[0], "start_ns": sh.key[1]})
    trace.assert_sequence(["getpid", "getppid", "gettid"])
    trace.assert_sequence(["getpid", "gettid"], by="process")
    for by, steps in (("process", ["getpid", "getppid"]), ("thread", ["getpid", "gettid"])):
        with pytest.raises(AssertionError):
            trace.assert_sequence(steps, by=by)
    trace.assert_sequence(["getpid"], process=sh.pid)
    with pytest.raises(AssertionError):
        trace.assert_sequence(["getpid", "getppid"], process=sh.pid)


def test_a_step_is_entered_when_the_one_before_had_returned() -> None:
    world, trace, sh = shell()
    world.call(sh, "fsync", fd=world.file(3, "/a"), steps=10)
    world.call(world.fork(sh), "rename", oldpath="/a", newpath="/b")
    with pytest.raises(AssertionError):
        trace.assert_sequence(["fsync", "rename"])
    world.call(sh, "rename", oldpath="/b", newpath="/c")
    world.tick(9)
    world.call(sh, "rename", oldpath="/c", newpath="/d")
    trace.assert_sequence(["fsync", "rename"])
    world.block(sh, "fsync", fd=3)
    world.call(world.fork(sh), "getpid")
    with pytest.raises(AssertionError):
        trace.assert_sequence(["rename", "fsync", "getpid"])
    trace.assert_sequence(["rename", "fsync"])


def test_of_several_that_can_be_a_step_the_one_that_returns_first_is_taken() -> None:
    world, trace, sh = shell()
    world.call(sh, "fsync", fd=3, steps=40)
    world.call(world.fork(sh), "fsync", fd=3)
    world.call(world.fork(sh), "rename", oldpath="/a", newpath="/b")
    trace.assert_sequence(["fsync", "rename"])


def test_a_call_that_failed_is_a_step_only_where_it_is_to_fail() -> None:
    trace = Writer().do("open", "write", "failing_fsync")
    with pytest.raises(AssertionError):
        trace.assert_sequence(["write", "fsync"], by="file")
    trace.assert_sequence(["write", call("fsync", errno="EIO")], by="file")
    trace.assert_sequence(["write", call("fsync", result=-1)], by="file")


def test_strictly_nothing_of_the_same_lies_between() -> None:
    writer = Writer()
    writer.do("open", "write")
    writer.world.call(writer.sh, "getpid")
    writer.do("write", "fsync")
    trace = writer.trace
    trace.assert_sequence(["openat", "write", "fsync"], by="file")
    trace.assert_sequence(["openat", "write", "write", "fsync"], by="file", strict=True)
    for by, steps in (("file", ["openat", "write", "fsync"]), ("thread", ["openat", "write", "write", "fsync"])):
        with pytest.raises(AssertionError):
            trace.assert_sequence(steps, by=by, strict=True)
    trace.assert_sequence(["write", "getpid", "write"], by="thread", strict=True)


def text_of(kind: type[BaseException], ask: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        ask()
    assert caught.type is kind
    return str(caught.value)


def test_a_message_says_which_step_came_too_early() -> None:
    trace = Writer().do("open", "write", "rename", "fsync")
    assert text_of(AssertionError, lambda: trace.assert_sequence(["write", "fsync", "rename"], by="file")) == (
        """\
expected system calls in this order (on the same file): write, fsync, rename   (2 of 3 steps found)
file      /srv/data.json
found     +0.400 ms  4101 write(3, "hello", 5) = 5
          +0.600 ms  4101 fsync(3) = 0
missing   rename after fsync
too early +0.500 ms  4101 rename("/srv/data.json.tmp", "/srv/data.json") = 0
"""
        + TREE
        + "window    2 events, 4 calls, 0 lost, 0 truncated"
    )


def test_a_message_says_where_else_a_step_is() -> None:
    writer = Writer()
    writer.do("open", "write", "open_folder", "fsync_other_folder")
    steps = ["write", call("fsync", of="directory")]
    assert text_of(AssertionError, lambda: writer.trace.assert_sequence(steps, by="file")) == (
        """\
expected system calls in this order (on the same file): write, fsync (of its directory)   (1 of 2 steps found)
file      /srv/data.json.tmp
found     +0.400 ms  4101 write(3, "hello", 5) = 5
missing   fsync (of its directory) after write
elsewhere +0.600 ms  4101 fsync(9) = 0
"""
        + TREE
        + "window    2 events, 4 calls, 0 lost, 0 truncated"
    )


def test_a_message_says_what_came_nearest() -> None:
    trace = Writer().do("open", "write")
    steps = [call("openat", path="data.json.tmp"), call("write", count=6)]
    assert text_of(AssertionError, lambda: trace.assert_sequence(steps, by="file")) == (
        """\
expected system calls in this order (on the same file): call(openat, path='data.json.tmp'), call(write, count=6)   \
(1 of 2 steps found)
file      /srv/data.json.tmp
found     +0.300 ms  4101 openat(AT_FDCWD, "/srv/data.json.tmp", O_WRONLY|O_CREAT, 000) = 3
missing   call(write, count=6) after call(openat, path='data.json.tmp')
closest   +0.400 ms  4101 write(3, "hello", 5) = 5   ← differs: count
            count: 5, asked 6
          +0.300 ms  4101 openat(AT_FDCWD, "/srv/data.json.tmp", O_WRONLY|O_CREAT, 000) = 3   ← differs: name, count
            name: openat, asked write
            count: not there, asked 6
"""
        + TREE
        + "window    2 events, 2 calls, 0 lost, 0 truncated"
    )


def test_a_message_says_what_lies_between() -> None:
    trace = Writer().do("open", "write", "close", "fsync")
    assert text_of(AssertionError, lambda: trace.assert_sequence(["write", "fsync"], by="file", strict=True)) == (
        """\
expected system calls in this order (on the same file, with no call between): write, fsync   (1 of 2 steps found)
file      /srv/data.json.tmp
found     +0.400 ms  4101 write(3, "hello", 5) = 5
missing   fsync after write
between   +0.500 ms  4101 close(3) = 0
"""
        + TREE
        + "window    2 events, 4 calls, 0 lost, 0 truncated"
    )


def test_no_step_at_all() -> None:
    world, trace, sh = shell()
    world.call(sh, "getpid", sh.pid)
    assert text_of(AssertionError, lambda: trace.assert_sequence(["write", "fsync"], by="process")) == (
        """\
expected system calls in this order (by the same process): write, fsync   (0 of 2 steps found)
missing   write
"""
        + TREE
        + "window    2 events, 1 call, 0 lost, 0 truncated"
    )


def test_evidence_that_is_missing_is_no_failure_and_what_is_there_still_passes() -> None:
    writer = Writer()
    writer.do("open", "write", "fsync")
    writer.world.session.lost.update(lost_records=1, lost_bytes=200)
    assert len(writer.trace.assert_sequence(["write", "fsync"], by="file")) == 2
    text = text_of(TraceIncomplete, lambda: writer.trace.assert_sequence(["fsync", "write"], by="file"))
    headline = "cannot tell whether there were system calls in this order (on the same file): fsync, write"
    assert text.splitlines()[:3] == [
        f"{headline}   (1 of 2 steps found)",
        "because   1 record (200 B) did not fit in the ring of 8 MiB",
        'try       a larger ring: @pytest.mark.ebpf(ring_size="16M") or --ebpf-ring-size=16M',
    ]
    # Strictly: what was lost may lie between.
    text = text_of(TraceIncomplete, lambda: writer.trace.assert_sequence(["write", "fsync"], by="file", strict=True))
    assert text.splitlines()[1].startswith("because   1 record")


def test_a_call_of_which_it_is_not_known_on_which_file_it_is_may_be_the_step() -> None:
    writer = Writer()
    writer.do("open", "write")
    writer.world.call(writer.sh, "fsync", fd=writer.world.file(9, "/x"), gone=("fd",))
    text = text_of(TraceIncomplete, lambda: writer.trace.assert_sequence(["write", "fsync"], by="file"))
    assert "\nmay be    +0.500 ms  4101 fsync(9) = 0\n" in text


def test_a_call_of_which_it_is_not_known_what_it_was_passed_may_be_the_step() -> None:
    writer = Writer()
    writer.do("open")
    writer.world.call(writer.sh, "write", 5, fd=writer.temporary, buf=b"hello", count=5, gone=("buf",))
    text = text_of(
        TraceIncomplete, lambda: writer.trace.assert_sequence(["openat", call("write", buf=b"h")], by="file")
    )
    assert "\nmay be    +0.300 ms  4101 openat(" in text


def test_an_io_uring_may_have_done_what_lies_between() -> None:
    writer = Writer()
    writer.world.call(writer.sh, "io_uring_setup", 9, entries=1)
    writer.do("open", "write", "fsync")
    trace = writer.trace
    trace.assert_sequence(["write", "fsync"], by="file")
    with pytest.raises(TraceIncomplete, match="has an io_uring"):
        trace.assert_sequence(["write", "fsync"], by="file", strict=True)
    trace.assert_sequence(["write", "fsync"], by="file", strict=True, allow_io_uring=True)


@pytest.mark.parametrize(
    ("steps", "options", "text"),
    [
        ("write", {}, "a sequence is a list of steps, such as ['write', 'fsync'], not 'write'"),
        ([], {}, "a sequence is a list of steps, such as ['write', 'fsync'], not []"),
        (["write"], {"by": "inode"}, "by is 'file', 'process', 'thread' or None, not 'inode'"),
        (["writ"], {}, "there is no system call 'writ' on this machine; did you mean 'write' or 'writev'?"),
        ([call("fsync", of="directory")], {}, "of='directory' is of use in a sequence by='file' only"),
        ([call("write", flags=1)], {}, "write has no argument 'flags' (it has: fd, buf, count)"),
    ],
    ids=show,
)
def test_a_sequence_that_cannot_be_is_refused(steps: Any, options: dict[str, Any], text: str) -> None:
    _, trace, _ = shell()
    with pytest.raises(UsageError, match=f"^{re.escape(text)}$"):
        trace.assert_sequence(steps, **options)


def test_a_file_cannot_be_followed_where_its_renames_are_not_recorded() -> None:
    _, trace, _ = shell(recorded="write,fsync,rename,unlink", source="--ebpf-syscalls")
    with pytest.raises(UsageError) as caught:
        trace.assert_sequence(["write", "fsync"], by="file")
    assert str(caught.value) == (
        "by='file' follows files through their renames, and link, linkat, renameat, renameat2, rmdir, unlinkat is not"
        " recorded: --ebpf-syscalls says 'write,fsync,rename,unlink'"
    )
