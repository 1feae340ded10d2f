"""How processes and threads begin, change and end, each as real programs do it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tiers import require_root

from pytest_ebpf import CredentialChange, Exec, Exit, NamespaceChange, ThreadExit, ThreadStart, Trace

if TYPE_CHECKING:
    from collections.abc import Callable


def output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def wait_status(*command: str, cwd: os.PathLike[str]) -> int:
    """Run a command and return the status of wait(2), of which Popen keeps only a part."""
    child = os.posix_spawn("/bin/sh", ["sh", "-c", 'cd "$0" && exec "$@"', str(cwd), *command], os.environ)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize("code", [0, 1, 77, 255])
def test_an_exit_code_is_what_the_program_gave(ebpf_trace: Trace, code: int) -> None:
    subprocess.run(["sh", "-c", f"exit {code}"], check=False)
    process = ebpf_trace.assert_exited("sh", exit_code=code)
    assert (process.signal, process.core_dumped, process.alive) == (None, False, False)
    with pytest.raises(AssertionError, match=f"exit_code: {code}, asked 2"):
        ebpf_trace.assert_exited("sh", exit_code=2)


def test_a_child_killed_by_sigkill_has_a_signal_and_no_exit_code(ebpf_trace: Trace) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as running:
        assert ebpf_trace.processes.where(pid=running.pid).one().alive
        ebpf_trace.assert_not_spawned("cat", signal=signal.SIGTERM, alive=False)
        running.kill()
        running.wait()
        process = ebpf_trace.assert_exited("cat", pid=running.pid, signal=signal.SIGKILL)
    assert (process.exit_code, process.core_dumped) == (None, False)
    with pytest.raises(AssertionError, match=r"differs: exit_code"):
        ebpf_trace.assert_exited("cat", exit_code=9)
    with pytest.raises(AssertionError, match=r"differs: signal"):
        ebpf_trace.assert_exited("cat", signal="SIGTERM")


@pytest.mark.parametrize("wanted", ["0", "1"])
def test_the_core_dump_flag_is_that_of_wait(
    ebpf_trace: Trace, program: Callable[[str], str], tmp_path: os.PathLike[str], wanted: str
) -> None:
    status = wait_status(program("aborter"), wanted, cwd=tmp_path)
    assert os.WTERMSIG(status) == signal.SIGABRT
    if wanted == "1" and not os.WCOREDUMP(status):
        pytest.skip("this machine writes no core dumps (RLIMIT_CORE or kernel.core_pattern)")
    process = ebpf_trace.assert_exited("aborter", signal=signal.SIGABRT)
    assert process.core_dumped is os.WCOREDUMP(status) is (wanted == "1")


def test_a_duration_lies_between_what_the_program_slept_and_what_its_parent_waited(ebpf_trace: Trace) -> None:
    begun = time.monotonic()
    subprocess.run(["sleep", "0.2"], check=True)
    waited = time.monotonic() - begun
    process = ebpf_trace.assert_exited("sleep")
    assert process.duration is not None
    assert 0.2 <= process.duration <= waited
    assert ebpf_trace.events.where(Exit, process=process).one().duration == process.duration


def test_threads_are_seen_to_start_and_to_end_and_are_no_processes(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    said = [int(line) for line in output(program("threads"), "3").splitlines()]
    process = ebpf_trace.assert_spawned("threads")
    started = ebpf_trace.events.where(ThreadStart, process=process)
    ended = ebpf_trace.events.where(ThreadExit, process=process)
    assert [event.namespace_tid for event in started] == said
    # pthread_join(3) may return before the kernel is done with a thread. Whichever is the last one ends the process.
    assert len(ended) == len(started) == 3
    assert {event.tid for event in ended} <= {process.pid, *(event.tid for event in started)}
    assert process.threads == 4
    assert not process.children
    ebpf_trace.assert_spawned("threads", count=1)


def test_a_program_without_threads_has_none(ebpf_trace: Trace) -> None:
    subprocess.run(["/bin/true"], check=True)
    ebpf_trace.assert_spawned("true", threads=1)
    assert not ebpf_trace.events.where(ThreadStart)


def test_a_thread_that_is_not_the_leader_executes_and_the_process_stays_one(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    with subprocess.Popen([program("thread_exec"), "/bin/sh", "-c", "exit 5"], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        pid, tid = map(int, running.stdout.read().split())
    assert running.returncode == 5
    assert pid != tid
    process = ebpf_trace.assert_exited(pid=running.pid, exit_code=5)
    assert [execution.argv[0] for execution in process.executions] == [program("thread_exec"), "/bin/sh"]
    executed = ebpf_trace.events.where(Exec, argv=["/bin/sh", ...]).one()
    # It takes over the leader's number.
    assert (executed.process, executed.tid) == (process, running.pid)
    assert executed.old_host_tid == ebpf_trace.events.where(ThreadStart, process=process).one().new_host_tid
    assert executed.old_host_tid != executed.host_tid
    assert process.argv == ("/bin/sh", "-c", "exit 5")
    ebpf_trace.assert_exited(pid=running.pid, count=1)


def test_the_exit_code_is_the_processs_also_where_its_first_thread_ended_before_with_another(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    assert subprocess.run([program("leader_first"), "5"], check=False).returncode == 5
    process = ebpf_trace.assert_exited("leader_first", exit_code=5, count=1).one()
    ended = ebpf_trace.events.where(ThreadExit, process=process, tid=process.pid).one()
    assert (ended.exit_code, ended.live) == (1, 1)


@pytest.mark.parametrize("how", ["vfork", "posix_spawn"])
def test_a_child_of_vfork_and_posix_spawn_is_a_child_like_any_other(
    ebpf_trace: Trace, program: Callable[[str], str], how: str
) -> None:
    pid = int(output(program("spawner"), how, "/bin/true", how))
    parent = ebpf_trace.assert_spawned("spawner")
    child = ebpf_trace.assert_exited("true", argv=["/bin/true", how], parent=parent, exit_code=0)
    assert child.namespace_pid == pid
    assert parent.children.one() == child
    with pytest.raises(AssertionError, match=r"differs: parent"):
        ebpf_trace.assert_spawned("true", parent=ebpf_trace.root)


def test_a_child_of_vfork_whose_program_does_not_exist_executed_nothing(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    assert subprocess.run([program("spawner"), "vfork", "/no/such"], stdout=subprocess.PIPE, check=False).returncode
    child = ebpf_trace.assert_spawned("spawner").children.one()
    assert (child.executed, child.exit_code) == (False, 127)
    ebpf_trace.assert_not_spawned("such")


def test_two_processes_with_the_same_pid_are_two(ebpf_trace: Trace, program: Callable[[str], str]) -> None:
    require_root()
    pid = int(output(program("pid_reuse")))
    children = ebpf_trace.assert_spawned("pid_reuse", executed=True).children
    assert [(child.pid, child.exit_code) for child in children] == [(pid, 3), (pid, 4)]
    assert children[0] != children[1]
    ebpf_trace.assert_exited(namespace_pid=pid, count=2)
    ebpf_trace.assert_exited(pid=pid, exit_code=3, count=1)


def test_unshare_and_setns_are_namespace_changes_there_and_back(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    require_root()
    between = int(output(program("uts_and_back")))
    process = ebpf_trace.assert_spawned("uts_and_back")
    there, back = ebpf_trace.events.where(NamespaceChange, process=process)
    assert there.before is not None
    first = there.before.uts
    assert first == ebpf_trace.root.namespaces.uts != between
    assert there.changed == back.changed == {"uts"}
    assert (there.after.uts, back.after.uts) == (between, first)
    assert process.namespaces.uts == first
    assert not ebpf_trace.events.where(NamespaceChange, changed={"net"})


def test_an_unshared_namespace_is_an_event_of_the_process_that_did_it_and_of_no_other(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    mnt = int(output(program("unshare_own")).split()[0])
    process = ebpf_trace.assert_spawned("unshare_own", executed=True)
    events = ebpf_trace.events.where(NamespaceChange)
    assert {event.process for event in events} <= {process}
    assert {"mnt", "pid_for_children"} <= events.first.changed
    assert events.first.after.mnt == mnt


def test_a_child_of_clone3_is_born_in_the_namespaces_that_its_flags_made(
    ebpf_trace: Trace, program: Callable[[str], str]
) -> None:
    uts, net = map(int, output(program("clone_new")).split())
    child = ebpf_trace.assert_spawned(parent="clone_new", new_namespaces={"uts", "net"})
    assert (child.namespaces.uts, child.namespaces.net) == (uts, net)
    assert child.new_namespaces <= {"uts", "net", "user"}
    # It was born there, and its parent is where it was.
    assert not ebpf_trace.events.where(NamespaceChange)
    with pytest.raises(AssertionError, match=r"differs: new_namespaces"):
        ebpf_trace.assert_spawned(parent="clone_new", new_namespaces={"pid"})


def test_a_change_of_user_is_an_event_with_what_changed(ebpf_trace: Trace) -> None:
    require_root()
    subprocess.run(["setpriv", "--reuid=1001", "--clear-groups", "/bin/true"], check=True)
    process = ebpf_trace.assert_spawned("true", uid=1001)
    event = ebpf_trace.events.where(CredentialChange, process=process, changed={"uid", "euid"}).first
    assert event.before is not None
    assert (event.before.uid, event.after.uid, event.after.euid) == (0, 1001, 1001)
    assert not ebpf_trace.events.where(CredentialChange, changed={"gid"})


def test_a_change_of_group_that_no_program_follows_is_an_event_too(ebpf_trace: Trace) -> None:
    require_root()
    subprocess.run([sys.executable, "-c", "import os; os.setegid(1001)"], check=True)
    event = ebpf_trace.events.where(CredentialChange, changed={"egid"}).one()
    assert event.before is not None
    assert (event.before.egid, event.after.egid, event.after.gid) == (os.getegid(), 1001, os.getgid())
    assert event.process.egid == 1001


def test_a_program_that_changes_no_namespace_makes_no_such_event(ebpf_trace: Trace) -> None:
    subprocess.run(["/bin/true"], check=True)
    assert not ebpf_trace.events.where(NamespaceChange)
