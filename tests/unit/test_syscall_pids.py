"""From the numbers that calls take and return to processes: as the caller counts, and as the test does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calls_stream import call
from model_stream import Actor, World

from pytest_ebpf.syscalls.call import Syscall

if TYPE_CHECKING:
    from pytest_ebpf.trace import Trace


def told(world: World, trace: Trace, actor: Actor, name: str, *args: int, result: int = 0, **more: Any) -> Syscall:
    """A call that a process makes now."""
    started = more.pop("entered_ns", world.now)
    world.session.calls += call(
        name,
        args,
        result,
        pid=actor.key[0],
        start_ns=actor.key[1],
        entered_ns=started,
        duration=world.now - started + 1,
        **more,
    )
    trace.window.update()
    calls = world.history.calls
    return Syscall(calls.select(0, 9)[-1], trace.window)


def test_a_child_is_found_by_its_number_while_it_lives_and_after() -> None:
    world = World(calls=True)
    trace = world.trace()
    entered = world.now
    child = world.fork(world.root)
    forked = told(world, trace, world.root, "vfork", result=child.pid, entered_ns=entered)
    assert forked.result == child.pid
    assert forked.result.process is not None
    assert forked.result.process.pid == child.pid
    world.exit(child)
    waited = told(world, trace, world.root, "wait4", child.pid, 0, 0, 0, result=child.pid)
    assert waited.result.process == waited.args.pid.process == forked.result.process


def test_a_number_that_was_given_again_is_of_the_one_who_had_it_last() -> None:
    world = World(calls=True)
    trace = world.trace()
    first = world.run(world.root, "first")
    world.next_pid = first.pid
    second = world.fork(world.root)
    assert second.pid == first.pid
    killed = told(world, trace, world.root, "kill", second.pid, 9)
    assert killed.args.pid.process is not None
    assert killed.args.pid.process.start_ns == second.key[1]


def test_a_process_in_a_namespace_of_its_own_counts_otherwise_than_the_test() -> None:
    world = World(calls=True)
    trace = world.trace()
    outer = world.fork(world.root)
    world.unshare(outer, "pid")
    inner = world.fork(outer, pid_level=1)
    assert told(world, trace, inner, "getpid", result=1).result.process.pid == inner.pid
    entered = world.now
    below = world.fork(inner, pid_level=1, namespace_pid=2, namespace_tid=2)
    forked = told(world, trace, inner, "fork", result=2, entered_ns=entered)
    assert forked.result == 2
    assert forked.result.process.pid == below.pid
    assert told(world, trace, below, "kill", 1, 0).args.pid.process.pid == inner.pid
    assert told(world, trace, below, "kill", inner.pid, 0).args.pid.process is None, "that number is another's there"


def test_a_child_in_a_namespace_below_is_found_by_its_birth() -> None:
    world = World(calls=True)
    trace = world.trace()
    outer = world.fork(world.root)
    world.unshare(outer, "pid")
    inner = world.fork(outer, pid_level=1)
    world.unshare(inner, "pid")
    entered = world.now
    below = world.fork(inner, pid_level=2)
    assert below.identity["namespace_pid"] == 1
    forked = told(world, trace, inner, "fork", result=2, entered_ns=entered)
    assert forked.result.process.pid == below.pid


def test_a_thread_is_its_processs() -> None:
    world = World(calls=True)
    trace = world.trace()
    entered = world.now
    thread = world.thread(world.root)
    made = told(world, trace, world.root, "clone", 0x10000, result=thread.identity["tid"], entered_ns=entered)
    assert made.result.process == trace.root
    assert told(world, trace, world.root, "gettid", result=thread.identity["tid"]).result.process == trace.root


def test_who_is_none_of_the_sessions_is_nobody() -> None:
    world = World(calls=True)
    trace = world.trace()
    assert told(world, trace, world.root, "getppid", result=1).result.process is None
    call = told(world, trace, world.root, "kill", 0, 0)
    assert (call.args.pid, call.args.pid.process) == (0, None)
    assert told(world, trace, world.root, "kill", -world.root.pid, 0).args.pid.process is None
