"""Sequences of system calls: of a file through its renames, of a process, of a thread."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from call_world import CallWorld, Opened, shell
from hypothesis import given
from hypothesis import strategies as some

from pytest_ebpf import TraceIncomplete, UsageError, call
from pytest_ebpf.matching import show

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_stream import Actor

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


def rename_away(world: CallWorld, sh: Actor, path: str, to: str) -> None:
    world.call(sh, "renameat2", olddirfd=-100, oldpath=path, newdirfd=-100, newpath=to, flags=0)


def test_a_file_keeps_its_identity_under_every_name() -> None:
    world, trace, sh = shell()
    file = world.file(3, "/a")
    world.open(sh, "/a", file)
    rename_away(world, sh, "/a", "/b")
    rename_away(world, sh, "/b", "/c")
    world.call(sh, "link", oldpath="/c", newpath="/d")
    world.call(sh, "unlink", path="/d")
    assert len(trace.assert_sequence(["openat", "renameat2", "renameat2", "link", "unlink"], by="file")) == 5


def test_a_name_that_another_file_has_got_is_not_it_any_more() -> None:
    world, trace, sh = shell()
    world.open(sh, "/a", world.file(3, "/a"))
    rename_away(world, sh, "/a", "/old")
    world.open(sh, "/a", world.file(4, "/a"), os.O_CREAT)
    world.call(sh, "unlink", path="/a")
    with pytest.raises(AssertionError):
        trace.assert_sequence(["openat", "renameat2", "unlink"], by="file")
    trace.assert_sequence([call("openat", flags={"O_CREAT"}), "unlink"], by="file")


def test_an_inode_that_was_given_to_a_new_file_is_another() -> None:
    world, trace, sh = shell()
    world.open(sh, "/a", world.file(3, "/a", inode=5))
    world.call(sh, "unlink", path="/a")
    new = world.file(3, "/b", inode=5)
    world.open(sh, "/b", new)
    world.call(sh, "fsync", fd=new)
    with pytest.raises(AssertionError):
        trace.assert_sequence(["openat", "unlink", "fsync"], by="file")
    trace.assert_sequence(["openat", "fsync"], by="file")


def test_a_file_that_was_unlinked_while_open_is_still_itself() -> None:
    world, trace, sh = shell()
    file = world.file(3, "/a")
    world.open(sh, "/a", file)
    world.call(sh, "unlink", path="/a")
    world.call(sh, "write", 1, fd=Opened(3, "/a", 99, file.inode, deleted=True), buf=b"x", count=1)
    assert len(trace.assert_sequence(["openat", "unlink", "write"], by="file")) == 3


def test_the_directory_of_a_file_that_is_gone_is_the_one_that_had_it_last() -> None:
    world, trace, sh = shell()
    world.open(sh, "/srv/a", world.file(3, "/srv/a"))
    world.call(sh, "unlink", path="/srv/a")
    world.call(sh, "fsync", fd=world.directory(4, "/srv"))
    trace.assert_sequence(["unlink", call("fsync", of="directory")], by="file")


def test_of_a_file_that_moved_to_another_directory_only_that_one_counts() -> None:
    world, trace, sh = shell()
    world.open(sh, "/srv/a", world.file(3, "/srv/a"))
    rename_away(world, sh, "/srv/a", "/var/a")
    world.call(sh, "fsync", fd=world.directory(4, "/srv"))
    steps = ["openat", "renameat2", call("fsync", of="directory")]
    with pytest.raises(AssertionError):
        trace.assert_sequence(steps, by="file")
    world.call(sh, "fsync", fd=world.directory(5, "/var"))
    trace.assert_sequence(steps, by="file")


def test_what_lies_in_a_directory_that_is_renamed_goes_with_it() -> None:
    world, trace, sh = shell()
    world.open(sh, "/srv/a/b/c", world.file(3, "/srv/a/b/c"))
    rename_away(world, sh, "/srv/a", "/srv/z")
    world.call(sh, "unlink", path="/srv/z/b/c")
    trace.assert_sequence(["openat", "unlink"], by="file")


def test_two_files_that_change_places_are_followed() -> None:
    world, trace, sh = shell()
    world.open(sh, "/a", world.file(3, "/a"), os.O_RDONLY)
    world.open(sh, "/b", world.file(4, "/b"), os.O_WRONLY)
    world.call(sh, "renameat2", olddirfd=-100, oldpath="/a", newdirfd=-100, newpath="/b", flags=2)
    world.call(sh, "unlink", path="/b")
    trace.assert_sequence([call("openat", flags={"O_RDONLY"}), "renameat2", "unlink"], by="file")
    with pytest.raises(AssertionError):
        trace.assert_sequence([call("openat", flags={"O_WRONLY"}), "renameat2", "unlink"], by="file")


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


class Names:
    """What a kernel does with three names of files, told to a world call by call."""

    def __init__(self) -> None:
        self.world, self.trace, self.sh = shell()
        self.inodes: dict[str, int] = {}
        self.calls: dict[int, list[str]] = {}

    def _note(self, inode: int, name: str) -> None:
        self.calls.setdefault(inode, []).append(name)

    def open(self, name: str, _: str) -> None:
        inode = self.inodes.setdefault(name, 100 + len(self.calls))
        self.world.open(self.sh, f"/{name}", self.world.file(3, f"/{name}", inode=inode), os.O_CREAT)
        self._note(inode, "openat")

    def fsync(self, name: str, _: str) -> None:
        if name in self.inodes:
            self.world.call(self.sh, "fsync", fd=self.world.file(3, f"/{name}", inode=self.inodes[name]))
            self._note(self.inodes[name], "fsync")

    def unlink(self, name: str, _: str) -> None:
        if name in self.inodes:
            self.world.call(self.sh, "unlink", path=f"/{name}")
            self._note(self.inodes.pop(name), "unlink")

    def rename(self, name: str, other: str) -> None:
        if name in self.inodes:
            self.world.call(self.sh, "rename", oldpath=f"/{name}", newpath=f"/{other}")
            self._note(self.inodes[name], "rename")
            if self.inodes.get(other) != self.inodes[name]:  # to another name of itself it does nothing
                self.inodes[other] = self.inodes.pop(name)

    def link(self, name: str, other: str) -> None:
        if name in self.inodes and other not in self.inodes:
            self.world.call(self.sh, "link", oldpath=f"/{name}", newpath=f"/{other}")
            self._note(self.inodes[name], "link")
            self.inodes[other] = self.inodes[name]


@given(
    some.lists(
        some.tuples(some.sampled_from(["open", "fsync", "unlink", "rename", "link"]), some.sampled_from("abc")),
        max_size=25,
    )
)
def test_files_are_told_apart_whatever_happens_to_their_names(steps: list[tuple[str, str]]) -> None:
    files = Names()
    for what, name in steps:
        getattr(files, what)(name, "abc"["abc".index(name) - 1])
    for calls in files.calls.values():
        assert names(files.trace.assert_sequence(calls, by="file")) == calls
    for inode, calls in files.calls.items():
        more = [*calls, calls[-1]]
        others = [each for other, each in files.calls.items() if other != inode]
        if not any(_within(more, each) for each in others):
            with pytest.raises(AssertionError):
                files.trace.assert_sequence(more, by="file")


def _within(steps: list[str], calls: list[str]) -> bool:
    """Whether all steps are among the calls, in their order."""
    left = iter(calls)
    return all(step in left for step in steps)
