"""Which calls are recorded at all: chosen in the kernel, by the control page."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest
from calls_stream import number_of
from tiers import unable

from pytest_ebpf.engine.layout import layouts

if TYPE_CHECKING:
    from collections.abc import Callable

    from call_stream import Tracing

GETPPID, SETUP = number_of("getppid"), number_of("io_uring_setup")
ALWAYS = {SETUP, number_of("io_uring_enter"), number_of("io_uring_register"), 1000}
"""That a ring is used must be known; of numbers above CALL_NUMBERS there is no bit."""


@pytest.fixture
def numbers(tracing: Tracing, program: Callable[[str], str]) -> Callable[[], set[int]]:
    """Run the program that sets up a ring; the numbers of its calls that were told."""

    def run() -> set[int]:
        with subprocess.Popen([program("uring")]) as running:
            pass
        if running.returncode:
            unable("io_uring_setup(2) is refused here: /proc/sys/kernel/io_uring_disabled, or a seccomp filter")
        return {call.number for call in tracing.calls(pid=running.pid)}

    return run


def test_only_the_calls_in_the_set_are_recorded(tracing: Tracing, numbers: Callable[[], set[int]]) -> None:
    assert numbers() > {GETPPID, number_of("execve"), *ALWAYS}
    tracing.session.want_calls({"native": [GETPPID]})
    assert numbers() == {GETPPID, *ALWAYS}
    tracing.session.want_calls({"native": [number_of("execve"), number_of("exit_group")]})
    assert numbers() == {number_of("execve"), number_of("exit_group"), *ALWAYS}
    tracing.session.want_calls(None)
    assert numbers() > {GETPPID, number_of("execve"), *ALWAYS}


def test_of_the_other_abis_numbers_none_is_wanted(tracing: Tracing, numbers: Callable[[], set[int]]) -> None:
    tracing.session.want_calls({"compat": [GETPPID], "x32": [GETPPID]})
    assert numbers() == ALWAYS


def test_when_no_call_is_wanted_only_the_making_of_a_ring_is_told(
    tracing: Tracing, numbers: Callable[[], set[int]]
) -> None:
    tracing.session.want_calls({})
    assert numbers() == {SETUP}


def test_the_calls_of_the_client_itself_are_left_out_on_request_and_its_childrens_are_not(tracing: Tracing) -> None:
    def call_in_thread() -> None:
        thread = threading.Thread(target=os.getppid)
        thread.start()
        thread.join()

    def call_in_child() -> int:
        child = os.fork()
        if child == 0:
            os.getppid()
            os._exit(0)
        os.waitpid(child, 0)
        return child

    mine = os.getpid()
    tracing.session.children_only = True
    since = time.monotonic_ns()
    os.getppid()
    call_in_thread()
    child = call_in_child()
    told = tracing.every(since)
    assert {call.host_pid for call in told} == {child}
    assert GETPPID in {call.number for call in told}
    tracing.session.children_only = False
    os.getppid()
    call_in_thread()
    assert [call.number for call in tracing.calls(pid=mine) if call.number == GETPPID] == [GETPPID] * 2


def test_a_muted_threads_calls_are_left_out_and_no_others(tracing: Tracing) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def of_another_thread() -> None:
        begun.set()
        go_on.wait()
        os.getppid()

    other = threading.Thread(target=of_another_thread)
    other.start()
    begun.wait()
    mine = threading.get_native_id()
    with tracing.session.muted():
        since = time.monotonic_ns()
        os.getppid()
        with tracing.session.muted():
            os.getppid()
        os.getppid()
        go_on.set()
        other.join()
        child = os.fork()
        if child == 0:
            os.getppid()
            os._exit(0)
        os.waitpid(child, 0)
        told = tracing.every(since)
    assert [call.host_tid for call in told if call.number == GETPPID] == [other.native_id, child]
    assert mine not in {call.host_tid for call in told}
    os.getppid()
    told = [call for call in tracing.calls(pid=os.getpid()) if call.number == GETPPID]
    assert [call.host_tid for call in told] == [mine]


def test_as_many_threads_as_there_are_slots_are_muted_each(tracing: Tracing) -> None:
    slots = len(_zeros("muted")) // 4
    barrier = threading.Barrier(slots)

    def muted() -> None:
        with tracing.session.muted():
            barrier.wait()
            os.getppid()
            barrier.wait()

    threads = [threading.Thread(target=muted) for _ in range(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [call for call in tracing.calls(pid=os.getpid()) if call.number == GETPPID] == []


def _zeros(field: str) -> bytes:
    return bytes(int(layouts().structs["control"].codes[field].removesuffix("s")))
