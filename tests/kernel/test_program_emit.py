"""What programs of the user's own emit: each event of the test's processes, as they did it, and nobody else's."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

import prebuilt
import pytest
from tiers import require_root

from pytest_ebpf import ProgramEvent, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf import Program

PROGRAMS = ("on_tracepoint", "on_raw_tp", "on_tp_btf", "on_uprobe", "on_uprobe_s", "on_kprobe", "on_wakeup")


class Mark(NamedTuple):
    """A line of what ``marks`` prints."""

    pid: int
    tid: int
    number: int
    before_ns: int
    after_ns: int


@pytest.fixture(autouse=True)
def _may_load() -> None:
    require_root()


@pytest.fixture
def marks(program: Callable[[str], str]) -> Callable[..., list[Mark]]:
    def run(*words: str) -> list[Mark]:
        printed = subprocess.run([program("marks"), *words], check=True, capture_output=True, text=True).stdout
        return [Mark(*map(int, line.split())) for line in printed.splitlines()]

    return run


def load(trace: Trace, name: str, path: str = "") -> Program:
    """Attach one of the programs, those on functions to the file's."""
    attach: dict[str, str | None] = dict.fromkeys(PROGRAMS)
    if "uprobe" in name:
        attach[name] = f"uprobe:{path}:mark"
    else:
        del attach[name]
    return trace.program(prebuilt.emitting("marks"), attach=attach)


@pytest.mark.parametrize("by", ["tracepoint", "raw_tp", "tp_btf", "uprobe", "uprobe.s"])
def test_a_program_of_each_type_emits_what_the_traced_process_did(
    by: str, ebpf_trace: Trace, program: Callable[[str], str], marks: Callable[..., list[Mark]]
) -> None:
    probe = load(ebpf_trace, f"on_{by.replace('.', '_')}", program("marks"))
    done = marks("each", "3", "5-7", "4000000000")
    events = ebpf_trace.events.where(ProgramEvent)
    told = [(event.value.tgid, event.value.tid, event.value.number, event.value.by) for event in events]
    assert told == [(each.pid, each.tid, each.number & 0xFFFFFFFF, by.encode()) for each in done]
    for event, each in zip(events, done, strict=True):
        assert event.process is not None
        assert (event.process.pid, event.tid) == (each.pid, each.tid)
        assert event.time_ns is not None
        assert each.before_ns <= event.time_ns <= each.after_ns
        assert (event.program, event.output) == (probe.name, "marked")
    probe.assert_event("marked", number=6, count=1)
    probe.assert_no_event("marked", number=8)


def test_events_of_threads_are_told_by_their_threads(ebpf_trace: Trace, marks: Callable[..., list[Mark]]) -> None:
    load(ebpf_trace, "on_tracepoint")
    done = marks("threads", "1", "2")
    events = ebpf_trace.events.where(ProgramEvent)
    assert [(event.process.pid, event.tid) for event in events if event.process] == [
        (each.pid, each.tid) for each in done
    ]
    assert len({each.tid for each in done}) == 2


def test_a_task_that_is_not_the_one_that_runs_can_be_told_of(
    ebpf_trace: Trace, marks: Callable[..., list[Mark]]
) -> None:
    load(ebpf_trace, "on_wakeup")
    done = marks("each", "1", "2")
    events = ebpf_trace.events.where(ProgramEvent, output="woken")
    woken = [event.value.pid for event in events]
    assert set(woken) >= {each.pid for each in done}
    assert [event.process.pid for event in events if event.process] == woken
