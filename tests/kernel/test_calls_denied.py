"""Calls that a seccomp filter answers: they never begin, and are told of all the same."""

from __future__ import annotations

import errno
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from call_stream import FLAGS
from calls_stream import number_of

from pytest_ebpf.syscalls.table import CallSpec, Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from call_stream import Call, Tracing

GETPPID = number_of("getppid")
TABLE = {GETPPID: CallSpec((), (Slot("result"),))}
ANSWERED = FLAGS["CALL_DENIED"]
TRAPPED = ANSWERED | FLAGS["CALL_TRAPPED"]
KILLED = TRAPPED | FLAGS["CALL_UNFINISHED"]


@pytest.fixture
def filtered(tracing: Tracing, program: Callable[[str], str]) -> Callable[[str, int], list[Call]]:
    """Run the program with its call answered so; its calls from that one on, of which it is the first."""

    def run(action: str, status: int) -> list[Call]:
        with subprocess.Popen([program("filtered"), action]) as running:
            pass
        assert running.returncode == status
        calls = tracing.calls(pid=running.pid)
        [at] = [at for at, call in enumerate(calls) if call.number == GETPPID]
        assert calls[at].args == (1, 2, 3, 4, 5, 6)
        return calls[at:]

    return run


@pytest.mark.parametrize(("action", "result"), [("errno", -errno.EACCES), ("zero", 0), ("trace", -errno.ENOSYS)])
def test_a_call_that_a_filter_answers_has_that_answer(
    action: str, result: int, filtered: Callable[[str, int], list[Call]]
) -> None:
    call, *others = filtered(action, 0)
    assert (call.flags, call.result) == (ANSWERED, result)
    assert (call.files[0] is not None) == (result == 0)
    assert [other.number for other in others] == [number_of("exit_group")]


def test_a_call_that_a_filter_traps_has_no_result_that_anybody_was_given(
    filtered: Callable[[str, int], list[Call]],
) -> None:
    call, back, _ = filtered("caught trap", 0)
    assert (call.flags, call.files) == (TRAPPED, (None, None))
    assert back.number == number_of("rt_sigreturn")
    assert call.time_ns < back.entered_ns


@pytest.mark.parametrize(
    ("action", "ended_by"),
    [
        ("trap", signal.SIGSYS),
        ("kill process", signal.SIGSYS),
        ("kill thread", signal.SIGSYS),  # the only one that there is
        ("strict", signal.SIGKILL),
    ],
)
def test_a_call_that_a_filter_kills_for_is_denied_and_unfinished(
    action: str, ended_by: int, filtered: Callable[[str, int], list[Call]]
) -> None:
    [call] = filtered(action, -ended_by)
    assert (call.flags, call.result) == (KILLED, 0)


def test_a_call_that_a_filter_kills_one_thread_for_is_told_and_the_others_go_on(
    tracing: Tracing, program: Callable[[str], str]
) -> None:
    subprocess.run([program("filtered"), "kill one thread"], check=True)
    calls = {call.number: call for call in tracing.calls()}
    call = calls[GETPPID]
    assert (call.flags, call.result) == (KILLED, 0)
    assert call.host_tid != call.host_pid
    # Before or after: on 6.1, who waits for a thread can go on before the thread's end is told.
    assert calls[number_of("exit_group")].host_tid == call.host_pid


@pytest.mark.parametrize("action", ["errno", "kill process", "strict"])
def test_a_denied_call_that_nobody_wants_is_not_told(
    action: str, tracing: Tracing, program: Callable[[str], str]
) -> None:
    tracing.session.want_calls({"native": [number_of("prctl")]})
    subprocess.run([program("filtered"), action], check=False)
    calls = tracing.calls()
    assert {call.number for call in calls} == {number_of("prctl")}
