"""The list of what strace and we write differently: each in the docs, and as narrow as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from strace_causes import CAUSES, PAIRS, without_causes
from strace_lines import Line, parse

PAGE = Path(__file__).parents[2] / "docs" / "strace.md"
EXPLAINED = set(re.findall(r"^\| ([^|]+?) \| ", PAGE.read_text(), re.MULTILINE)) - {"What"}


def test_each_cause_is_explained_in_the_docs_and_there_are_no_others() -> None:
    known = {each.title for each in (*CAUSES, *PAIRS)}
    assert known | {"Calls that strace 6.1 does not know"} == EXPLAINED


@pytest.mark.parametrize(
    ("call", "strace", "ours"),
    [
        ("openat", 'AT_FDCWD, "a|b", O_RDWR|O_CREAT', 'AT_FDCWD, "a|b", O_CREAT|O_RDWR'),
        ("access", '"x", 0x8 /* ?_OK */', '"x", 0x8'),
        ("ioctl", "3, BTRFS_IOC_CLONE or FICLONE, 4", "3, FICLONE, 4"),
        ("setxattr", '"x", "user.a", "again", 6, 0', r'"x", "user.a", "again\0", 6, 0'),
        ("execve", '"x", ["x"], 0x7ffc /* 35 vars */', '"x", ["x"], 0x7ffc'),
        ("mmap", "MAP_HUGETLB|21<<MAP_HUGE_SHIFT", "MAP_HUGETLB|MAP_HUGE_2MB"),
    ],
)
def test_two_forms_of_the_same_become_one(call: str, strace: str, ours: str) -> None:
    assert without_causes(Line(1, call, strace, "0"), "strace") == without_causes(Line(1, call, ours, "0"), "ours")


@pytest.mark.parametrize(
    ("call", "strace", "ours"),
    [
        ("write", '1, "O_RDWR|O_CREAT", 14', '1, "O_CREAT|O_RDWR", 14'),
        ("openat", 'AT_FDCWD, "x", O_RDWR|O_CREAT', 'AT_FDCWD, "x", O_RDWR'),
        ("getdents64", "3, 0x10 /* 4 entries */, 100", "3, 0x10 /* 3 entries */, 100"),
        ("write", r'1, "again", 6', r'1, "again\0", 6'),
        ("ioctl", "3, TCGETS, 0x10", "3, TCSETS, 0x10"),
        ("execve", '"x", ["a", "b"], 0x7ffc', '"x", ["a"], 0x7ffc'),
    ],
)
def test_what_is_not_the_same_stays_different(call: str, strace: str, ours: str) -> None:
    assert without_causes(Line(1, call, strace, "96"), "strace") != without_causes(Line(1, call, ours, "96"), "ours")


def test_a_directory_that_is_longer_than_what_is_copied_is_compared_without_its_number_of_entries() -> None:
    strace = Line(1, "getdents64", "3, 0x10 /* 204 entries */, 32768", "8104")
    ours = Line(1, "getdents64", "3, 0x10 /* 103 entries */..., 32768", "8104")
    assert without_causes(strace, "strace") == without_causes(ours, "ours")


def test_a_call_that_strace_tells_in_two_halves_is_one() -> None:
    lines = [
        "7 read(0,  <unfinished ...>",
        "8 close(1 <unfinished ...>",
        '7 <... read resumed>"a", 10)  = 1',
        "8 <... close resumed>)          = 0",
        "8 exit_group(0)                 = ?",
        "8 +++ exited with 0 +++",
        "7 pause( <unfinished ...>",
        "7 +++ killed by SIGKILL +++",
        "7 --- SIGCHLD {si_signo=SIGCHLD} ---",
    ]
    assert [str(line) for line in parse(lines)] == [
        '7 read(0, "a", 10) = 1',
        "8 close(1) = 0",
        "8 exit_group(0) = ?",
        "7 pause() = ?",
    ]
