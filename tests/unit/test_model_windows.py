"""Windows: what belongs to which, what is forgotten, what was lost when."""

from __future__ import annotations

import multiprocessing
import os
from typing import TYPE_CHECKING

import pytest
from model_stream import Record, World, decode

from pytest_ebpf.errors import UsageError
from pytest_ebpf.history import History
from pytest_ebpf.trace import Trace

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from pytest_ebpf.processes import Process


def names(trace: Trace) -> list[str]:
    return [process.comm for process in trace.processes]


def test_a_section_is_a_window_within_the_window() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "before")
    with trace.section("upload") as part:
        world.run(world.root, "inside")
        with part.section("inner") as inner:
            world.run(world.root, "innermost")
        world.run(world.root, "inside-again")
    world.run(world.root, "after")
    trace.close()
    world.run(world.root, "outside")

    assert names(trace) == ["before", "inside", "innermost", "inside-again", "after"]
    assert names(part) == ["inside", "innermost", "inside-again"]
    assert names(inner) == ["innermost"]
    assert repr(part) == "<Trace 'upload', closed>"
    part.assert_not_spawned("before")
    part.assert_not_spawned("after")
    trace.assert_not_spawned("outside")
    assert world.session.window == 0
    with pytest.raises(AssertionError):
        part.assert_not_spawned("innermost")


def test_a_section_closes_when_its_block_fails() -> None:
    world = World()
    trace = world.trace()
    with pytest.raises(KeyError), trace.section("broken"):
        raise KeyError
    world.run(world.root, "after")

    assert names(trace) == ["after"]


def test_a_section_needs_an_open_window_and_a_with() -> None:
    world = World()
    trace = world.trace()
    with pytest.raises(UsageError, match="is not open: use `with"):
        trace.section("x").assert_spawned("sh")
    trace.close()
    trace.close()
    with pytest.raises(UsageError, match="the section 'x' lies in a window that is closed"):
        trace.section("x")
    with pytest.raises(UsageError, match="opens once"):
        trace.open()


def test_an_older_process_that_acts_in_the_window_is_shown_and_told_apart() -> None:
    world = World()
    first = world.trace()
    daemon = world.exec(world.fork(world.root), "daemon")
    idle = world.exec(world.fork(world.root), "idle")
    assert [process.pid for process in first.leftovers] == [daemon.pid, idle.pid]
    first.close()

    second = world.trace()
    world.run(daemon, "child")
    world.exec(daemon, "worker")
    world.exit(daemon)

    assert [process.comm for process in second.processes] == ["worker", "child"]
    assert second.tree() == (
        "4100 pytest test_it.py (the test)\n"
        "└─ 4101 daemon → worker (born earlier, window 1, exit 0, ran 0.850 ms)\n"
        "   └─ 4103 child (+0.100 ms, exit 0, ran 0.250 ms)"
    )
    assert second.assert_spawned("worker").window == 1
    assert second.assert_exited("worker").pid == daemon.pid
    # It was spawned in the first window, under that name.
    second.assert_not_spawned("daemon")
    assert not second.leftovers


def test_a_process_is_left_over_if_it_lived_at_the_end_of_the_window() -> None:
    world = World()
    trace = world.trace()
    with trace.section("start") as start:
        daemon = world.exec(world.fork(world.root), "daemon")
        world.run(world.root, "true")
    assert start.leftovers.one().comm == "daemon"
    with trace.section("stop") as stop:
        world.exit(daemon)

    assert start.leftovers.one().comm == "daemon"
    assert not stop.leftovers
    assert not trace.leftovers
    start.assert_spawned("daemon")
    stop.assert_exited("daemon")
    with pytest.raises(AssertionError):
        start.assert_exited("daemon")
    with pytest.raises(AssertionError):
        stop.assert_spawned("daemon")


def test_an_older_process_can_be_waited_for_but_was_not_spawned() -> None:
    world = World()
    first = world.trace()
    actor = world.exec(world.fork(world.root), "daemon")
    daemon = first.processes.one()
    first.close()
    second = world.trace()
    second.assert_not_spawned(daemon)
    with pytest.raises(AssertionError):
        second.assert_spawned(daemon)
    with pytest.raises(AssertionError, match=r"alive: True, asked False"):
        second.wait_for(daemon, timeout=0.0, alive=False)
    world.session.later = [lambda: world.exit(actor)]

    assert second.wait_for(daemon, timeout=9, alive=False) == daemon
    assert second.assert_exited(daemon) == daemon
    second.assert_not_spawned(daemon)


def test_what_ended_is_forgotten_when_the_next_window_opens() -> None:
    world = World()
    first = world.trace()
    for _ in range(20):
        world.run(world.root, "true")
    world.exec(world.fork(world.root), "daemon")
    kept = first.processes
    first.close()

    second = world.trace()
    world.history.update()

    assert len(world.history.lives) == 2
    assert len(world.history.root.children) == 1 if world.history.root else False
    assert kept.seen()[0].exit_code == 0
    for ask in (
        first.assert_not_spawned,
        lambda: first.processes,
        lambda: first.events,
        first.tree,
        lambda: first.leftovers,
    ):
        with pytest.raises(UsageError, match="this trace's records are gone"):
            ask()
    second.assert_not_spawned("true")


def test_a_window_that_is_still_open_keeps_its_records_while_others_come_and_go() -> None:
    world = World()
    module = world.trace()
    world.run(world.root, "first")
    test = world.trace()
    world.run(world.root, "second")
    test.close()
    world.run(world.root, "third")
    again = world.trace()
    again.close()

    assert names(module) == ["first", "second", "third"]
    assert names(test) == ["second"]


def test_a_test_that_asks_nothing_decodes_nothing() -> None:
    world = World()
    decoded: list[bytes] = []

    def count(data: bytes) -> list[Record]:
        decoded.append(data)
        return []

    history = History(world.session, count, clock=lambda: world.now)
    history.check_process = lambda: None  # type: ignore[method-assign]  # this world has no /proc
    trace = Trace(history).open()
    world.run(world.root, "true")
    trace.close()
    Trace(history).open()

    assert decoded == []
    assert world.session.pulls == 0


def test_bytes_can_be_handed_over_before_anything_is_asked() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "true")
    world.history.feed(world.session.pull())
    world.run(world.root, "false")

    assert names(trace) == ["true", "false"]


def test_many_bytes_are_decoded_even_if_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_ebpf.history._BACKLOG", 10)
    world = World()
    world.trace()
    world.run(world.root, "true")
    world.history.feed(world.session.pull())

    assert len(world.history.lives) == 2


def test_nothing_is_pulled_any_more_when_the_history_is_finished() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "true")
    trace.close()
    world.history.finish()
    pulls = world.session.pulls

    assert trace.processes.one().exit_code == 0
    assert world.session.pulls == pulls


def ask_in_child(trace: Trace, process: Process, connection: Connection) -> None:
    texts = []
    for ask in (trace.assert_not_spawned, lambda: process.alive, lambda: trace.losses, trace.close):
        with pytest.raises(UsageError) as caught:
            ask()
        texts.append(str(caught.value))
    connection.send((os.getpid(), texts))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_from_the_test_is_told_to_ask_in_the_test() -> None:
    world = World(real=True)
    trace = world.trace()
    world.run(world.root, "true")
    process = trace.processes.one()
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=ask_in_child, args=(trace, process, theirs))
    child.start()
    theirs.close()  # a child that fails ends the wait below
    pid, texts = ours.recv()
    child.join()

    text = (
        f"the trace belongs to the test's process (pid {os.getpid()}) and cannot be asked in a child forked from it "
        f"(pid {pid}): ask in the test, after the child ended"
    )
    assert texts == [text] * 4


def test_the_clock_of_a_time_namespace_is_set_right(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr("pytest_ebpf.procfs.clock_offset", lambda: 5)
    history = History(world.session, decode, clock=lambda: 105)

    assert history.now() == 100


def test_a_birth_before_all_windows_is_of_none() -> None:
    world = World()
    assert world.history.window_at(world.now) == 0
    world.trace()
    assert world.history.window_at(world.now) == 1
    assert world.history.window_at(world.now - 1) == 0
