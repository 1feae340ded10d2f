"""What was lost is known, by kind and by window, and what it spoils."""

from __future__ import annotations

import pytest
from model_stream import World

from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.losses import Losses


def test_losses_are_those_of_the_window() -> None:
    world = World()
    first = world.trace()
    world.session.lost.update(lost_records=3, lost_bytes=400)
    assert first.losses == Losses(lost_records=3, lost_bytes=400)
    first.close()
    second = world.trace()
    with second.section("x") as part:
        world.session.lost.update(lost_records=5, lost_bytes=500)
    world.session.lost.update(lost_records=6, lost_bytes=600)

    assert second.losses == Losses(lost_records=3, lost_bytes=200)
    assert part.losses == Losses(lost_records=2, lost_bytes=100)
    second.close()
    world.session.lost.update(lost_records=9)
    assert second.losses.lost_records == 3
    third = world.trace()
    third.assert_not_spawned("curl")


def test_skipped_programs_count_from_when_they_were_last_asked_for() -> None:
    world = World()
    trace = world.trace()
    world.session.skipped = 2
    assert trace.losses.missed_programs == 2
    with pytest.raises(TraceIncomplete, match=r"the kernel skipped 2 runs of the tracing programs"):
        trace.assert_not_spawned("curl")
    trace.close()
    world.trace().assert_not_spawned("curl")


def test_a_member_that_was_not_entered_spoils_all_later_windows() -> None:
    world = World()
    world.trace().close()
    world.session.lost["lost_members"] = 1

    with pytest.raises(TraceIncomplete, match="1 thread could not be entered into the session"):
        world.trace().assert_not_spawned("curl")


def test_who_left_earlier_and_still_lives_may_act_unseen() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "sh")
    world.leave(actor)
    trace.close()
    second = world.trace()

    assert second.losses == Losses(left_earlier=1)
    with pytest.raises(TraceIncomplete, match="1 thread left the session by a change of user"):
        second.assert_not_spawned("curl")
    second.close()
    world.running.discard(actor.key)
    world.trace().assert_not_spawned("curl")


def test_children_of_an_older_process_may_have_been_lost_before_the_window() -> None:
    world = World()
    trace = world.trace()
    daemon = world.exec(world.fork(world.root), "daemon")
    world.fork(daemon)
    world.lose()
    trace.close()
    second = world.trace()
    world.exec(daemon, "again")

    with pytest.raises(TraceIncomplete):
        assert not second.assert_spawned("again").children
    second.assert_not_spawned("curl")


def test_ends_that_were_lost_do_not_pile_up() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "true")
    world.lose()
    world.exec(world.fork(world.root), "daemon")
    world.history.update()
    trace.close()

    world.trace()
    world.history.update()

    assert sorted(life.key[0] for life in world.history.lives.values()) == [4100, 4102]


def test_a_ledger_names_each_loss_and_what_to_do() -> None:
    losses = Losses.between(
        {"lost_records": 1, "lost_bytes": 10, "events": 5},
        {
            "lost_records": 1235,
            "lost_bytes": 3_000_010,
            "lost_members": 1,
            "left_members": 2,
            "lost_probes": 4,
            "events": 9,
        },
        missed=1,
        left_earlier=1,
    )

    assert str(losses) == "1234 lost, 1 not entered, 3 left, 1 runs skipped, lost probes 4"
    assert [(gap.why, gap.remedy) for gap in losses.gaps(8 << 20)] == [
        (
            "1,234 records (2.9 MiB) did not fit in the ring of 8 MiB",
            'a larger ring: @pytest.mark.ebpf(ring_size="16M") or --ebpf-ring-size=16M',
        ),
        (
            "1 thread could not be entered into the session (the kernel was out of memory): nothing is known of it",
            "run with more memory, or with fewer workers",
        ),
        (
            "3 threads left the session by a change of user (a set-uid program): what came after was not seen",
            "run the tests as root to follow set-uid programs",
        ),
        (
            "the kernel skipped 1 run of the tracing programs (recursion)",
            "run the test again; if it stays, run with fewer workers",
        ),
        ("lost probes: 4", ""),
    ]
    assert not Losses().any
    assert str(Losses()) == "0 lost"
