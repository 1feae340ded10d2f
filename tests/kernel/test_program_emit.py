"""What programs of the user's own emit: each event of the test's processes, as they did it, and nobody else's."""

from __future__ import annotations

import fcntl
import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tiers import require_root, with_kprobes

from pytest_ebpf import ProgramEvent, Trace, TraceIncomplete

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_ebpf import Program

PROGRAMS = (
    *("on_tracepoint", "on_raw_tp", "on_tp_btf", "on_uprobe", "on_uprobe_s"),
    *("on_perf_event", "on_flock", "on_wakeup"),
)
MINE = 100_000_000 + 100 * os.getpid()
"""No other worker's numbers are like these."""
ON_FUNCTIONS = {"on_fentry": b"fentry", "on_fexit": b"fexit", "on_kprobe": b"kprobe", "on_kretprobe": b"kret"}


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


@pytest.fixture
def load(bpf: Callable[[str], str]) -> Callable[..., Program]:
    def attach(trace: Trace, name: str, path: str = "") -> Program:
        """Attach one of the programs, those on functions to the file's."""
        places: dict[str, str | None] = dict.fromkeys(PROGRAMS)
        if "uprobe" in name:
            places[name] = f"uprobe:{path}:mark"
        else:
            del places[name]
        return trace.program(bpf("marks"), attach=places)

    return attach


@pytest.mark.parametrize("by", ["tracepoint", "raw_tp", "tp_btf", "uprobe", "uprobe.s"])
def test_a_program_of_each_type_emits_what_the_traced_process_did(
    by: str,
    ebpf_trace: Trace,
    program: Callable[[str], str],
    marks: Callable[..., list[Mark]],
    load: Callable[..., Program],
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


def test_events_of_threads_are_told_by_their_threads(
    ebpf_trace: Trace, marks: Callable[..., list[Mark]], load: Callable[..., Program]
) -> None:
    load(ebpf_trace, "on_tracepoint")
    done = marks("threads", "1", "2")
    events = ebpf_trace.events.where(ProgramEvent)
    assert [(event.process.pid, event.tid) for event in events if event.process] == [
        (each.pid, each.tid) for each in done
    ]
    assert len({each.tid for each in done}) == 2


def test_a_task_that_is_not_the_one_that_runs_can_be_told_of(
    ebpf_trace: Trace, marks: Callable[..., list[Mark]], load: Callable[..., Program]
) -> None:
    load(ebpf_trace, "on_wakeup")
    done = marks("each", "1", "2")
    events = ebpf_trace.events.where(ProgramEvent, output="woken")
    woken = [event.value.pid for event in events]
    assert set(woken) >= {each.pid for each in done}
    assert [event.process.pid for event in events if event.process] == woken


@with_kprobes
@pytest.mark.parametrize("name", ON_FUNCTIONS)
def test_a_program_on_a_function_of_the_kernel_emits_too(
    name: str, ebpf_trace: Trace, bpf: Callable[[str], str]
) -> None:
    attach = dict.fromkeys(ON_FUNCTIONS.keys() - {name})
    ebpf_trace.program(bpf("traced_functions"), attach=attach)
    children = [subprocess.Popen(["true"]).wait() for _ in range(3)]
    events = ebpf_trace.events.where(ProgramEvent)
    assert [event.value.by for event in events] == [ON_FUNCTIONS[name]] * len(children)
    assert {event.process for event in events} == {ebpf_trace.root}


def test_nothing_is_told_of_who_is_not_traced(
    ebpf_trace: Trace, marks: Callable[..., list[Mark]], load: Callable[..., Program]
) -> None:
    probe = load(ebpf_trace, "on_tracepoint")
    probe.variables["least"] = MINE
    with ebpf_trace.window.history.session.apart():
        marks(f"{MINE}-{MINE + 19}")
    assert probe.variables["untraced"] == 20, "the program ran for it"
    assert len(ebpf_trace.events) == 0
    marks(str(MINE + 20))
    probe.assert_event("marked", count=1)
    assert probe.variables["untraced"] == 20


def test_nothing_is_told_while_no_window_is_open(
    ebpf_trace: Trace, marks: Callable[..., list[Mark]], load: Callable[..., Program]
) -> None:
    probe = load(ebpf_trace, "on_tracepoint")
    probe.variables["least"] = MINE
    session = ebpf_trace.window.history.session
    number, session.window = session.window, 0
    marks(f"{MINE}-{MINE + 19}")
    session.window = number
    assert probe.variables["untraced"] == 20
    marks(str(MINE + 20))
    assert [event.value.number for event in probe.events] == [MINE + 20]
    assert probe.variables["untraced"] == 20


def test_what_the_test_asks_the_trace_is_not_told(
    ebpf_trace: Trace, tmp_path: Path, load: Callable[..., Program]
) -> None:
    probe = load(ebpf_trace, "on_flock")
    with (tmp_path / "lock").open("w") as file:
        for _ in range(5):
            fcntl.flock(file, fcntl.LOCK_EX)
            told = [event.value.number for event in probe.events.seen()]  # which locks the ring
        descriptor = file.fileno()
    assert told == [descriptor] * 5
    probe.assert_event("marked", count=5)


def test_an_event_of_any_size_comes_whole(
    ebpf_trace: Trace, marks: Callable[..., list[Mark]], bpf: Callable[[str], str]
) -> None:
    probe = ebpf_trace.program(bpf("sizes"))
    marks("1-30")
    for output in ("small", "large"):
        probe.assert_event(output, count=30)
    words = [event.value.words for event in ebpf_trace.events.where(ProgramEvent, output="large")]
    assert [(each[0], each[-1]) for each in words] == [(number, ~number & (2**64 - 1)) for number in range(1, 31)]
    assert len(words[0]) == 8192


@pytest.mark.ebpf(ring_size="64K")
def test_an_event_that_does_not_fit_is_counted_and_its_absence_cannot_be_asserted(
    ebpf_trace: Trace, marks: Callable[..., list[Mark]], bpf: Callable[[str], str]
) -> None:
    probe = ebpf_trace.program(bpf("sizes"))
    probe.assert_no_event("large")
    marks("1-10")
    probe.assert_event("small", number=10)
    with pytest.raises(TraceIncomplete, match=r"10 records .* did not fit in the ring of 64 KiB"):
        probe.assert_no_event("large")
    with pytest.raises(TraceIncomplete):
        probe.assert_event("small", count=10)
    with pytest.raises(TraceIncomplete):
        len(ebpf_trace.events.where(ProgramEvent))
    assert ebpf_trace.losses.lost_records == probe.variables["refused"] == 10
    assert ebpf_trace.losses.lost_bytes == 10 * (65536 + 48)


def test_a_window_is_told_nothing_of_what_the_one_before_loaded(
    ebpf_trace: Trace, marks: Callable[..., list[Mark]], load: Callable[..., Program]
) -> None:
    history = ebpf_trace.window.history
    load(ebpf_trace, "on_tracepoint")
    ebpf_trace.close()
    with Trace(history) as later:
        marks(f"{MINE}-{MINE + 19}")
        assert not later.events.where(ProgramEvent)
        load(later, "on_tracepoint")
        marks(str(MINE + 20))
        assert [event.value.number for event in later.events.where(ProgramEvent)] == [MINE + 20]
