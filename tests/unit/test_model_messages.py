"""The whole text of what assertions say when they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from model_stream import World

from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.events import Exec

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf.trace import Trace

TREE = """\
processes 4100 pytest test_it.py (the test)
          └─ 4101 /bin/sh -c 'git fetch origin' (+0.100 ms, exit 128, ran 0.550 ms)
             └─ 4102 git fetch origin (+0.300 ms, exit 128, ran 0.250 ms)
window    6 events, 0 lost, 0 truncated"""


def build() -> tuple[World, Trace]:
    """A shell that runs git, which fails."""
    world = World()
    trace = world.trace()
    sh = world.exec(world.fork(world.root), "/bin/sh", "-c", "git fetch origin")
    world.run(sh, "git", "fetch", "origin", code=128)
    world.exit(sh, 128)
    return world, trace


def text_of(kind: type[BaseException], ask: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        ask()
    assert caught.type is kind
    return str(caught.value)


def test_a_wrong_exit_code() -> None:
    _, trace = build()

    assert text_of(AssertionError, lambda: trace.assert_spawned("git", exit_code=0)) == (
        """\
expected a process spawned: name='git', exit_code=0   (0 of 2 matched)
closest   +0.300 ms  4102 git fetch origin (exit 128)   ← differs: exit_code
            exit_code: 128, asked 0
          +0.100 ms  4101 /bin/sh -c 'git fetch origin' (exit 128)   ← differs: name, exit_code
            name: 'sh', asked 'git'
            exit_code: 128, asked 0
"""
        + TREE
    )


def test_a_wrong_argument() -> None:
    _, trace = build()

    assert text_of(AssertionError, lambda: trace.assert_spawned("git", argv=["git", "fetch", "upstream"])) == (
        """\
expected a process spawned: name='git', argv=['git', 'fetch', 'upstream']   (0 of 2 matched)
closest   +0.300 ms  4102 git fetch origin (exit 128)   ← differs: argv[2]
            argv[2]: 'origin', asked 'upstream'
          +0.100 ms  4101 /bin/sh -c 'git fetch origin' (exit 128)   ← differs: name, argv
            name: 'sh', asked 'git'
            argv: ['/bin/sh', '-c', 'git fetch origin'], asked ['git', 'fetch', 'upstream']
"""
        + TREE
    )


def test_a_program_that_never_ran_with_the_nearest_name() -> None:
    _, trace = build()

    assert text_of(AssertionError, lambda: trace.assert_spawned("gut")) == (
        """\
expected a process spawned: name='gut'   (0 of 2 matched)
closest   +0.300 ms  4102 git fetch origin (exit 128)   ← differs: name
            name: 'git', asked 'gut'
          +0.100 ms  4101 /bin/sh -c 'git fetch origin' (exit 128)   ← differs: name
            name: 'sh', asked 'gut'
"""
        + TREE
    )


def test_a_namespace_that_is_not_new() -> None:
    world = World()
    trace = world.trace()
    bwrap = world.exec(world.fork(world.root), "bwrap", "--unshare-pid", "id")
    world.unshare(bwrap, "pid", "mnt")
    world.run(bwrap, "id")
    world.exit(bwrap)

    assert text_of(AssertionError, lambda: trace.assert_spawned("id", new_namespaces={"pid", "net"})) == (
        """\
expected a process spawned: name='id', new_namespaces={'net', 'pid'}   (0 of 2 matched)
closest   +0.400 ms  4102 id (exit 0)   ← differs: new_namespaces
            new_namespaces: {'mnt', 'pid', 'pid_for_children'}, asked {'net', 'pid'}
          +0.100 ms  4101 bwrap --unshare-pid id (exit 0)   ← differs: name, new_namespaces
            name: 'bwrap', asked 'id'
            new_namespaces: {'mnt', 'pid_for_children'}, asked {'net', 'pid'}
processes 4100 pytest test_it.py (the test)
          └─ 4101 bwrap --unshare-pid id (+0.100 ms, exit 0, ran 0.650 ms, new mnt)
             └─ 4102 id (+0.400 ms, exit 0, ran 0.250 ms, new mnt pid, pid 1 inside)
window    7 events, 0 lost, 0 truncated"""
    )


def test_a_process_that_should_not_have_been() -> None:
    _, trace = build()

    assert text_of(AssertionError, lambda: trace.assert_not_spawned("git")) == (
        """\
expected no process spawned: name='git'   (1 of 2 matched)
matched   +0.300 ms  4102 git fetch origin (exit 128)
"""
        + TREE
    )


def test_records_that_were_lost() -> None:
    world, trace = build()
    world.session.lost.update(lost_records=12, lost_bytes=3500)

    assert text_of(TraceIncomplete, lambda: trace.assert_not_spawned("curl")) == (
        """\
cannot tell whether a process spawned: name='curl'   (0 of 2 matched)
because   12 records (3.4 KiB) did not fit in the ring of 8 MiB
try       a larger ring: @pytest.mark.ebpf(ring_size="16M") or --ebpf-ring-size=16M
"""
        + TREE.replace("0 lost", "12 lost")
    )


def test_a_wrong_count() -> None:
    _, trace = build()

    assert text_of(AssertionError, lambda: trace.assert_spawned("git", count=2)) == (
        """\
expected 2 processes spawned: name='git'   (1 of 2 matched)
matched   +0.300 ms  4102 git fetch origin (exit 128)
closest   +0.100 ms  4101 /bin/sh -c 'git fetch origin' (exit 128)   ← differs: name
            name: 'sh', asked 'git'
"""
        + TREE
    )


def test_a_count_that_cannot_be_told() -> None:
    world, trace = build()
    world.session.skipped = 1

    assert text_of(TraceIncomplete, lambda: trace.assert_spawned("git", count=1)) == (
        """\
cannot tell whether exactly 1 process spawned: name='git'   (1 of 2 matched)
because   the kernel skipped 1 run of the tracing programs (recursion)
try       run the test again; if it stays, run with fewer workers
matched   +0.300 ms  4102 git fetch origin (exit 128)
"""
        + TREE.replace("0 lost", "0 lost, 1 runs skipped")
    )


def test_arguments_that_were_cut() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "cc", "x.c", argv=b"cc\0x", argc=9, truncated="argv")

    assert text_of(TraceIncomplete, lambda: trace.assert_not_spawned("cc", argv=[..., "-g", ...])) == (
        """\
cannot tell whether a process spawned: name='cc', argv=[..., '-g', ...]   (0 of 1 matched)
may match +0.100 ms  4101 cc x … (exit 0)
            argv: not known: argv was cut at 4 bytes
            try keep more: @pytest.mark.ebpf(argv_limit=…)
processes 4100 pytest test_it.py (the test)
          └─ 4101 cc x … (+0.100 ms, exit 0, ran 0.250 ms)
window    3 events, 0 lost, 1 truncated"""
    )


def test_a_process_that_has_not_ended() -> None:
    world = World()
    trace = world.trace()
    world.exec(world.fork(world.root), "daemon")

    assert text_of(AssertionError, lambda: trace.assert_exited("daemon")) == (
        """\
expected a process exited: name='daemon'   (0 of 1 matched)
closest   +0.100 ms  4101 daemon (running)   ← differs: end
            end: still running, asked exited
try       wait for its end: ebpf_trace.wait_for(…, alive=False), or its Popen's wait()
processes 4100 pytest test_it.py (the test)
          └─ 4101 daemon (+0.100 ms, running)
window    2 events, 0 lost, 0 truncated"""
    )


def test_an_exit_code_that_is_not_there_yet() -> None:
    world = World()
    trace = world.trace()
    world.exec(world.fork(world.root), "daemon")

    assert text_of(AssertionError, lambda: trace.assert_spawned("daemon", exit_code=0)) == (
        """\
expected a process spawned: name='daemon', exit_code=0   (0 of 1 matched)
may match +0.100 ms  4101 daemon (running)
            exit_code: not known: the process still runs
            try wait for its end: ebpf_trace.wait_for(…)
processes 4100 pytest test_it.py (the test)
          └─ 4101 daemon (+0.100 ms, running)
window    2 events, 0 lost, 0 truncated"""
    )


def test_waiting_in_vain() -> None:
    _, trace = build()

    assert text_of(AssertionError, lambda: trace.wait_for("git", timeout=0.0, exit_code=0)).startswith(
        "waited 0.000 s: expected a process spawned: name='git', exit_code=0   (0 of 2 matched)\nclosest   +0.300 ms"
    )
    assert text_of(AssertionError, lambda: trace.wait_for(Exec, timeout=0.0, argv=["git", "pull"])).startswith(
        """\
waited 0.000 s: expected an event: Exec, argv=['git', 'pull']   (0 of 6 matched)
closest   exec +0.200 ms 4101 /bin/sh -c 'git fetch origin'   ← differs: argv
            argv: ['/bin/sh', '-c', 'git fetch origin'], asked ['git', 'pull']
"""
    )


def test_an_empty_window() -> None:
    trace = World().trace()

    assert text_of(AssertionError, lambda: trace.assert_spawned("git")) == (
        """\
expected a process spawned: name='git'   (there was none at all)
processes 4100 pytest test_it.py (the test)
window    0 events, 0 lost, 0 truncated"""
    )


def test_one_of_many_and_one_of_none() -> None:
    _, trace = build()

    assert text_of(AssertionError, trace.processes.one) == (
        """\
expected exactly one process   (2 of 2 matched)
found     +0.100 ms  4101 /bin/sh -c 'git fetch origin' (exit 128)
          +0.300 ms  4102 git fetch origin (exit 128)
"""
        + TREE
    )
    assert text_of(AssertionError, lambda: trace.processes.where("gut").one()).startswith(
        "expected exactly one process where name='gut'   (0 of 2 matched)\nclosest   +0.300 ms  4102 git fetch origin"
    )
    assert text_of(AssertionError, lambda: trace.processes.where("gut").first).startswith(
        "expected at least one process where name='gut'   (0 of 2 matched)\nclosest   +0.300 ms  4102 git fetch origin"
    )


def test_what_plugins_have_to_say_comes_last() -> None:
    world = World()
    trace = world.trace(remarks=lambda trace: [f"plugin    {len(trace.processes)} processes"])
    world.run(world.root, "true")

    assert text_of(AssertionError, lambda: trace.assert_not_spawned("true")).endswith(
        "window    3 events, 0 lost, 0 truncated\nplugin    1 processes"
    )


def test_a_long_tree_is_cut_in_a_message_and_whole_in_the_trace() -> None:
    world = World()
    trace = world.trace()
    for number in range(50):
        world.run(world.root, "true", str(number))

    text = text_of(AssertionError, lambda: trace.assert_not_spawned("true"))

    assert "          … and 11 more: print(ebpf_trace.tree())\nwindow" in text
    assert "          … and 42 more\nprocesses" in text
    assert len(trace.tree().splitlines()) == 51


def test_a_name_from_a_traced_program_cannot_move_the_cursor() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, b"evil\x1b[2J\n\xff")

    text = text_of(AssertionError, trace.assert_not_spawned)

    assert "\x1b" not in text
    assert "4101 'evil\\x1b[2J\\n\\xff' (exit 0)" in text


def test_a_predicate_that_fails_on_others_does_not_hide_the_failure() -> None:
    _, trace = build()

    text = text_of(AssertionError, lambda: trace.assert_spawned("gut", argv=lambda argv: argv[9] == "x"))

    assert "argv: ['git', 'fetch', 'origin'], asked <lambda>" in text
