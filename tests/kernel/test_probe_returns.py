"""Returns: each told with the entry that it belongs to, however the functions end."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from probe_stream import ARGUMENTS, RESULT, Probing, memory, number, probing, value

from pytest_ebpf.probes.spec import Base, Fetch, FetchKind, Filter, Op, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_ebpf.probes.spec import ProbeHit

CALLS = Spec(fetches=(value(0), RESULT), returns=True)
DEEPEST = 64
"""Returns that the kernel watches at a time in a thread."""


@pytest.fixture
def probes(call_broker: Path) -> Iterator[Probing]:
    with probing(call_broker) as session:
        yield session


@pytest.fixture
def returns(program: Callable[[str], str]) -> str:
    return program("returns")


def pairs(hits: Sequence[ProbeHit], fetch: int = 0) -> list[tuple[int, int]]:
    """What entered with which result, in the order of the returns."""
    entries = {(hit.spec, hit.place, hit.entered_ns): hit for hit in hits if not hit.is_return}
    assert len(entries) == sum(not hit.is_return for hit in hits)
    found = []
    for hit in hits:
        if hit.is_return:
            entry = entries[hit.spec, hit.place, hit.entered_ns]
            assert entry.host_tid == hit.host_tid
            assert hit.time_ns > hit.entered_ns
            found.append((number(entry, fetch), number(hit, 1)))
    return found


def test_a_function_that_calls_itself_gives_the_right_pairs(probes: Probing, returns: str) -> None:
    probe = probes.attach(CALLS, returns, "recurse")
    subprocess.run([returns, "recurse", "10"], check=True)
    hits = probes.hits()
    assert pairs(hits) == [(depth, depth * (depth + 1) // 2) for depth in range(11)]
    assert [hit.is_return for hit in hits] == [False] * 11 + [True] * 11
    assert (probe.hits, probe.told) == (11, 11)
    returned, called = hits[-1], hits[0]
    assert returned.sp - called.sp in {8, 0}  # x86-64 has the address on the stack
    assert not any(hit.no_frame or hit.cut for hit in hits)


def test_calls_that_are_too_deep_say_that_their_return_will_not_be_told(probes: Probing, returns: str) -> None:
    probes.attach(CALLS, returns, "recurse")
    subprocess.run([returns, "recurse", "100"], check=True)
    hits = probes.hits()
    entries = [hit for hit in hits if not hit.is_return]
    assert [hit.no_frame for hit in entries] == [False] * DEEPEST + [True] * (101 - DEEPEST)
    watched = range(101 - DEEPEST, 101)
    assert pairs(hits) == [(depth, depth * (depth + 1) // 2) for depth in watched]


def test_calls_that_are_too_deep_say_so_also_where_those_above_are_not_told(probes: Probing, returns: str) -> None:
    spec = Spec(fetches=CALLS.fetches, returns=True, filters=(Filter(0, Op.LESS, 40),))
    probes.attach(spec, returns, "recurse")
    subprocess.run([returns, "recurse", "100"], check=True)
    hits = probes.hits()
    watched = range(101 - DEEPEST, 40)
    assert [hit.no_frame for hit in hits if not hit.is_return] == [False] * len(watched) + [True] * (101 - DEEPEST)
    assert pairs(hits) == [(depth, depth * (depth + 1) // 2) for depth in watched]


def test_a_jump_out_leaves_entries_without_a_return_and_none_with_anothers(probes: Probing, returns: str) -> None:
    # More than there are frames: those that were left are not kept.
    turns = 2 * DEEPEST
    probes.attach(CALLS, returns, "dive", "plain")
    subprocess.run([returns, "dive", str(turns)], check=True)
    hits = probes.hits()
    entered = [(hit.place, number(hit, 0)) for hit in hits if not hit.is_return]
    assert entered == [each for turn in range(turns) for each in ((0, 2), (0, 1), (0, 0), (1, turn))]
    assert {hit.place for hit in hits if hit.is_return} == {1}
    assert pairs(hits) == [(turn, turn + 1) for turn in range(turns)]
    assert not any(hit.no_frame for hit in hits)


@pytest.mark.parametrize("turns", [1, 2, 5, 40])
def test_functions_that_end_in_a_jump_to_another_return_all_at_once(turns: int, probes: Probing, returns: str) -> None:
    probes.attach(CALLS, returns, "ping", "pong", "plain")
    subprocess.run([returns, "ping", str(turns)], check=True)
    # The last one returns first, each with what the last one said.
    assert pairs(probes.hits()) == [*((turn, 1) for turn in range(1, turns + 1)), (turns, turns + 1)]


def test_two_probes_of_a_function_have_each_their_returns(probes: Probing, returns: str) -> None:
    other = Spec(fetches=(value(0, quiet=True), RESULT, value(0)), returns=True)
    first, second = probes.attach(CALLS, returns, "recurse"), probes.attach(other, returns, "recurse")
    subprocess.run([returns, "recurse", "3"], check=True)
    hits = probes.hits()
    expected = [(depth, depth * (depth + 1) // 2) for depth in range(4)]
    assert pairs([hit for hit in hits if hit.spec == first.id]) == expected
    assert pairs([hit for hit in hits if hit.spec == second.id], fetch=2) == expected


def test_only_what_was_told_when_it_entered_is_told_when_it_returns(probes: Probing, returns: str) -> None:
    spec = Spec(fetches=CALLS.fetches, returns=True, filters=(Filter(0, Op.GREATER, 7),))
    probe = probes.attach(spec, returns, "recurse")
    subprocess.run([returns, "recurse", "10"], check=True)
    assert pairs(probes.hits()) == [(8, 36), (9, 45), (10, 55)]
    assert (probe.hits, probe.told) == (3, 3)


def test_an_argument_can_be_read_at_the_return(probes: Probing, program: Callable[[str], str]) -> None:
    # The register is long overwritten by then; the structure behind it is there still.
    late = Fetch(FetchKind.BYTES, Base.REGISTER, memory(1, 4).register, size=4, at_return=True)
    probed = program("probed")
    probes.attach(Spec(fetches=(RESULT, value(2, at_return=True), late), returns=True), probed, "take_text")
    subprocess.run([probed, "all", "3"], check=True)
    returned = [hit for hit in probes.hits() if hit.is_return]
    assert [number(hit, 0, 4) for hit in returned] == [number(hit, 1) for hit in returned] == [0, 1, 2]
    assert [number(hit, 2, 4) for hit in returned] == [-7] * 3


def test_an_argument_on_the_stack_can_be_read_at_the_return(probes: Probing, program: Callable[[str], str]) -> None:
    stack = Fetch(FetchKind.VALUE, Base.STACK, offsets=(8, 0), at_return=True)
    probed = program("probed")
    probes.attach(Spec(fetches=(stack,), returns=True), probed, "take_numbers")
    subprocess.run([probed, "all"], check=True)
    assert [number(hit, 0) for hit in probes.hits() if hit.is_return] == [7]


def test_a_result_of_two_registers_is_read_from_both(probes: Probing, program: Callable[[str], str]) -> None:
    second = ARGUMENTS[2] if len(ARGUMENTS) < 8 else ARGUMENTS[1]  # rdx, x1
    other = Fetch(FetchKind.VALUE, Base.RESULT, second, at_return=True)
    probed = program("probed")
    probes.attach(Spec(fetches=(value(0), RESULT, other), returns=True), probed, "give_pair")
    subprocess.run([probed, "all", "3"], check=True)
    assert [(number(hit, 1), number(hit, 2)) for hit in probes.hits() if hit.is_return] == [(0, -1), (1, -2), (2, -3)]
