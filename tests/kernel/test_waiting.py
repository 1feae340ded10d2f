"""Waiting for what happens by itself: the kernel wakes the test."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from pytest_ebpf import Exit, Trace

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 30.0


@pytest.fixture
def _woken() -> Iterator[None]:
    """Who was not woken sees what happened when the time is over, and not before."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < PATIENCE


@pytest.mark.usefixtures("_woken")
def test_wait_for_is_woken_by_a_program_and_by_its_end(ebpf_trace: Trace) -> None:
    with subprocess.Popen(["sh", "-c", "sleep 0.3; exec sleep 0.4"]):
        worker = ebpf_trace.wait_for("sleep", timeout=PATIENCE, argv=["sleep", "0.4"])
        assert ebpf_trace.wait_for(Exit, timeout=PATIENCE, process=worker).exit_code == 0


@pytest.mark.usefixtures("_woken")
def test_wait_for_a_function_is_woken_by_what_makes_it_true(ebpf_trace: Trace) -> None:
    with subprocess.Popen(["sh", "-c", "sleep 0.3; true; sleep 0.1"]):
        assert ebpf_trace.wait_for(lambda trace: len(trace.processes.where("sleep")) == 2, timeout=PATIENCE)


def test_wait_for_what_does_not_happen_fails_when_the_time_is_over_and_not_before(ebpf_trace: Trace) -> None:
    started = time.monotonic()
    with pytest.raises(AssertionError, match=r"^waited 0\.200 s: expected a process spawned: name='worker'"):
        ebpf_trace.wait_for("worker", timeout=0.2)
    assert time.monotonic() - started >= 0.2
