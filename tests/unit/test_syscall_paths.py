"""Paths that calls are made with: as they were passed, and from where they start."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest
from fake_calls import call, file
from hypothesis import given
from hypothesis import strategies as some

from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.syscalls import text
from pytest_ebpf.syscalls.values import Missing, PathName, Unreadable

AT = 0x1000
HOME = (file("/home/us"), None)
AT_FDCWD = -100


def opened(path: bytes, **how: Any) -> PathName:
    found = call("openat", AT_FDCWD, AT, 0, memory={AT: path + b"\0"}, **{"files": HOME, "result": 3, **how})
    result: PathName = found.args["path"]
    return result


@pytest.mark.parametrize(
    ("passed", "absolute"),
    [
        (b"/etc/passwd", "/etc/passwd"),
        (b"data.json", "/home/us/data.json"),
        (b"./a//b/./c", "/home/us/a/b/c"),
        (b"//a/", "/a"),
        (b"/", "/"),
        (b".", "/home/us"),
        (b"../x", "/home/us/../x"),  # through a symbolic link it leads somewhere else than one thinks
        (b"a/../b", "/home/us/a/../b"),
    ],
)
def test_a_path_is_made_absolute_and_what_was_passed_is_kept(passed: bytes, absolute: str) -> None:
    path = opened(passed)
    assert path == absolute
    assert path.raw == os.fsdecode(passed)


@given(some.binary(min_size=1, max_size=200).filter(lambda data: b"\0" not in data))
def test_any_bytes_of_a_path_survive(passed: bytes) -> None:
    path = opened(passed)
    assert os.fsencode(path.raw) == passed
    assert path.startswith("/")


def test_a_path_starts_from_the_directory_that_is_passed_and_the_descriptor_knows_it() -> None:
    found = call("openat", 5, AT, 0, memory={AT: b"x\0"}, files=(file("/srv"), None), result=6)
    assert found.args.path == "/srv/x"
    assert (found.args.dirfd, found.args.dirfd.path) == (5, "/srv")
    assert text.arguments(found) == '5, "x", O_RDONLY'


def test_an_absolute_path_does_not_need_the_directory() -> None:
    found = call("openat", 999, AT, 0, memory={AT: b"/x\0"}, result=6)
    assert found.args.path == "/x"
    assert found.args.dirfd.file is None


def test_a_path_from_a_directory_that_does_not_exist_is_what_was_passed() -> None:
    assert opened(b"x", files=(None, None), result=-errno.EBADF) == "x"


@pytest.mark.parametrize(
    ("base", "seen", "known"), [("lost", "…/x", "known"), (file("…/deep", cut=True), "…/deep/x", "known whole")]
)
def test_a_path_from_a_directory_that_is_not_known_is_not_known_whole(base: Any, seen: str, known: str) -> None:
    found = call("openat", AT_FDCWD, AT, 0, memory={AT: b"x\0"}, files=(base, None), result=3)
    said = rf"^path of openat: the directory that the path starts from is not {known}$"
    with pytest.raises(TraceIncomplete, match=said):
        _ = found.args.path
    assert found.seen("path") == seen
    assert text.arguments(found) == 'AT_FDCWD, "x", O_RDONLY'


def test_an_empty_path_stands_for_the_descriptor_where_the_call_takes_it_so() -> None:
    base = (file("/srv/data", "file"), None)
    taken = call("newfstatat", 5, AT, 0, 0x1000, memory={AT: b"\0"}, files=base)
    assert (taken.args.path, taken.args.path.raw) == ("/srv/data", "")
    refused = call("newfstatat", 5, AT, 0, 0, memory={AT: b"\0"}, files=base, result=-errno.ENOENT)
    assert refused.args.path == ""
    forbidden = call("fchownat", 5, AT, 0, 0, 0x1000, memory={AT: b"\0"}, files=base, result=-errno.EPERM)
    assert forbidden.args.path == "/srv/data"


def test_an_empty_path_for_a_descriptor_whose_record_was_lost_is_not_known_at_all() -> None:
    found = call("newfstatat", 5, AT, 0, 0x1000, memory={AT: b"\0"}, files=("lost", None))
    assert found.raw("path") == Missing("the directory that the path starts from is not known", address=AT)


def test_a_path_that_the_kernel_could_not_read_either_is_unreadable() -> None:
    found = call("openat", AT_FDCWD, 0xDEAD, 0, files=HOME, result=-errno.EFAULT)
    assert found.args.path == Unreadable(0xDEAD)
    assert text.line(found) == "openat(AT_FDCWD, 0xdead, O_RDONLY) = -1 EFAULT (Bad address)"


def test_a_path_that_only_we_could_not_read_is_not_known() -> None:
    found = call("openat", AT_FDCWD, 0xDEAD, 0, files=HOME, result=3)
    with pytest.raises(TraceIncomplete, match=r"^path of openat: path, a path, could not be read at 0xdead$"):
        _ = found.args.path
    assert found.seen("path") == Unreadable(0xDEAD)


def test_a_path_that_is_longer_than_any_is_known_to_its_end_only() -> None:
    found = call("openat", AT_FDCWD, AT, 0, memory={AT: b"x" * 5000}, files=HOME, result=-errno.ENAMETOOLONG)
    with pytest.raises(TraceIncomplete, match=r"^path of openat: path is longer than the 4096 bytes that are copied$"):
        _ = found.args.path
    assert text.arguments(found) == f'AT_FDCWD, "{"x" * 4096}"..., O_RDONLY'


def test_no_path_at_all_is_none() -> None:
    found = call("openat", AT_FDCWD, 0, 0, files=HOME, result=-errno.EFAULT)
    assert found.args.path is None
    assert text.arguments(found) == "AT_FDCWD, NULL, O_RDONLY"


def test_where_a_link_leads_is_no_path_of_the_call() -> None:
    found = call("symlinkat", AT, AT_FDCWD, AT + 100, memory={AT: b"../x\0", AT + 100: b"l\0"}, files=HOME)
    assert found.args.target == "../x"
    assert found.args.linkpath == "/home/us/l"
