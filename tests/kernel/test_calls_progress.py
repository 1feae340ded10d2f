"""Calls that have not returned yet, on request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from brokers import eventually, forked
from call_stream import tracing as tracing_of
from calls_stream import number_of
from waiting import blocked, waits_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from call_stream import Call, Tracing

READ, FUTEX = number_of("read"), number_of("futex")


def snapshot(tracing: Tracing, pid: int | None = None) -> list[Call]:
    """The calls in progress of a process, or of all but this one."""
    tracing.session.snapshot()
    return [call for call in tracing.calls(pid=pid) if call.in_progress]


def test_the_calls_in_which_threads_wait_are_told_on_request_and_superseded_when_they_return(
    tracing: Tracing, program: Callable[[str], str]
) -> None:
    with blocked(program("blocked")) as waiting:
        pid = waiting.process.pid
        before = tracing.calls(pid=pid)
        assert not [call for call in before if call.in_progress or (call.number, call.args[0]) == (READ, 0)]
        first = snapshot(tracing, pid)
        assert {call.host_tid for call in first} == waiting.tids
        assert {(call.number, call.args[0], call.args[2], call.result) for call in first} == {(READ, 0, 1, 0)}
        assert not any(call.unfinished for call in first)
        again = snapshot(tracing, pid)
        assert {(call.host_tid, call.entered_ns) for call in again} == {
            (call.host_tid, call.entered_ns) for call in first
        }
        assert all(call.time_ns > call.entered_ns for call in again)
        waiting.let_go(2)
    after = [call for call in tracing.calls(pid=pid) if (call.number, call.args[0]) == (READ, 0)]
    assert {(call.host_tid, call.entered_ns, call.result) for call in after} == {
        (call.host_tid, call.entered_ns, 1) for call in first
    }
    assert not any(call.in_progress or call.unfinished for call in after)


def test_a_call_that_returned_is_not_in_progress(tracing: Tracing, program: Callable[[str], str]) -> None:
    with blocked(program("blocked")) as waiting:
        waiting.let_go(1)
        pid = waiting.process.pid
        # Whoever got the byte: the leader waits for the other thread, or the other thread has ended.
        assert eventually(
            lambda: not all(Path(f"/proc/{pid}/task/{tid}").exists() for tid in waiting.tids) or waits_in(FUTEX, pid)
        )
        now = snapshot(tracing, pid)
        assert sorted(call.number for call in now) in ([READ], sorted([READ, FUTEX]))
        waiting.let_go(1)


@pytest.mark.parametrize("wanted", [{"native": [number_of("getppid")]}, {}])
def test_a_call_that_nobody_wants_is_not_in_progress_either(
    wanted: dict[str, list[int]], tracing: Tracing, program: Callable[[str], str]
) -> None:
    tracing.session.want_calls(wanted)
    with blocked(program("blocked")) as waiting:
        assert snapshot(tracing) == []
        waiting.let_go(2)


def test_a_call_from_before_the_session_is_none_of_its(call_broker: Path, program: Callable[[str], str]) -> None:
    with blocked(program("blocked")) as waiting:
        with tracing_of(call_broker) as tracing:
            assert snapshot(tracing) == []
            waiting.let_go(2)
            waiting.process.wait()
            calls = tracing.calls(pid=waiting.process.pid)
        # Nor is it told when it returns: nobody saw what it was.
        assert calls
        assert READ not in {call.number for call in calls}


def test_who_asks_is_told_of_the_calls_of_the_own_session_and_nobody_else_is(
    tracing: Tracing, call_broker: Path, program: Callable[[str], str]
) -> None:
    with blocked(program("blocked")) as waiting:
        pid = waiting.process.pid

        def ask_elsewhere() -> str:
            with tracing_of(call_broker) as other:
                return str(len(snapshot(other, pid)))

        with forked(ask_elsewhere) as (_, said):
            assert said() == "0"
        assert not any(call.in_progress for call in tracing.calls(pid=pid))
        assert len(snapshot(tracing, pid)) == 2
        waiting.let_go(2)
