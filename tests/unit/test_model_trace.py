"""Assertions on a trace, each negative with the twin that fails."""

from __future__ import annotations

import itertools
import os
import re
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from dirty_equals import IsInt, IsStr
from model_stream import Actor, World, compile_in

from pytest_ebpf.errors import TraceIncomplete, UsageError
from pytest_ebpf.events import Exec, Exit, NamespaceChange
from pytest_ebpf.matching import glob
from pytest_ebpf.namespaces import namespaces_of

if TYPE_CHECKING:
    from pytest_ebpf.trace import Trace


@pytest.mark.parametrize(
    ("name", "criteria", "count"),
    [
        ("cc1", {}, 2),
        ("cc*", {}, 2),
        ("/usr/lib/gcc/12/cc1", {}, 2),
        ("/usr/lib/*/cc1", {}, 2),
        ("/usr/bin/cc1", {}, 0),
        ("[ag]*", {}, 2),
        (re.compile("^cc"), {}, 2),
        (re.compile("/gcc/"), {}, 2),
        (IsStr(regex="cc."), {}, 2),
        (b"cc1", {}, 2),
        (None, {"name": "cc1"}, 2),
        (None, {"comm": "cc1"}, 2),
        (None, {"comm": "cc*"}, 0),
        (None, {"comm": glob("cc*")}, 2),
        (None, {}, 4),
        (lambda process: process.argv[-1] == "a.c", {}, 1),
        ("cc1", {"argv": ["cc1", ..., "a.c"]}, 1),
        ("cc1", {"argv": lambda argv: argv[-1] == "a.c"}, 1),
        ("cc1", {"argv": ["cc1", "-O2", "*.c"]}, 0),
        ("cc1", {"argv": ["cc1", "-O2", glob("*.c")]}, 2),
        ("cc1", {"parent": "gcc"}, 2),
        ("cc1", {"parent": "as"}, 0),
        (None, {"parent": 4100}, 1),
        (None, {"parent": lambda parent: parent.comm == "gcc"}, 3),
        (None, {"exit_code": 1}, 2),
        (None, {"exit_code": IsInt(gt=0)}, 2),
        (None, {"exit_code": 0, "uid": 1000}, 2),
        (None, {"uid": 0}, 0),
        (None, {"signal": None}, 4),
        (None, {"signal": "KILL"}, 0),
        (None, {"duration": lambda seconds: seconds > 0.0003}, 1),
        (None, {"alive": True}, 0),
        (None, {"executed": True}, 4),
        (None, {"new_namespaces": "net"}, 0),
        (None, {"new_namespaces": set()}, 4),
        (None, {"cwd": "/src"}, 4),
        (None, {"interpreter": None}, 4),
        (None, {"truncated": set()}, 4),
        (4102, {}, 1),
    ],
)
def test_processes_are_counted_by_any_field(name: Any, criteria: dict[str, Any], count: int) -> None:
    _, trace = compile_in()

    assert len(trace.assert_spawned(name, count=count, **criteria)) == count
    assert len(trace.processes.where(name, **criteria)) == count
    with pytest.raises(AssertionError):
        trace.assert_spawned(name, count=count + 1, **criteria)
    if count:
        assert trace.assert_spawned(name, **criteria) in trace.processes
        with pytest.raises(AssertionError):
            trace.assert_not_spawned(name, **criteria)
        with pytest.raises(AssertionError):
            trace.assert_spawned(name, count=count - 1, **criteria)
    else:
        trace.assert_not_spawned(name, **criteria)
        with pytest.raises(AssertionError):
            trace.assert_spawned(name, **criteria)


def test_a_count_may_be_a_predicate_or_a_matcher() -> None:
    _, trace = compile_in()

    assert len(trace.assert_spawned("cc1", count=lambda count: count >= 2)) == 2
    assert len(trace.assert_spawned("cc1", count=IsInt(lt=3))) == 2
    with pytest.raises(AssertionError):
        trace.assert_spawned("cc1", count=IsInt(gt=2))


def test_a_predicate_is_asked_only_of_what_the_rest_lets_through() -> None:
    _, trace = compile_in()

    assert trace.assert_spawned("gcc", argv=lambda argv: argv[3] == "b.c").pid == 4101
    with pytest.raises(IndexError):
        trace.assert_spawned("as", argv=lambda argv: argv[3] == "b.c")
    with pytest.raises(AssertionError):
        trace.assert_spawned("ld", argv=lambda argv: argv[3] == "b.c")


def test_a_known_process_may_be_asked_for_itself() -> None:
    world, trace = compile_in()
    gcc = trace.assert_spawned("gcc")

    assert trace.assert_spawned(gcc, exit_code=1) == gcc
    assert trace.assert_exited(gcc) == gcc
    with pytest.raises(AssertionError):
        trace.assert_spawned(gcc, exit_code=0)
    with pytest.raises(AssertionError):
        trace.assert_not_spawned(gcc)
    # Not another one that got the same pid.
    world.next_pid = gcc.pid
    world.run(world.root, "other")
    assert trace.assert_spawned(gcc).comm == "gcc"


def test_namespaces_can_be_those_of_a_process_a_pid_or_a_file() -> None:
    world = World()
    for kind in ("mnt", "pid", "net", "user", "uts", "ipc", "cgroup", "time"):
        world.root.identity[f"ns_{kind}"] = os.stat(f"/proc/self/ns/{kind}").st_ino  # noqa: PTH116 - a magic link
    for kind in ("pid", "time"):
        world.root.identity[f"ns_{kind}_for_children"] = world.root.identity[f"ns_{kind}"]
    trace = world.trace()
    same = world.exec(world.fork(world.root), "same")
    other = world.exec(world.fork(world.root), "other")
    world.unshare(other, "net")
    world.run(other, "child")

    for whose in (same.pid, os.getpid(), trace.assert_spawned("same"), "/proc/self/ns/net", "/proc/self/ns/mnt"):
        assert trace.assert_spawned(in_namespaces_of=whose).comm == "same"
    trace.assert_spawned("other", in_namespaces_of=namespaces_of(os.getpid(), "mnt", "uts"))
    trace.assert_spawned("other", in_namespaces_of="/proc/self/ns/mnt")
    trace.assert_not_spawned("other", in_namespaces_of="/proc/self/ns/net")
    trace.assert_spawned("child", in_namespaces_of=other.pid)
    trace.assert_not_spawned("child", in_namespaces_of=same.pid)
    with pytest.raises(AssertionError, match=r"in_namespaces_of: in another net, asked namespaces_of\(pid \d+\)"):
        trace.assert_spawned("child", in_namespaces_of=same.pid)


def test_capabilities_are_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_NET_RAW")
    monkeypatch.setattr("pytest_ebpf.criteria.all_capabilities", lambda: names)
    monkeypatch.setattr("pytest_ebpf.credentials.all_capabilities", lambda: names)
    world = World()
    trace = world.trace()
    world.run(world.root, "ping", cap_effective=0b1100, cap_permitted=0b111)

    ping = trace.assert_spawned("ping", capabilities={"CAP_NET_RAW"})

    assert ping.capabilities.effective == {"CAP_NET_RAW", "CAP_3"}
    assert ping.capabilities.permitted == set(names)
    assert ping.capabilities.ambient == ping.capabilities.bounding == ping.capabilities.inheritable == frozenset()
    trace.assert_not_spawned("ping", capabilities={"CAP_CHOWN"})
    trace.assert_not_spawned("ping", capabilities=set())
    with pytest.raises(UsageError, match="there is no 'CAP_NET_ROW'; did you mean 'CAP_NET_RAW'"):
        trace.assert_not_spawned("ping", capabilities={"CAP_NET_ROW"})


def test_exited_is_asked_of_what_ended() -> None:
    world, trace = compile_in()
    world.exec(world.fork(world.root), "daemon")
    killed = world.exec(world.fork(world.root), "victim")
    world.exit(killed, signal=signal.SIGKILL)

    assert trace.assert_exited("gcc", exit_code=1).comm == "gcc"
    assert trace.assert_exited("victim", signal=signal.SIGKILL, exit_code=None).signal is signal.SIGKILL
    assert trace.assert_exited("victim", signal="SIGKILL").exit_code is None
    assert len(trace.assert_exited("cc1", count=2)) == 2
    with pytest.raises(AssertionError):
        trace.assert_exited("gcc", exit_code=0)
    with pytest.raises(AssertionError):
        trace.assert_exited("daemon")
    assert len(trace.assert_exited(count=5)) == 5


def test_the_exit_code_of_a_living_process_is_not_known_to_be_another() -> None:
    world = World()
    trace = world.trace()
    daemon = world.exec(world.fork(world.root), "daemon")

    with pytest.raises(TraceIncomplete, match="the process still runs"):
        trace.assert_not_spawned("daemon", exit_code=1)
    with pytest.raises(TraceIncomplete):
        trace.assert_spawned("daemon", count=0, exit_code=1)
    with pytest.raises(AssertionError, match="the process still runs"):
        trace.assert_spawned("daemon", exit_code=1)
    world.exit(daemon)
    trace.assert_not_spawned("daemon", exit_code=1)


def test_wait_for_returns_at_once_what_has_happened() -> None:
    world, trace = compile_in()

    assert trace.wait_for("gcc", exit_code=1).comm == "gcc"
    assert trace.wait_for(Exec, argv=["as", ...]).process.comm == "as"
    assert trace.wait_for(lambda trace: len(trace.processes)) == 4
    assert world.session.waits == []


def test_wait_for_is_woken_by_what_happens() -> None:
    world = World()
    trace = world.trace()
    actors: list[Actor] = []
    world.session.later = [
        lambda: actors.append(world.fork(world.root)),
        lambda: world.exec(actors[0], "server"),
        lambda: world.unshare(actors[0], "net"),
        lambda: world.exit(actors[0], 3),
    ]

    server = trace.wait_for("server", timeout=9)
    assert (len(world.session.waits), server.alive) == (2, True)
    assert trace.wait_for(NamespaceChange, timeout=9, changed="net").process == server
    assert trace.wait_for(server, timeout=9, alive=False).exit_code == 3
    assert all(0 < wait <= 9 for wait in world.session.waits)


def test_wait_for_misses_nothing_that_comes_while_it_looks() -> None:
    world = World()
    trace = world.trace()
    child = world.fork(world.root)

    def look(trace: Trace) -> bool:
        found = bool(trace.processes.where("server").seen())
        # Now it happens, and the same look takes it in: no record is left to be woken by.
        if not found:
            world.exec(child, "server")
        trace.window.update()
        return found

    assert trace.wait_for(look, timeout=9) is True
    assert world.session.waits == []


def never(_: Trace) -> bool:
    return False


def test_wait_for_fails_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    world, trace = compile_in()
    clock = itertools.count()
    # Another second at each look.
    monkeypatch.setattr("pytest_ebpf.trace.time", SimpleNamespace(monotonic=lambda: next(clock)))
    world.session.later = [lambda: None] * 10

    cases: list[tuple[Any, dict[str, Any]]] = [
        *(("curl", {}), ("gcc", {"exit_code": 0})),
        *((Exec, {"argv": ["curl"]}), (Exit, {"exit_code": 9})),
    ]
    for wanted, criteria in cases:
        with pytest.raises(AssertionError, match=r"^waited 2\.500 s: expected "):
            trace.wait_for(wanted, timeout=2.5, **criteria)
    with pytest.raises(AssertionError, match=r"^waited 2\.500 s: never was never true"):
        trace.wait_for(never, timeout=2.5)
    assert world.session.waits == [1.5, 0.5] * 5


def test_events_are_asked_for_by_class_predicate_and_field() -> None:
    world, trace = compile_in()
    world.unshare(world.exec(world.fork(world.root), "unshare"), "net")

    assert len(trace.events.where(Exec)) == 5
    assert len(trace.events.where(kind="exec")) == 5
    assert len(trace.events.where(Exit, exit_code=1)) == 2
    assert len(trace.events.where(exit_code=1)) == 2
    assert len(trace.events.where(process="cc1")) == 4
    assert len(trace.events.where(child="cc1")) == 2
    assert len(trace.events.where(lambda event: event.process.comm == "as")) == 2
    assert trace.events.where(Exec, argv=["as", ...]).one().comm == "as"
    assert trace.events.where(NamespaceChange, changed={"net"}).one().process.comm == "unshare"
    assert not trace.events.where(NamespaceChange, changed={"pid"})
    times = [event.time_ns for event in trace.events]
    assert times == sorted(times)
