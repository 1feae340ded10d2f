"""Lives of processes, as records tell them."""

from __future__ import annotations

import os
import signal

import pytest
from model_stream import START_NS, STEP_NS, World

from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.events import CredentialChange, Exec, Exit, NamespaceChange, ThreadExit, ThreadStart
from pytest_ebpf.processes import parse_status


def test_a_process_is_born_executes_and_ends() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "git", "fetch", code=3)

    git = trace.processes.one()

    assert (git.pid, git.host_pid, git.namespace_pid) == (4101, 4101, 4101)
    assert (git.ppid, git.host_ppid, git.namespace_ppid) == (4100, 4100, 4100)
    assert git.parent == trace.root
    assert (git.comm, git.exe, git.filename, git.interpreter, git.cwd) == (
        "git",
        "/usr/bin/git",
        "/usr/bin/git",
        None,
        "/src",
    )
    assert git.argv == ("git", "fetch")
    assert (git.exe_inode, git.exe_device) == (42, os.makedev(8, 1))
    assert (git.exit_code, git.signal, git.core_dumped, git.alive) == (3, None, False, False)
    assert git.duration == pytest.approx(0.00025)
    assert (git.uid, git.gid, git.euid, git.egid, git.cgroup_id) == (1000, 1000, 1000, 1000, 77)
    assert (git.window, git.threads, git.executed) == (1, 1, True)
    assert git.start_ns == START_NS + STEP_NS + STEP_NS // 2
    assert git.new_namespaces == frozenset()
    assert git.truncated == frozenset()


def test_a_living_process_has_no_exit_code_yet_and_gets_one_without_being_asked_for_again() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "sleep", "9")
    sleep = trace.processes.one()

    assert (sleep.alive, sleep.exit_code, sleep.signal, sleep.core_dumped, sleep.duration) == (
        True,
        None,
        None,
        False,
        None,
    )

    world.exit(actor, signal=signal.SIGSEGV, core=True)

    assert (sleep.alive, sleep.exit_code, sleep.signal, sleep.core_dumped) == (False, None, signal.SIGSEGV, True)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0, (0, None, False)),
        (255 << 8, (255, None, False)),
        (9, (None, signal.SIGKILL, False)),
        (0x80 | 11, (None, signal.SIGSEGV, True)),
        (40, (None, 40, False)),
    ],
)
def test_a_wait_status_is_a_code_or_a_signal(status: int, outcome: object) -> None:
    assert parse_status(status) == outcome


def test_bytes_that_are_not_utf8_survive() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, b"/tmp/caf\xe9", b"\xff\xfe", exe=b"/tmp/caf\xe9", cwd=b"/\xfe")

    process = trace.processes.one()

    assert os.fsencode(process.argv[1]) == b"\xff\xfe"
    assert (process.exe, process.cwd, process.comm) == ("/tmp/caf\udce9", "/\udcfe", "caf\udce9")
    assert "caf\\xe9" in trace.tree()


def test_a_script_shows_what_was_asked_for_and_what_runs() -> None:
    world = World()
    trace = world.trace()
    world.run(
        world.root, "/bin/sh", "/src/build.sh", filename=b"/src/build.sh", interp=b"/bin/sh", exe=b"/usr/bin/dash"
    )

    script = trace.assert_spawned("build.sh")

    assert (script.filename, script.interpreter, script.exe) == ("/src/build.sh", "/bin/sh", "/usr/bin/dash")
    assert script.argv == ("/bin/sh", "/src/build.sh")
    assert script == trace.assert_spawned("dash") == trace.assert_spawned("sh")


def test_the_environment_is_known_only_if_it_was_asked_for() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "env", environ=b"A=1\0B=x=y\0A=2\0", envc=3)
    world.run(world.root, "true")

    env, true = trace.processes

    assert env.environ == {"A": "1", "B": "x=y"}
    with pytest.raises(TraceIncomplete) as caught:
        true.environ
    assert str(caught.value) == (
        "environ of <Process 4102 true (exit 0)> is not known: the environment was not captured\n"
        "  try     ask for it: @pytest.mark.ebpf(environ=True)"
    )


def test_a_text_that_was_cut_is_not_taken_for_whole() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "cc", "-O2", "x.c", argv=b"cc\0-O2", argc=3, truncated="argv")

    process = trace.processes.one()

    with pytest.raises(TraceIncomplete) as caught:
        process.argv
    assert str(caught.value) == (
        "argv of <Process 4101 cc -O2 … (exit 0)> is not known: argv was cut at 6 bytes\n"
        "  seen    process.seen('argv') gives what is there\n"
        "  try     keep more: @pytest.mark.ebpf(argv_limit=…)"
    )
    assert process.seen("argv") == ("cc", "-O2")
    assert process.truncated == {"argv"}


def test_a_text_that_could_not_be_read_is_not_taken_for_empty() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "cc", "x.c", argv=b"", unreadable="argv")

    process = trace.processes.one()

    with pytest.raises(TraceIncomplete, match="argv could not be read"):
        process.argv
    assert process.seen("argv") is None


def test_children_descendants_and_walk_follow_who_forked_whom_also_after_reparenting() -> None:
    world = World()
    trace = world.trace()
    first = world.fork(world.root)
    second = world.fork(first)
    world.exit(first)
    second.identity.update(ppid=1, host_ppid=1)
    world.exec(second, "daemon")
    world.run(second, "child")

    root = trace.root
    daemon = trace.assert_spawned("daemon")
    child = trace.assert_spawned("child")

    assert daemon.ppid == 1
    assert daemon.parent is not None
    assert daemon.parent.pid == first.pid
    assert daemon.parent.parent == root
    assert [each.pid for each in root.descendants] == [first.pid, second.pid, child.pid]
    assert [each.pid for each in root.children] == [first.pid]
    assert list(daemon.walk()) == [daemon, child]
    assert trace.assert_spawned("child", parent=daemon) == child
    assert trace.assert_spawned("child", parent="daemon") == child
    assert trace.assert_spawned("child", parent=second.pid) == child


def test_a_fork_that_executes_nothing_goes_by_its_parents_program() -> None:
    world = World()
    trace = world.trace()
    server = world.exec(world.fork(world.root), "server", "-f")
    worker = world.fork(server)

    found = trace.assert_spawned("server", parent=server.pid)

    assert (found.pid, found.argv, found.executed) == (worker.pid, ("server", "-f"), False)
    assert trace.assert_spawned("server", executed=False) == found


def test_the_first_match_is_one_that_executed_and_not_the_fork_before_it() -> None:
    world = World()
    trace = world.trace()
    world.fork(world.root)
    python = world.run(world.root, "python3", "x.py")

    assert trace.assert_spawned("python3").pid == python.pid


def test_every_program_of_a_process_counts_with_what_it_was_while_it_ran() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "unshare", "--net", "sh")
    world.unshare(actor, "net")
    world.exec(actor, "sh", uid=0, euid=0)
    world.exit(actor)

    process = trace.assert_spawned("unshare", new_namespaces={"net"}, uid=1000)

    assert process == trace.assert_spawned("sh", uid=0, new_namespaces={"net"})
    assert process.comm == "sh"
    assert [each.comm for each in process.executions] == ["unshare", "sh"]
    assert [each.uid for each in process.executions] == [1000, 0]
    trace.assert_not_spawned("unshare", uid=0)
    trace.assert_not_spawned("sh", uid=1000)


def test_a_pid_that_is_used_again_is_another_process() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "first")
    world.next_pid -= 1
    world.run(world.root, "second", code=1)

    first, second = trace.processes

    assert first.pid == second.pid
    assert first != second
    assert hash(first) != hash(second)
    assert (first.comm, first.exit_code, second.comm, second.exit_code) == ("first", 0, "second", 1)


def test_a_thread_is_no_process() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "java")
    thread = world.thread(actor)
    world.exit(thread, live=1)
    world.exit(actor, 2)

    java = trace.processes.one()

    assert (java.threads, java.exit_code) == (2, 2)
    start = trace.events.where(ThreadStart).one()
    assert (start.process, start.host_tid, start.tid) == (java, actor.pid, thread.identity["tid"])
    end = trace.events.where(ThreadExit).one()
    assert (end.host_tid, end.live) == (thread.identity["host_tid"], 1)


def test_exec_by_a_thread_that_is_not_the_leader_leaves_one_process_under_the_leaders_pid() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "java")
    thread = world.thread(actor)
    world.exit(actor, live=1)
    world.exec(actor, "sh", caller=thread)
    world.exit(actor, 5)

    process = trace.processes.one()

    assert (process.pid, process.comm, process.exit_code) == (actor.pid, "sh", 5)
    event = trace.events.where(Exec, comm="sh").one()
    assert (event.old_host_tid, event.host_tid) == (thread.identity["host_tid"], actor.pid)


def test_of_two_last_threads_the_later_one_is_the_end() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "java")
    thread = world.thread(actor)
    world.exit(thread, 1)
    world.exit(actor, 7)

    assert trace.processes.one().exit_code == 7
    assert trace.events.where(Exit).one().exit_code == 7
    assert trace.events.where(ThreadExit).one().host_tid == thread.identity["host_tid"]


def test_the_state_of_another_thread_is_not_taken_for_the_processs() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "java")
    thread = world.thread(actor)
    world.unshare(thread, "net")

    process = trace.processes.one()

    assert process.new_namespaces == frozenset()
    change = trace.events.where(NamespaceChange).one()
    assert change.changed == {"net"}
    assert change.tid == thread.identity["tid"]
    assert process.raw("tid") == actor.pid


def test_changes_are_events_with_before_and_after() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "daemon")
    world.unshare(actor, "net", "pid")
    world.change(actor, uid=65534, euid=65534)
    world.exec(actor, "sudo", euid=0, secure=True)

    namespaces = trace.events.where(NamespaceChange).one()
    first, second = trace.events.where(CredentialChange)

    assert namespaces.changed == {"net", "pid_for_children"}
    assert namespaces.before is not None
    assert namespaces.before.net != namespaces.after.net
    assert first.changed == {"uid", "euid"}
    assert first.before is not None
    assert (first.before.uid, first.after.uid) == (1000, 65534)
    assert second.changed == {"euid"}
    assert trace.events.where(Exec, secure=True).one().comm == "sudo"
    assert [event.kind for event in trace.events] == [
        *("fork", "exec", "namespace-change", "credential-change", "exec", "credential-change"),
    ]


def test_a_change_after_exec_is_told_from_what_exec_made_of_it() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "ping", euid=0)
    world.change(actor, euid=1000)

    change = trace.events.where(CredentialChange)[-1]

    assert change.changed == {"euid"}
    assert change.before is not None
    assert (change.before.euid, change.after.euid) == (0, 1000)


def test_entering_the_same_namespace_is_no_change() -> None:
    world = World()
    trace = world.trace()
    world.change(world.exec(world.fork(world.root), "nsenter"))

    assert not trace.events.where(NamespaceChange)
    assert not trace.events.where(CredentialChange)


def test_a_process_sees_itself_under_another_pid_in_a_pid_namespace() -> None:
    world = World()
    trace = world.trace()
    bwrap = world.exec(world.fork(world.root), "bwrap")
    world.unshare(bwrap, "pid")
    inner = world.exec(world.fork(bwrap), "sh")

    process = trace.assert_spawned("sh", new_namespaces={"pid"})

    assert (process.pid, process.namespace_pid, process.namespace_ppid) == (inner.pid, 1, 0)
    assert process.new_namespaces == {"pid"}
    assert trace.assert_spawned("bwrap", new_namespaces={"pid_for_children"}).new_namespaces == frozenset()
    trace.assert_not_spawned("bwrap", new_namespaces={"pid"})


def test_new_namespaces_are_new_against_the_test_as_it_was_when_the_window_opened() -> None:
    world = World()
    trace = world.trace()
    world.run(world.root, "before")
    world.unshare(world.root, "net")
    world.run(world.root, "after")
    with trace.section("later") as later:
        world.run(world.root, "inside")

    assert trace.assert_spawned("before").new_namespaces == frozenset()
    assert trace.assert_spawned("after").new_namespaces == {"net"}
    assert trace.assert_spawned("inside").new_namespaces == {"net"}
    assert later.assert_spawned("inside").new_namespaces == frozenset()
    assert trace.root in trace.processes
    assert trace.root.new_namespaces == {"net"}
    assert later.processes.where(pid=world.root.pid) == []
