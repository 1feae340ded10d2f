"""A file is followed under all names that it gets, and is no other file that gets its name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from call_world import CallWorld, Opened, shell
from hypothesis import given
from hypothesis import strategies as some

from pytest_ebpf import call

if TYPE_CHECKING:
    from model_stream import Actor


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
        assert [each.name for each in files.trace.assert_sequence(calls, by="file")] == calls
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
