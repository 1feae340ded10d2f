"""Records that come late, in another order, or not at all; and the tree that they make."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_stream import Actor, World

from pytest_ebpf._values import Gap
from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.events import Left

if TYPE_CHECKING:
    from pytest_ebpf.processes import Process


def test_a_vforked_child_that_executes_before_its_birth_is_told_is_one_process() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "true")
    fork, execute, end = world.session.pending[-3:]
    fork[1]["time_ns"], execute[1]["time_ns"] = execute[1]["time_ns"], fork[1]["time_ns"]
    world.session.pending[-3:] = [end, execute, fork]

    process = trace.processes.one()

    assert (process.comm, process.exit_code, process.window, process.parent) == ("true", 0, 1, trace.root)


@pytest.mark.parametrize("seed", range(5))
def test_records_in_any_order_and_in_any_pieces_tell_the_same(seed: int) -> None:
    def story(*, shuffled: bool) -> str:
        world = World()
        trace = world.trace()
        sh = world.exec(world.fork(world.root), "sh")
        world.run(sh, "git", code=1)
        world.exec(sh, "cc")
        world.fork(world.fork(sh))
        world.run(sh, "as")
        world.exit(sh)
        if shuffled:
            start, *rest = world.session.pending
            random.Random(seed).shuffle(rest)
            for record in [start, *rest]:
                world.session.pending = [record]
                world.history.update()
        return trace.tree()

    assert story(shuffled=True) == story(shuffled=False)


def test_a_creator_that_was_never_seen_is_a_process_of_which_nothing_is_known() -> None:
    world = World()
    trace = world.trace()
    ghost = Actor({**world.root.identity, "pid": 9, "host_pid": 9, "host_tid": 9, "start_ns": world.now})
    world.exec(world.fork(ghost), "child")

    child = trace.assert_spawned("child")
    parent = child.parent

    assert parent is not None
    assert parent.host_pid == 9
    assert parent.seen("pid") is None
    assert repr(parent) == "<Process host:9 (never seen) (running)>"
    with pytest.raises(TraceIncomplete, match="the process was never seen itself, only what it created"):
        parent.pid
    assert trace.tree().splitlines()[1:] == [
        "host:9 (never seen) (+0.000 ms, its birth was lost, running)",
        "└─ 4101 child (+0.100 ms, running)",
    ]


def test_a_process_whose_birth_was_lost_has_an_unknown_parent_and_is_of_the_window_it_began_in() -> None:
    world = World()
    trace = world.trace()
    actor = world.fork(world.root)
    world.lose()
    world.exec(actor, "child")

    child = trace.assert_spawned("child")

    assert child.window == 1
    with pytest.raises(TraceIncomplete, match="the record of its birth was lost"):
        child.parent
    with pytest.raises(TraceIncomplete):
        trace.assert_spawned("child", parent=trace.root)


def test_a_process_that_left_the_session_has_no_known_end() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "sh")
    world.leave(actor)

    process = trace.processes.first

    states = [process.alive]
    world.running.discard(actor.key)
    states.append(process.alive)

    assert states == [True, False]
    with pytest.raises(TraceIncomplete, match="left the session"):
        process.exit_code
    assert trace.events.where(Left).first.process == process
    assert trace.tree().endswith("4101 sh → sudo (+0.100 ms, end not seen, left the session)")


def test_an_end_whose_record_was_lost_is_not_taken_for_life() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "true")
    world.lose()

    process = trace.processes.first

    assert not process.alive
    with pytest.raises(TraceIncomplete, match="the one of its end perhaps among them"):
        process.exit_code


def test_the_tests_own_process_is_known_from_proc() -> None:
    world = World(real=True)
    trace = world.trace()
    world.fork(world.root)

    root = trace.root

    with open("/proc/self/cmdline", "rb") as file:  # noqa: PTH123 - as short
        assert root.argv == tuple(os.fsdecode(item) for item in file.read().split(b"\0")[:-1])
    assert root.exe == os.readlink("/proc/self/exe")  # noqa: PTH115 - as it is
    assert root.cwd == os.getcwd()  # noqa: PTH109 - likewise
    assert root.exe_inode == os.stat("/proc/self/exe").st_ino  # noqa: PTH116 - likewise
    assert root.alive
    assert root.parent is None
    assert trace.processes.one().argv == root.argv


def test_an_adopted_process_that_is_gone_is_not_known() -> None:
    world = World(real=True)
    trace = world.trace()
    old = {
        **world.root.identity,
        "pid": 4_194_305,
        "host_pid": 4_194_305,
        "host_tid": 4_194_305,
        "host_ppid": world.root.pid,
    }
    actor = Actor(old)
    world.session.window = 0
    world.emit("adopted", actor)
    world.session.window = 1
    world.change(actor, uid=0)

    process = trace.processes.one()

    assert process.parent == trace.root
    with pytest.raises(TraceIncomplete, match="the process ran before the trace began, and does no more"):
        process.argv
    with pytest.raises(TraceIncomplete):
        len(trace.processes.where(argv=["x"]))
    trace.assert_not_spawned("x")


def test_what_proc_says_counts_only_for_the_program_that_was_adopted(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(real=True)
    trace = world.trace()
    world.fork(world.root)

    def execute_meanwhile(_pid: int, _start_ns: int) -> dict[str, object]:
        world.exec(world.root, "other")
        return {"exe": "/usr/bin/other", "argv": b"other\0"}

    monkeypatch.setattr("pytest_ebpf.procfs.read_program", execute_meanwhile)

    assert trace.processes.where(executed=False).one().seen("argv") is None
    assert trace.root.argv == ("other",)


def test_processes_are_compared_by_pid_and_start() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "true")

    first, second = trace.processes.one(), trace.processes.one()

    assert first is not second
    assert first == second
    assert len({first, second}) == 1
    assert first != trace.root
    assert first != 4101
    assert first.executions[0] == second.executions[0]
    assert repr(first.executions[0]) == "<Execution true>"


class Story:
    """Random forks, execs and ends."""

    def __init__(self, steps: list[tuple[str, int]]) -> None:
        self.world = World()
        self.trace = self.world.trace()
        living = [self.world.root]
        self.parents: dict[int, int] = {}
        for verb, number in steps:
            actor = living[number % len(living)]
            if verb == "fork":
                child = self.world.fork(actor)
                self.parents[child.pid] = actor.pid
                living.append(child)
            elif verb == "exec":
                self.world.exec(actor, f"prog{number}")
            elif actor is not self.world.root:
                self.world.exit(actor)
                living.remove(actor)
        self.living = {actor.pid for actor in living} - {self.world.root.pid}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["fork", "fork", "exec", "exit"]), st.integers(0, 99)), max_size=40))
def test_the_tree_has_each_process_once_below_the_one_that_forked_it(steps: list[tuple[str, int]]) -> None:
    story = Story(steps)
    trace = story.trace

    lines = trace.tree().splitlines()
    depths = {}
    above: list[tuple[int, int]] = []
    for line in lines:
        text = line.lstrip("├─└│ ")
        depth, pid = (len(line) - len(text)) // 3, int(text.split()[0])
        assert pid not in depths
        depths[pid] = depth
        above = [each for each in above if each[0] < depth]
        if depth:
            assert above[-1][1] == story.parents[pid]
        above.append((depth, pid))

    assert set(depths) == {story.world.root.pid, *story.parents}
    assert {process.pid: process.parent.pid for process in trace.root.descendants if process.parent} == story.parents
    assert {process.pid for process in trace.leftovers} == story.living


def test_a_chain_of_forks_may_be_longer_than_the_stack() -> None:
    world = World()
    trace = world.trace()
    actor = world.root
    for _ in range(3000):
        actor = world.fork(actor)

    assert len(trace.root.descendants) == 3000
    assert len(trace.tree().splitlines()) == 3001


def test_raw_values_of_a_process_are_gaps_and_never_none_for_unknown() -> None:
    world = World(adopt=False)
    trace = world.trace()
    world.run(world.root, "true")

    process: Process = trace.processes.one()

    assert isinstance(process.raw("new_namespaces"), Gap)
    with pytest.raises(TraceIncomplete, match="the record of the test's own process was lost"):
        trace.root
