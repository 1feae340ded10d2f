"""The window that a call belongs to: the one in which it was entered."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from calls_stream import number_of
from tiers import unable
from waiting import blocked

from pytest_ebpf.syscalls.table import CallSpec, Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from call_stream import Call, Tracing

READ, GETPPID = number_of("read"), number_of("getppid")
TABLE = {READ: CallSpec((), (Slot("fd", 0),))}


def of_stdin(calls: list[Call]) -> list[Call]:
    return [call for call in calls if (call.number, call.args[0]) == (READ, 0)]


def test_a_call_that_outlives_its_window_is_the_windows_in_which_it_began(
    tracing: Tracing, program: Callable[[str], str]
) -> None:
    with blocked(program("blocked")) as waiting:
        tracing.session.window = 2
        waiting.let_go(2)
    calls = tracing.calls(pid=waiting.process.pid)
    told = of_stdin(calls)
    assert [(call.window, call.result) for call in told] == [(1, 1), (1, 1)]
    assert [call.files[0].fields["header.window"] for call in told if call.files[0]] == [1, 1]
    assert {call.window for call in calls[calls.index(told[-1]) + 1 :]} == {2}


def test_a_call_that_outlives_every_window_is_told_and_one_that_begins_outside_is_not(
    tracing: Tracing, program: Callable[[str], str]
) -> None:
    with blocked(program("blocked")) as waiting:
        tracing.session.window = 0
        waiting.let_go(2)
    calls = tracing.calls(pid=waiting.process.pid)
    assert [call.window for call in of_stdin(calls)] == [1, 1]
    assert calls[-1] in of_stdin(calls)
    with blocked(program("blocked")) as waiting:
        tracing.session.window = 3
        waiting.let_go(2)
    calls = tracing.calls(pid=waiting.process.pid)
    assert of_stdin(calls) == []
    assert {call.window for call in calls} == {3}


def test_without_a_window_no_call_is_told_not_even_one_that_a_filter_answers(
    tracing: Tracing, program: Callable[[str], str]
) -> None:
    tracing.session.window = 0
    since = time.monotonic_ns()
    tracing.every()
    pieces, files = len(tracing.stream.pieces), len(tracing.stream.files)
    for action in ("errno", "kill process", "strict"):
        subprocess.run([program("filtered"), action], check=False)
    os.getppid()
    assert tracing.every(since) == []
    assert (len(tracing.stream.pieces), len(tracing.stream.files)) == (pieces, files)
    tracing.session.window = 1
    os.getppid()
    assert GETPPID in {call.number for call in tracing.calls(pid=os.getpid())}


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize("wanted", [None, {}, {"native": [GETPPID]}])
def test_a_ring_for_io_uring_is_counted_in_every_window_and_in_none(
    window: int, wanted: dict[str, list[int]] | None, tracing: Tracing, program: Callable[[str], str]
) -> None:
    tracing.session.want_calls(wanted)
    tracing.session.window = window
    with subprocess.Popen([program("uring")]) as running:
        pass
    if running.returncode:
        unable("io_uring_setup(2) is refused here: /proc/sys/kernel/io_uring_disabled, or a seccomp filter")
    assert tracing.session.counters()["urings"] == 1
    setups = tracing.calls("io_uring_setup", pid=running.pid)
    assert [call.result > 0 for call in setups] == [False, True]
    assert {call.window for call in setups} == {window}
