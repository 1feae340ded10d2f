"""Events that a program of the user's own wrote into the session's ring, as a test meets them."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest
from model_stream import World

from pytest_ebpf import Exec, Exit, ProgramEvent, TraceIncomplete, UsageError, glob
from pytest_ebpf._values import Gap
from pytest_ebpf.jsonable import event_to_dict
from pytest_ebpf.probes.types import Array, Character, Field, Integer, Opaque, Structure, Type
from pytest_ebpf.user_programs.query import ProgramQuery
from pytest_ebpf.user_programs.registry import EventType

if TYPE_CHECKING:
    from model_stream import Actor

    from pytest_ebpf.trace import Trace
    from pytest_ebpf.window import Window

OPENED = Structure(
    "struct opened",
    12,
    4,
    (Field("flags", Integer(4, signed=True), 0), Field("name", Array(Character(), 8), 4)),
)


class FakeProgram:
    """A program that is loaded."""

    name = "probe"

    def __init__(self, lacks: str = "") -> None:
        self.lacks = lacks

    def event_type(self, number: int, /) -> EventType:
        kind: Type = OPENED if number == 12 else Opaque("", 0, f"this BTF has no type {number}")
        return EventType("opened" if number == 12 else f"type {number}", kind)

    def gaps(self, _window: Window, /) -> tuple[Gap, ...]:
        return (Gap(self.lacks, "another program"),) if self.lacks else ()


def traced(lacks: str = "") -> tuple[World, Trace]:
    """A world whose window has a program with the number 5."""
    world = World()
    trace = world.trace()
    world.history.programs.add(5, FakeProgram(lacks), trace.window)
    return world, trace


def write(world: World, actor: Actor, flags: int, *, event: int = 12, program: int = 5, cut: int = 0) -> None:
    """Let the program write an event, in the middle of what a process does."""
    data = struct.pack("<i8s", flags, b"passwd")
    world.emit("program", actor, program=program, event=event, data=data[: len(data) - cut])


def test_an_event_is_on_the_timeline_between_what_its_process_did() -> None:
    world, trace = traced()
    child = world.exec(world.fork(world.root), "cat")
    write(world, child, 2)
    world.exit(child)

    assert [event.kind for event in trace.events] == ["fork", "exec", "program-event", "exit"]
    [event] = trace.events.where(ProgramEvent)
    assert event.process is not None
    assert (event.program, event.output, event.process.argv) == ("probe", "opened", ("cat",))
    assert (event.value.flags, event["name"], event.tid) == (2, b"passwd", child.pid)
    assert event.window == 1
    assert repr(event) == '<ProgramEvent +0.300 ms 4101 probe: opened {flags=2, name="passwd"}>'


def test_events_are_asked_for_by_program_output_and_value() -> None:
    world, trace = traced()
    for flags in (0, 2, 2):
        write(world, world.root, flags)
    assert len(trace.events.where(ProgramEvent, program="probe", output="opened")) == 3
    assert len(trace.events.where(ProgramEvent, value=lambda value: value.flags == 2)) == 2
    assert len(trace.events.where(ProgramEvent, output="closed")) == 0
    assert len(trace.events.where(Exec)) == 0
    assert trace.wait_for(ProgramEvent, value={"flags": 0, "name": b"passwd"}).value.flags == 0


def test_an_event_of_a_program_that_this_window_does_not_know_is_none_of_its() -> None:
    world, trace = traced()
    write(world, world.root, 1, program=4)
    write(world, world.root, 2)
    assert [event.value.flags for event in trace.events.where(ProgramEvent)] == [2]
    trace.close()

    later = world.trace()
    write(world, world.root, 3)  # it takes a moment to be detached
    assert len(later.events) == 0


def test_a_section_has_its_own_events_of_the_tests_program() -> None:
    world, trace = traced()
    write(world, world.root, 1)
    with trace.section("within") as section:
        write(world, world.root, 2)
    assert [event.value.flags for event in section.events.where(ProgramEvent)] == [2]
    assert len(trace.events.where(ProgramEvent)) == 2


def test_an_event_that_was_lost_may_be_the_one_that_is_said_not_to_be_there() -> None:
    world, trace = traced()
    write(world, world.root, 1)
    write(world, world.root, 2)
    world.lose()
    with pytest.raises(TraceIncomplete) as refusal:
        len(trace.events.where(ProgramEvent, value={"flags": 7}))
    assert "1 record (300 B) did not fit in the ring of 8 MiB" in str(refusal.value)


def test_what_the_program_alone_lacks_counts_for_events_and_not_for_processes() -> None:
    world, trace = traced("the kernel skipped it twice")
    write(world, world.root, 1)
    with pytest.raises(TraceIncomplete, match="the kernel skipped it twice"):
        len(trace.events.where(ProgramEvent))
    with pytest.raises(TraceIncomplete, match="the kernel skipped it twice"):
        trace.wait_for(ProgramEvent, timeout=0, program="probe", output="other")
    trace.assert_not_spawned("cat")


def test_what_a_program_lacks_is_lacked_by_events_that_may_be_its_own() -> None:
    world, trace = traced("the kernel skipped it twice")
    world.exec(world.fork(world.root), "cat")
    assert len(trace.events.where(Exec)) == len(trace.events.where(Exec).where(lambda _: True)) == 1
    assert len(trace.events.where(lambda _: True).where(Exec)) == 1
    assert len(trace.events.where(ProgramEvent, program="other")) == 0
    with pytest.raises(AssertionError, match="expected an event: Exit"):
        trace.wait_for(Exit, timeout=0)
    for some in (
        trace.events.where(ProgramEvent),
        trace.events.where(program=glob("pro*")),
        trace.events.where(ProgramEvent, program=lambda name: name == "probe"),
    ):
        with pytest.raises(TraceIncomplete, match="the kernel skipped it twice"):
            len(some)
    for some in (trace.events, trace.events.where(lambda event: event.kind == "exit")):
        with pytest.raises(TraceIncomplete) as caught:
            len(some)
        assert (
            "because   the kernel skipped it twice\n"
            "try       another program; or ask for the others by their class, such as events.where(Exec), which do not"
            " lack this\n"
        ) in str(caught.value)


def test_an_event_whose_type_or_bytes_are_not_known_has_no_value() -> None:
    world, trace = traced()
    write(world, world.root, 1, event=99)
    write(world, world.root, 1, cut=12)
    strange, short = trace.events.where(ProgramEvent)
    with pytest.raises(TraceIncomplete) as refusal:
        _ = strange.value
    assert str(refusal.value) == "type 99 of probe is not known: this BTF has no type 99"
    with pytest.raises(TraceIncomplete) as refusal:
        _ = short["flags"]
    assert "flags" in str(refusal.value)
    with pytest.raises(TraceIncomplete):
        len(trace.events.where(ProgramEvent, value={"flags": 1, "name": b"passwd"}))


def test_an_event_is_json_with_all_its_fields() -> None:
    world, trace = traced()
    write(world, world.root, 2)
    write(world, world.root, 2, event=99)
    fields, strange = (json.loads(json.dumps(event_to_dict(event))) for event in trace.events.seen())
    assert fields == {
        "type": "program-event",
        "program": "probe",
        "output": "opened",
        "process": {"pid": 4100, "host_pid": 4100, "start_ns": trace.root.start_ns},
        "tid": 4100,
        "host_tid": 4100,
        "time_ns": trace.events.seen()[0].time_ns,
        "window": 1,
        "value": {"flags": 2, "name": "passwd"},
        "truncated": [],
        "unknown": {},
    }
    assert strange["value"] is None
    assert strange["unknown"] == {"value": "this BTF has no type 99"}


def test_a_failing_assertion_shows_the_events_that_were_there() -> None:
    world, trace = traced()
    write(world, world.root, 2)
    with pytest.raises(AssertionError) as failure:
        _ = trace.events.where(ProgramEvent, output="closed").first
    assert str(failure.value).splitlines()[:3] == [
        "expected at least one event where ProgramEvent, output='closed'   (0 of 1 matched)",
        'closest   program-event +0.100 ms 4100 probe: opened {flags=2, name="passwd"}   ← differs: output',
        "            output: 'opened', asked 'closed'",
    ]
    assert "window    1 event, 0 lost, 0 truncated" in str(failure.value)


def test_of_many_fields_the_nearest_are_named() -> None:
    _, trace = traced()
    number = Integer(4, signed=False)
    names = [*(f"field_{at:03}" for at in range(600)), "start_time", "start_boottime", "state", "static_prio", "stack"]
    task = Structure("struct task_struct", 4 * 605, 4, tuple(Field(name, number, 0) for name in names))
    with pytest.raises(UsageError) as caught:
        ProgramQuery(trace.window, {"tasks": task}, "probe.bpf.c", None, {"start_tim": 5})
    assert str(caught.value) == (
        "the events of probe.bpf.c have no field 'start_tim'; did you mean 'start_time'?"
        " (there are: start_time, start_boottime, state, static_prio, stack and 603 others)"
    )
    inner = Structure("struct event", 8, 4, (Field("task", task, 0),))
    with pytest.raises(UsageError) as caught:
        ProgramQuery(trace.window, {"events": inner}, "probe.bpf.c", None, {"task": {"start_tim": 5}})
    assert str(caught.value) == (
        "task has no field 'start_tim' (there are: start_time, start_boottime, state, static_prio, stack"
        " and 600 others)"
    )
