"""Never a false pass: evidence that is not whole proves no absence and no number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from model_stream import World, compile_in

from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.events import Exec, NamespaceChange

if TYPE_CHECKING:
    from collections.abc import Callable


def cut(world: World) -> None:
    world.run(world.root, "cc", "x", argv=b"cc\0x", argc=9, truncated="argv")


def unreadable(world: World) -> None:
    world.run(world.root, "cc", "x", argv=b"", unreadable="argv")


@pytest.mark.parametrize("happens", [cut, unreadable])
def test_arguments_that_are_not_whole_may_hold_what_must_not_be_there(happens: Callable[[World], None]) -> None:
    world = World()
    trace = world.trace()
    happens(world)

    with pytest.raises(TraceIncomplete):
        trace.assert_not_spawned("cc", argv=[..., "--secret", ...])
    with pytest.raises(TraceIncomplete):
        trace.assert_spawned("cc", argv=[..., "--secret", ...])
    with pytest.raises(TraceIncomplete):
        trace.assert_spawned("cc", count=0, argv=[..., "--secret", ...])
    with pytest.raises(TraceIncomplete):
        assert not trace.processes.where("cc", argv=[..., "--secret", ...])
    with pytest.raises(TraceIncomplete):
        assert not trace.events.where(Exec, argv=[..., "--secret", ...])
    trace.assert_spawned("cc")


def test_what_was_seen_of_cut_arguments_still_proves() -> None:
    world = World()
    trace = world.trace()
    cut(world)

    trace.assert_spawned(argv=["cc", ...])
    trace.assert_not_spawned("ld", argv=[..., "--secret", ...])
    trace.assert_not_spawned(argv=["ld", ...])
    with pytest.raises(AssertionError):
        trace.assert_not_spawned(argv=["cc", ...])


def test_a_name_may_hide_in_a_path_that_could_not_be_read() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "sh", exe=b"", filename=b"/proc/self/fd/3", unreadable="exe")

    with pytest.raises(TraceIncomplete):
        trace.assert_not_spawned("curl")
    trace.assert_spawned("sh")


def test_the_name_of_a_path_without_its_beginning_is_known() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "sh", exe="…/deep/sh".encode(), filename=b"sh", truncated="exe")

    trace.assert_not_spawned("curl")
    trace.assert_spawned("sh")
    with pytest.raises(TraceIncomplete):
        trace.assert_not_spawned("/usr/bin/sh")


def lose_records(world: World) -> None:
    world.session.lost.update(lost_records=1, lost_bytes=100)


def lose_members(world: World) -> None:
    world.session.lost["lost_members"] += 1


def skip_programs(world: World) -> None:
    world.session.skipped += 1


def leave(world: World) -> None:
    actor = world.exec(world.fork(world.root), "sh")
    world.leave(actor)
    world.running.discard(actor.key)


def lose_what_only_the_future_knows(world: World) -> None:
    world.session.lost["lost_probes"] = 1


@pytest.mark.parametrize("happens", [lose_records, lose_members, skip_programs, leave, lose_what_only_the_future_knows])
def test_what_was_lost_may_be_what_must_not_be_there(happens: Callable[[World], None]) -> None:
    world, trace = compile_in()
    happens(world)

    assert trace.losses.any
    refusals: list[Callable[[], object]] = [
        lambda: trace.assert_not_spawned("curl"),
        lambda: trace.assert_spawned("curl"),
        lambda: trace.assert_spawned("cc1", count=2),
        lambda: trace.assert_spawned("cc1", count=3),
        lambda: trace.assert_spawned("cc1", count=lambda count: count >= 2),
        lambda: trace.assert_exited("curl"),
        lambda: trace.wait_for("curl", 0),
        lambda: trace.wait_for(NamespaceChange, 0),
        lambda: trace.wait_for(lambda _: False, 0),
        lambda: len(trace.processes),
        lambda: not trace.processes.where("curl"),
        lambda: list(trace.processes),
        lambda: trace.processes.where("gcc").one(),
        lambda: trace.root in trace.processes,
        lambda: not trace.leftovers,
        lambda: len(trace.events),
        lambda: not trace.assert_spawned("as").children,
        lambda: trace.processes[-1],
        lambda: trace.processes[:2],
        lambda: trace.processes == [],
    ]
    for refused in refusals:
        with pytest.raises(TraceIncomplete):
            refused()
    # What is proved stays proved.
    trace.assert_spawned("cc1", exit_code=0)
    assert trace.processes.where("cc1")
    assert trace.processes.where("cc1").first.comm == "cc1"
    assert any(process.comm == "gcc" for process in trace.processes)
    assert len(trace.processes.where("cc1").seen()) == 2
    with pytest.raises(AssertionError):
        trace.assert_not_spawned("cc1")
    with pytest.raises(AssertionError):
        trace.assert_spawned("cc1", count=1)
    with pytest.raises(AssertionError):
        trace.processes.where("cc1").one()


def test_an_end_that_may_have_been_lost_earlier_is_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.session.lost["lost_records"] = 1
    trace = world.trace()
    world.exec(world.fork(world.root), "daemon")
    # /proc is that of another pid namespace, and so cannot tell.
    monkeypatch.setattr(world.history, "is_running", lambda _: None)

    assert not trace.losses.any
    with pytest.raises(TraceIncomplete, match="records were lost, the one of its end perhaps among them"):
        trace.assert_exited("daemon", count=0)
    with pytest.raises(TraceIncomplete):
        trace.assert_exited("daemon")
    with pytest.raises(TraceIncomplete, match="may be"):
        assert not trace.leftovers
    monkeypatch.setattr(world.history, "is_running", lambda _: True)
    assert trace.assert_exited("daemon", count=0) == []
    assert trace.leftovers.one().alive


def test_without_losses_the_same_questions_have_answers() -> None:
    _, trace = compile_in()

    trace.assert_not_spawned("curl")
    assert len(trace.assert_spawned("cc1", count=2)) == 2
    assert len(trace.processes) == 4
    assert not trace.processes.where("curl")
    assert trace.processes.where("gcc").one().comm == "gcc"
    assert not trace.leftovers
    assert not trace.assert_spawned("as").children
    assert trace.processes[-1].comm == "as"
    assert [process.comm for process in trace.processes[:2]] == ["gcc", "cc1"]
    assert not trace.losses.any
