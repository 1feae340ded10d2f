"""What users' programs write to perf buffers and rings: decoded, asserted, awaited; and what was lost told."""

from __future__ import annotations

import functools
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiers import require_root

from pytest_ebpf import ProgramEvent, Trace, TraceIncomplete, UsageError
from pytest_ebpf.host import instance
from pytest_ebpf.host.loading import ObjectInstance
from pytest_ebpf.host.messages import Packet
from pytest_ebpf.host.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _as_root() -> None:
    require_root()


def run(*command: str) -> int:
    """The pid of a process that has ended."""
    process = subprocess.Popen(command or ["true"])
    process.wait()
    return process.pid


def incomplete(act: Callable[[], object]) -> list[str]:
    """Why it cannot be told, and what to do: the lines of a message that say so."""
    with pytest.raises(TraceIncomplete) as caught:
        act()
    lines = str(caught.value).splitlines()
    return lines[1 : next(at for at, line in enumerate(lines) if line.startswith("processes"))]


# --- what is told ---


def test_a_perf_buffer_tells_who_wrote_and_when(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    pid = run()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    event = program.assert_event("perf", pid=pid)
    assert isinstance(event, ProgramEvent)
    assert (event.program, event.output, event.value.comm, event["pid"]) == ("outputs.bpf.o", "perf", b"true", pid)
    assert event.process is not None
    assert event.process.pid == event.tid == pid
    assert event.time_ns is not None
    assert before < event.time_ns < after
    assert program.assert_event("perf", process=pid) == event
    assert program.events.where("perf", process=pid).one() == event
    child = ebpf_trace.assert_spawned("true")
    assert program.assert_event("perf", process=child, count=1)[0] == event


def test_a_popen_stands_for_its_process(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    ebpf_trace.uprobe("libc.so.6", "getenv", name="str")
    first, second = (subprocess.Popen(["ls", file]) for file in ("/etc/passwd", "/etc/group"))
    assert [first.wait(), second.wait()] == [0, 0]
    for asked in (first, first.pid):
        assert program.assert_event("perf", process=asked).value.pid == first.pid
        ebpf_trace.assert_called("getenv", name="QUOTING_STYLE", process=asked, count=1)
        ebpf_trace.assert_syscall("%file", path="/etc/passwd", process=asked)
    ebpf_trace.assert_no_syscall("%file", path="/etc/passwd", process=second)


def test_a_ring_tells_the_data_alone(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    pid = run()

    event = program.assert_event("ring", pid=pid, comm="true")
    assert (event.process, event.tid, event.time_ns, event.host_tid) == (None, None, None, None)
    assert program.assert_event("ring", value={"pid": pid, "comm": "true"}) == event
    assert program.assert_event("ring", fields={"pid": pid}) == event
    program.assert_no_event("ring", pid=pid, comm="false")
    assert incomplete(lambda: program.assert_no_event("ring", pid=pid, process=pid))[-3:] == [
        f'may match (by whom is not known) outputs.bpf.o: ring {{pid={pid}, comm="true"}}',
        "            process: not known: a ring does not tell who wrote its records",
        "            try ebpf_emit(), or the pid as a field",
    ]


def test_events_are_there_when_their_process_was_waited_for(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("typed"))
    for _ in range(50):
        pid = run()
        program.assert_event("ring", pid=pid, twice=2 * pid)
        program.assert_event("perf", pid=pid, twice=2 * pid)


def test_they_are_on_the_timeline_in_order(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    pid = run()

    # Of others on this machine it tells too, and not whether they are the test's.
    told = [each for each in ebpf_trace.events.seen() if not isinstance(each, ProgramEvent) or each.process is not None]
    events = [event for event in told if event.process.pid == pid]
    assert [event.kind for event in events] == ["exec", "program-event", "exit"]
    assert events[1] == program.assert_event("perf", pid=pid)
    ring = ebpf_trace.events.where(lambda event: isinstance(event, ProgramEvent) and event.output == "ring")
    assert pid in [event["pid"] for event in ring if isinstance(event, ProgramEvent)]


def test_where_several_structures_are_it_is_said_which(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    untold = ebpf_trace.program(bpf("untold"))
    pid = run()
    with pytest.raises(UsageError) as caught:
        untold.assert_event(pid=pid)
    assert str(caught.value) == (
        "untold.bpf.o: nothing tells which structure the events of ring are\n"
        '  try     types={"ring": "…"} with one of its structures: closed, opened\n'
        "          one that only local variables have is not described: struct event *anchor; makes it so"
    )
    with pytest.raises(TraceIncomplete) as incompletely:
        ebpf_trace.events.where(ProgramEvent, output="ring").first.value
    assert str(incompletely.value) == f"ring of untold.bpf.o is not known: {caught.value}"

    told = ebpf_trace.program(bpf("untold"), types={"ring": "struct opened"})
    pid = run()
    assert told.assert_event(pid=pid).value == {"pid": pid}

    wrong = ebpf_trace.program(bpf("untold"), types={"ring": "closed"})
    pid = run()
    event = wrong.assert_event(pid=pid)
    with pytest.raises(TraceIncomplete, match="the program wrote 4 bytes of ring"):
        event["more"]
    assert incomplete(lambda: wrong.assert_no_event(pid=pid, more=5))


@pytest.mark.parametrize(
    ("output", "criteria", "text"),
    [
        ("rign", {}, "outputs.bpf.o has no output 'rign'; did you mean 'ring'? (there are: perf, ring)"),
        (
            None,
            {"pidd": 1},
            (
                "the events of outputs.bpf.o have no field 'pidd'; did you mean 'pid'?"
                " (there are: comm, pid, process, time_ns, value)"
            ),
        ),
        (None, {"pid": "x"}, "pid is a number, not 'x'"),
        (None, {"pid": -1}, "pid is a number from 0 to 4294967295, and never -1"),
        (None, {"comm": 5}, "comm is text or bytes, not 5"),
        (5, {}, "the events of outputs.bpf.o are asked for by an output's name or a predicate, not 5"),
        (
            "perf",
            {"process": "nobody-at-all"},
            "process='nobody-at-all': no process goes by that, so this would hold whatever happened",
        ),
    ],
)
def test_what_no_event_can_be_is_refused(
    ebpf_trace: Trace, bpf: Callable[[str], str], output: object, criteria: dict[str, object], text: str
) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    with pytest.raises(UsageError) as caught:
        program.assert_no_event(output, **criteria)
    assert str(caught.value) == text


# --- assertions that fail ---


def test_an_event_that_must_not_be_there_is_shown(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    pid = run()
    with pytest.raises(AssertionError) as caught:
        program.assert_no_event("perf", pid=pid)
    headline, matched, *_ = str(caught.value).splitlines()
    assert headline.startswith(f"expected no program event written: outputs.bpf.o, perf, pid={pid}   (1 of ")
    assert matched.endswith(f'{pid} outputs.bpf.o: perf {{pid={pid}, comm="true"}}')

    with pytest.raises(AssertionError) as caught:
        program.assert_event("perf", pid=pid, comm="false")
    headline, closest, difference, *rest = str(caught.value).splitlines()
    assert headline.startswith(
        f"expected a program event written: outputs.bpf.o, perf, pid={pid}, comm='false'   (0 of "
    )
    assert closest.endswith(f'{pid} outputs.bpf.o: perf {{pid={pid}, comm="true"}}   ← differs: comm')
    assert difference == "            comm: b'true', asked 'false'"
    assert any(event.output == "ring" for event in program.events)
    assert [line for line in [closest, *rest] if ": ring " in line] == []
    with pytest.raises(AssertionError):
        program.assert_event("perf", pid=pid, count=2)


# --- waiting ---


def test_a_test_waits_for_an_event(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    process = subprocess.Popen(["sh", "-c", "sleep 0.3; exec true"])
    event = ebpf_trace.wait_for(program, pid=process.pid, comm="true")
    assert event["comm"] == b"true"
    process.wait()
    with pytest.raises(AssertionError, match=r"^waited 0.100 s: expected a program event written: outputs.bpf.o, pid="):
        ebpf_trace.wait_for(program, pid=process.pid, comm="false", timeout=0.1)


def test_a_test_waits_for_a_ring_that_nobody_is_woken_for(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("typed"), variables={"ring_only": 1})
    process = subprocess.Popen(["sh", "-c", "sleep 0.3; exec sleep 30"])
    ebpf_trace.wait_for(lambda _: len(program.events.where("ring", pid=process.pid)) == 2)
    process.kill()
    process.wait()


# --- windows ---


def test_a_section_has_the_events_of_its_own_time(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"))
    before = run()
    with ebpf_trace.section("inner") as inner:
        within = run()
    after = run()

    for output in ("perf", "ring"):
        seen = {
            event["pid"]: event.window
            for event in inner.events.seen()
            if isinstance(event, ProgramEvent) and event.output == output
        }
        assert within in seen
        assert not {before, after} & set(seen)
    assert {before, within, after} <= {event["pid"] for event in program.events.where("ring")}


def test_what_comes_after_the_window_is_not_taken(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    with ebpf_trace.section("inner") as inner:
        program = inner.program(bpf("outputs"))
        within = run()
    after = run()
    pids = {event["pid"] for event in program.events}
    assert within in pids
    assert after not in pids
    program.assert_no_event(pid=after)


# --- evidence that is not whole ---


def test_a_ring_that_was_full_lets_nothing_be_asserted_absent(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    other = ebpf_trace.program(bpf("outputs"))
    program = ebpf_trace.program(bpf("flood"), variables={"to_ring": 1})
    pid = run()

    assert program.variables["written"] >= 1000
    assert incomplete(lambda: program.assert_no_event("ring", number=5)) == [
        (
            "because   ring of flood.bpf.o, which has 16,384 bytes, was so full that records may have been lost, which"
            " the kernel does not count"
        ),
        (
            "try       a larger one (max_entries), or ebpf_emit(), which counts; or write fewer events: only those of"
            " the test's processes (ebpf_traced()), or only what is asked for"
        ),
    ]
    program.assert_event("ring", number=0)
    with pytest.raises(TraceIncomplete):
        len(program.events)
    with pytest.raises(TraceIncomplete):
        assert not ebpf_trace.events.where(ProgramEvent, output="ring", value={"number": 5})
    # That program's alone.
    other.assert_no_event(pid=1)
    ebpf_trace.assert_not_spawned("false")
    assert pid in other["counts"]


def test_what_a_perf_buffer_lost_is_counted(ebpf_trace: Trace, bpf: Callable[[str], str], tmp_path: Path) -> None:
    shutil.copy("/bin/true", tmp_path / "floods")
    program = ebpf_trace.program(bpf("flood"), variables={"to_perf": 1, "only": "floods"})
    # On all CPUs at once: who empties it can keep up with one writer.
    run("sh", "-c", '"$0" & "$0" & "$0" & "$0" & "$0" & wait', str(tmp_path / "floods"))
    program.detach()
    seen = len(program.events.seen())
    lost = program.variables["written"] - seen
    assert lost > 0
    because, *_ = incomplete(lambda: program.assert_no_event("perf", number=5))
    assert because == f"because   {lost:,} records did not fit in the perf buffer perf of flood.bpf.o"


def test_a_ring_that_nobody_is_woken_for_is_emptied_all_the_same(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("typed"), variables={"ring_only": 1})
    pids = []
    for _ in range(8):  # in all more than the ring has
        pids += [run() for _ in range(40)]
        time.sleep(0.15)
    assert program["ring"].max_entries < len(pids) * 16
    written = [event["pid"] for event in program.events.where("ring")]
    assert set(pids) <= set(written)
    program.assert_no_event("ring", twice=1)


def test_what_is_more_than_is_kept_is_counted(bpf: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "Outputs", functools.partial(Outputs, 200))
    request = instance.LoadRequest(Packet({}, Path(bpf("outputs")).read_bytes()), 0, {})
    loaded = ObjectInstance(request)
    try:
        for _ in range(10):
            run()
        _, told = loaded.outputs.drain()
        counts = told["outputs"].values()
        assert sum(each["dropped"] for each in counts) >= 20 - 200 // 48
        assert not any(each["lost"] or each["tight"] for each in counts)
        assert 0 < told["bytes"] <= 200
    finally:
        loaded.close()


def test_a_program_that_was_detached_has_not_seen_what_came_after(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    with ebpf_trace.program(bpf("outputs")) as program:
        program.assert_no_event("perf", comm="never")
    run()
    assert incomplete(lambda: program.assert_no_event("perf", comm="never")) == [
        "because   outputs.bpf.o was detached before the window's end: what came after, it did not see",
        "try       assert before detach(), or within the `with` block that ends it",
    ]


def test_a_program_that_is_attached_nowhere_has_seen_nothing(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("outputs"), attach={"on_exec": None})
    run()
    assert incomplete(lambda: program.assert_no_event("perf", comm="never")) == [
        "because   none of the programs of outputs.bpf.o is attached",
        "try       attach= says where",
    ]
