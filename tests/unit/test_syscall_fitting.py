"""What can be asked of an argument, and what it never is."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest
from call_world import shell
from fake_calls import call

from pytest_ebpf import UsageError
from pytest_ebpf._values import Verdict
from pytest_ebpf.matching import show
from pytest_ebpf.syscalls import facts
from pytest_ebpf.syscalls.comparing import compare_value, judge_for
from pytest_ebpf.syscalls.kinds import FileDescriptor, Kind, Path
from pytest_ebpf.syscalls.prototype import prototypes
from pytest_ebpf.syscalls.scalars import named
from pytest_ebpf.syscalls.structures.processes import ProcessorSet
from pytest_ebpf.syscalls.structures.signals import SignalSet
from pytest_ebpf.syscalls.values import Fields

ANYTHING = {("setsockopt", "optval"), ("getsockopt", "optval")}
"""What may be of any sort: a number, a structure, bytes."""


def every_kind() -> list[tuple[str, str, Kind]]:
    return [
        (name, argument, kind)
        for name in sorted(prototypes())
        for kinds in facts.kinds_of(name)
        for argument, kind in kinds.items()
    ]


def test_of_every_argument_it_is_known_what_it_can_be() -> None:
    unknown = {
        (name, argument)
        for name, argument, kind in every_kind()
        if kind.example is None and not kind.flagset and not isinstance(kind, FileDescriptor | Path)
    }
    assert unknown == ANYTHING


def test_no_argument_is_of_a_type_that_there_is_none_of() -> None:
    for name, argument, kind in every_kind():
        if (name, argument) not in ANYTHING:
            never: Any
            for never in (2.5, True, ("x", 2.5, {})):
                with pytest.raises(UsageError):
                    judge_for(argument, never, kind)


@pytest.mark.parametrize(
    ("name", "criteria", "text"),
    [
        ("rt_sigprocmask", {"set": {"INT"}}, "set has no 'INT'; did you mean 'SIGINT'?"),
        ("rt_sigprocmask", {"set": "SIGINT"}, "set is a set, not 'SIGINT'"),
        ("rt_sigprocmask", {"set": {2.5}}, "set is a set of numbers or names, and 2.5 is none"),
        ("rt_sigaction", {"act": {"sa_mask": {"SIGFOO"}}}, "sa_mask has no 'SIGFOO'; did you mean 'SIGIO'?"),
        ("rt_sigaction", {"sa_handler": "SIG_IGNO"}, "sa_handler has no 'SIG_IGNO'; did you mean 'SIG_IGN'?"),
        ("rt_sigtimedwait", {"info": 3}, "info is a structure: ask for its fields by a dict, not for 3"),
        ("sched_setaffinity", {"mask": {"0"}}, "mask is a set of numbers, and '0' is none"),
        ("capset", {"effective": {"CAP_CHWN"}}, "effective has no 'CAP_CHWN'; did you mean 'CAP_CHOWN'?"),
        ("clone3", {"flags": {"CLONE_NS"}}, "flags has no 'CLONE_NS'; did you mean 'CLONE_FS'?"),
        ("clock_gettime", {"clockid": "CLOCK_MONO"}, "clockid has no 'CLOCK_MONO'; did you mean 'CLOCK_MONOTONIC'?"),
        ("wait4", {"wstatus": "exited"}, "wstatus is a number, not 'exited'"),
        ("prlimit64", {"rlim_cur": 1.5}, "rlim_cur is a number, not 1.5"),
        (
            "prlimit64",
            {"new_limit": {"rlim_cur": "0"}},
            "rlim_cur is a number, or the names of some, not '0'",
        ),
        (
            "prlimit64",
            {"new_limit": {"rlim_cur": "RLIM_INF"}},
            "'RLIM_INF' is not defined in the headers of the kernel; did you mean 'RLIM_INFINITY'?",
        ),
        ("setgroups", {"list": ["0"]}, "an item of list is a number, or the names of some, not '0'"),
        (
            "sendmsg",
            {"msg_iov": ["x"]},
            "an item of msg_iov is a structure: ask for its fields by a dict, not for 'x'",
        ),
        ("sendmsg", {"msg_iov": [..., {"iov_base": 3}]}, "an item of msg_iov: iov_base is bytes, not 3"),
        ("sendmsg", {"msg_flags": "MSG_X"}, "msg_flags has no 'MSG_X'; did you mean 'MSG_PROXY'?"),
        ("connect", {"addr": {"port": "80"}}, "port is a number, or the names of some, not '80'"),
        ("connect", {"addr": {"family": "AF_INE"}}, "family has no 'AF_INE'; did you mean 'AF_INET'?"),
        ("connect", {"addr": {"abstract": 1}}, "abstract is a bool, not 1"),
        (
            "pipe2",
            {"pipefd": [2.5]},
            "an item of pipefd is a descriptor: its number, or the path of the file behind it, not 2.5",
        ),
        ("listxattr", {"list": "user.x"}, "list is a list, not 'user.x'"),
        (
            "setsockopt",
            {"optname": "SO_REUSEADR"},
            "'SO_REUSEADR' is not defined in the headers of the kernel; did you mean 'SO_REUSEADDR'?",
        ),
        (
            "setsockopt",
            {"optname": {"SO_REUSEADDR"}},
            "optname is one of several values: a number or a name, not {'SO_REUSEADDR'}",
        ),
    ],
)
def test_what_an_argument_never_is_is_refused(name: str, criteria: dict[str, Any], text: str) -> None:
    _, trace, _ = shell()
    with pytest.raises(UsageError) as error:
        trace.assert_no_syscall(name, **criteria)
    assert str(error.value) == text


def test_an_object_that_equals_no_number_is_refused() -> None:
    _, trace, _ = shell()
    with pytest.raises(UsageError) as error:
        trace.assert_no_syscall("kill", pid=SimpleNamespace(pid=7))
    assert (
        str(error.value) == "pid is never namespace(pid=7), which equals no value of a call; of a process, give its pid"
    )
    nothing = object()
    with pytest.raises(UsageError) as error:
        trace.assert_no_syscall("kill", sig=nothing)
    assert str(error.value) == f"sig is never {nothing!r}, which equals no value of a call"


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ({"SIGINT"}, True),
        ({signal.SIGINT, "SIGTERM"}, True),
        ({"SIGINT", "SIGTERM"}, True),
        ({"SIGHUP"}, False),
        ({"SIGINT", "SIGHUP"}, False),
        ({"SIGABRT"}, True),
        ({"SIGIOT"}, True),
        (set(), False),
    ],
    ids=show,
)
def test_a_set_of_signals_has_at_least_those_asked_for(expected: set[Any], found: bool) -> None:
    actual = SignalSet.of((1 << 1 | 1 << 14 | 1 << 5).to_bytes(8, "little"))
    assert compare_value(expected, actual) == (Verdict.YES if found else Verdict.NO)
    assert compare_value({"sa_mask": expected}, Fields({"sa_mask": actual})) == compare_value(expected, actual)


def test_an_empty_set_is_asked_for_as_one() -> None:
    assert compare_value(set(), SignalSet()) == compare_value(set(), ProcessorSet()) == Verdict.YES
    assert compare_value({0}, ProcessorSet({0, 1})) == Verdict.YES
    assert compare_value({2}, ProcessorSet({0, 1})) == Verdict.NO


def test_a_name_is_one_of_the_set_that_the_number_is_of() -> None:
    # TCP_NODELAY and SO_DEBUG have the same number.
    assert compare_value("SO_DEBUG", named("socket_options")(1)) == Verdict.YES
    assert compare_value("TCP_NODELAY", named("socket_options")(1)) == Verdict.NO
    assert compare_value({"POLLIN"}, named("poll_events")(5)) == Verdict.YES
    assert compare_value("POLLIN", named("poll_events")(5)) == Verdict.NO
    assert compare_value("SO_DEBUG", 1) == Verdict.YES
    with pytest.raises(UsageError, match=r"^'SO_DEBG' is not defined in the headers of the kernel; did you mean"):
        compare_value("SO_DEBG", named("socket_options")(1))


def test_what_is_not_known_of_a_message_leaves_the_rest_to_be_asked_for() -> None:
    made = call("sendto", 3, 0x1000, 3, 0, 0, 0, result=3, memory={0x1000: b"abc"}, limit=0)
    assert facts.argument(made, "flags") == 0
    message = Fields({"mtype": 1, "mtext": made.raw("buf")})
    assert "mtext" in message
    assert compare_value({"mtype": 1}, message) == Verdict.YES
    assert compare_value({"mtype": 2}, message) == Verdict.NO
    assert compare_value({"mtext": b"abc"}, message) == Verdict.UNKNOWN
    assert compare_value({"mtype": 2, "mtext": b"abc"}, message) == Verdict.NO
