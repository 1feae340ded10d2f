"""Sequences in plain asserts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from model_stream import World

from pytest_ebpf.errors import TraceIncomplete

if TYPE_CHECKING:
    from pytest_ebpf.trace import Trace

pytest_plugins = ["pytester"]


def build(*commands: str) -> Trace:
    world = World()
    trace = world.trace()
    for code, command in enumerate(commands):
        world.run(world.root, *command.split(), code=code)
    return trace


def test_a_repr_fits_in_what_pytest_shows_of_a_failing_assert() -> None:
    trace = build("git fetch", "sh -c x", "ls")
    many = build(*["a-rather-long-command with --quite --some --long --arguments"] * 9)

    assert repr(trace.processes) == "<3 processes: 4101 git fetch (exit 0); 4102 sh -c x (exit 1); 4103 ls (exit 2)>"
    assert repr(trace.processes.where("git")) == "<1 of 3 processes where name='git': 4101 git fetch (exit 0)>"
    assert repr(trace.processes.where("gut")) == (
        "<0 of 3 processes where name='gut'; closest: 4101 git fetch (exit 0) (name is 'git')>"
    )
    assert repr(build().processes) == "<0 processes>"
    assert repr(build().processes.where("x")) == "<0 of 0 processes where name='x'>"
    assert repr(trace.processes.first.children) == "<0 processes that are children of pid 4101>"
    assert len(repr(many.processes)) <= 240
    assert repr(trace.events).startswith("<9 events: fork +0.100 ms 4100 → 4101; exec +0.200 ms 4101 git")


def test_where_can_be_chained() -> None:
    trace = build("git fetch", "git push", "ls")

    chained = trace.processes.where("git").where(exit_code=1)

    assert chained.one().argv == ("git", "push")
    assert repr(chained) == "<1 of 2 processes where name='git' and exit_code=1: 4102 git push (exit 1)>"


def test_a_sequence_behaves_as_one() -> None:
    trace = build("a", "b", "c")
    processes = trace.processes

    assert processes
    assert len(processes) == 3
    assert [process.comm for process in processes] == ["a", "b", "c"]
    assert processes[0].comm == processes.first.comm == "a"
    assert processes[-1].comm == "c"
    assert [process.comm for process in processes[1:]] == ["b", "c"]
    assert processes[1] in processes
    assert trace.root not in processes
    assert processes == list(processes)
    assert processes != []
    assert processes != 3
    assert processes.index(processes[2]) == 2
    assert [process.comm for process in reversed(processes)] == ["c", "b", "a"]
    assert not trace.processes.where("d")
    with pytest.raises(IndexError):
        processes[3]
    with pytest.raises(TypeError):
        hash(processes)
    assert str(processes).splitlines()[1] == "+0.400 ms  4102 b (exit 1)"


def test_a_sequence_is_what_it_was_when_it_was_asked_for() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "a")
    before = trace.processes
    world.run(world.root, "b")

    assert len(before) == 1
    assert len(trace.processes) == 2


def test_what_may_match_is_neither_in_nor_out() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "cc", argv=b"cc\0-", argc=2, truncated="argv")
    world.run(world.root, "cc", "-g")

    found = trace.processes.where(argv=["cc", "-g"])

    assert found
    assert found[0].pid == 4102
    assert repr(found) == "<1 of 2 processes where argv=['cc', '-g']: 4102 cc -g (exit 0); 1 more may be>"
    for exact in (lambda: len(found), found.one, lambda: list(found), lambda: trace.root in found, lambda: found[1]):
        with pytest.raises(TraceIncomplete, match="only 1 was seen"):
            exact()
    # A second criterion may settle it.
    assert len(found.where(pid=4102)) == 1
    assert not found.where(pid=4103)
    with pytest.raises(TraceIncomplete, match="none was seen"):
        assert not found.where(pid=4101)


def test_an_iteration_gives_what_there_is_before_it_says_that_it_is_not_all() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "a")
    world.session.lost["lost_records"] = 1
    iterator = iter(trace.processes)

    assert next(iterator).comm == "a"
    with pytest.raises(TraceIncomplete):
        next(iterator)
    assert any(process.comm == "a" for process in trace.processes)
    with pytest.raises(TraceIncomplete):
        assert not any(process.comm == "b" for process in trace.processes)
    with pytest.raises(TraceIncomplete):
        assert all(process.comm == "a" for process in trace.processes)


def test_what_a_failing_plain_assert_shows(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from model_stream import World

        def test_it():
            world = World()
            ebpf_trace = world.trace()
            world.run(world.root, "git", "fetch")
            assert ebpf_trace.processes.where("gut")

        def test_count():
            world = World()
            ebpf_trace = world.trace()
            world.run(world.root, "git", "fetch")
            assert len(ebpf_trace.processes) == 2
        """
    )
    import model_stream  # noqa: PLC0415 - for its folder

    pytester.syspathinsert(model_stream.__file__.rpartition("/")[0])
    result = pytester.runpytest_inprocess("-p", "no:pytest_ebpf", "-p", "no:cacheprovider")

    result.stdout.fnmatch_lines(
        [
            "E *assert <0 of 1 processes where name='gut'; closest: 4101 git fetch (exit 0) (name is 'git')>",
            "E *assert 1 == 2",
            "E * where 1 = len(<1 process: 4101 git fetch (exit 0)>)",
        ]
    )
