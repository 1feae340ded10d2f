"""The list of what strace and we write differently: each in the docs, and as narrow as it says."""

from __future__ import annotations

import re
import struct
from collections import Counter
from pathlib import Path

import pytest
from strace_causes import CAUSES, PAIRS, without_causes, without_pairs
from strace_lines import Line, parse

from pytest_ebpf.syscalls.values import quoted

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
        ("clock_gettime", "0xfffffffa /* CLOCK_??? */, 0x1", "MAKE_PROCESS_CPUCLOCK(0, CPUCLOCK_SCHED), 0x1"),
        ("bind", '3, {sll_ifindex=if_nametoindex("lo")}, 20', "3, {sll_ifindex=1}, 20"),
        (
            "setsockopt",
            r'3, SOL_SOCKET, SO_RCVTIMEO_OLD, "\1\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0", 16',
            "3, SOL_SOCKET, SO_RCVTIMEO_OLD, {tv_sec=1, tv_usec=5}, 16",
        ),
        ("setsockopt", "3, SOL_TCP, TCP_CONGESTION, [1869505906], 4", '3, SOL_TCP, TCP_CONGESTION, "reno", 4'),
        ("capset", "{effective=1<<CAP_KILL|1<<CAP_CHOWN}", "{effective=CAP_CHOWN|CAP_KILL}"),
        ("sched_setscheduler", "0, 0x40000001, [0]", "0, SCHED_FIFO|SCHED_RESET_ON_FORK, [0]"),
        ("rt_sigreturn", "{mask=~[KILL RT_1]}", ""),
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
        ("clock_gettime", "0xfffffffb, 0x1", "MAKE_PROCESS_CPUCLOCK(0, CPUCLOCK_SCHED), 0x1"),
        ("bind", '3, {sll_ifindex=if_nametoindex("lo")}, 20', "3, {sll_ifindex=2}, 20"),
        ("setsockopt", "3, SOL_TCP, TCP_MAXSEG, [1869505906], 4", '3, SOL_TCP, TCP_MAXSEG, "reno", 4'),
        ("capset", "{effective=1<<CAP_KILL}", "{effective=CAP_CHOWN}"),
        ("rt_sigprocmask", "SIG_BLOCK, [INT], NULL, 8", "SIG_BLOCK, [], NULL, 8"),
    ],
)
def test_what_is_not_the_same_stays_different(call: str, strace: str, ours: str) -> None:
    assert without_causes(Line(1, call, strace, "96"), "strace") != without_causes(Line(1, call, ours, "96"), "ours")


def test_a_directory_that_is_longer_than_what_is_copied_is_compared_without_its_number_of_entries() -> None:
    strace = Line(1, "getdents64", "3, 0x10 /* 204 entries */, 32768", "8104")
    ours = Line(1, "getdents64", "3, 0x10 /* 103 entries */..., 32768", "8104")
    assert without_causes(strace, "strace") == without_causes(ours, "ours")


def test_of_a_message_that_is_received_as_much_is_compared_as_was_received() -> None:
    strace, ours = (
        Line(1, "msgrcv", f'5, {{mtype=7, mtext="{text}"}}, 8, 0, 0', "3") for text in (r"a\0b\0old", r"a\0b")
    )
    other = ours._replace(arguments=ours.arguments.replace("b", "c"))
    assert without_causes(strace, "strace") == without_causes(ours, "ours")
    assert without_causes(strace, "strace") != without_causes(other, "ours")


def _left(ours: str, strace: str, *, call: str = "kill", result: str = "0", other: str = "?") -> int:
    mine, theirs = Counter([Line(1, call, ours, result)]), Counter([Line(1, call, strace, other)])
    without_pairs(mine, theirs)
    return (+mine).total() + (+theirs).total()


def test_what_a_signal_ended_is_the_same_if_all_else_is() -> None:
    assert _left("5, SIGKILL", "5, SIGKILL") == 0
    assert _left("5, SIGKILL", "6, SIGKILL") == 2
    assert _left("5, SIGTERM", "5, SIGTERM") == 2
    assert _left("5, SIGKILL", "5, SIGKILL", result="-1 EPERM (Operation not permitted)") == 2
    for result, other in (("?", "? ERESTARTSYS (To be restarted)"), ("-1 ENOSYS (Function not implemented)", "?")):
        assert _left("5", "5", call="read", result=result, other=other) == 0
        assert _left("5", "6", call="read", result=result, other=other) == 2
        assert _left("5", "5", call="read", result="5", other=other) == 2
    assert _left("", "", call="gettid", result="7", other="? <unavailable>") == 0
    assert _left("5", "6", call="close", result="0", other="? <unavailable>") == 2


def test_netlink_messages_are_the_same_if_their_heads_are() -> None:
    told = "3, [{nlmsg_len=20, nlmsg_type=RTM_GETLINK, nlmsg_flags=NLM_F_REQUEST, nlmsg_seq=5, nlmsg_pid=0}, 0], 20, 0"
    for sequence, left in (5, 0), (6, 2):
        data = struct.pack("@IHHIi4x", 20, 18, 1, sequence, 0)
        ours = f"3, {quoted(data)}, 20, 0"
        assert _left(ours, told, call="sendto", result="20", other="20") == left


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
