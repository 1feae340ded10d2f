"""What a sandbox really keeps from the program inside: bubblewrap (``apt-get install bubblewrap``)."""

import os
import signal
import subprocess

import pytest

from pytest_ebpf import Trace

SANDBOX = ["bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--unshare-all", "--cap-drop", "ALL"]

pytestmark = pytest.mark.skipif(
    subprocess.run([*SANDBOX, "true"], check=False, capture_output=True).returncode != 0,
    reason="bubblewrap is missing, or this user may not make user namespaces",
)


def test_the_program_is_alone_in_namespaces_of_its_own(ebpf_trace: Trace) -> None:
    subprocess.run([*SANDBOX, "sh", "-c", "id; true"], check=True)

    shell = ebpf_trace.assert_spawned("sh", new_namespaces={"mnt", "pid", "net", "ipc", "uts", "user"})
    # The sandbox's first process is bwrap itself, which reaps orphans; the program comes second.
    assert shell.namespace_pid == 2
    assert shell.parent is not None
    assert shell.parent.namespace_pid == 1
    # What the shell starts is in there too: the very same namespaces, every one of them.
    ebpf_trace.assert_spawned("id", parent=shell, in_namespaces_of=shell, exit_code=0)


def test_the_program_has_no_capability_even_if_root_started_it(ebpf_trace: Trace) -> None:
    subprocess.run([*SANDBOX, "true"], check=True)

    program = ebpf_trace.assert_spawned("true")
    assert program.capabilities.effective == frozenset()
    assert program.capabilities.permitted == frozenset()


@pytest.mark.ebpf(environ=True)
def test_the_environment_of_the_caller_stays_outside(ebpf_trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://me:secret@db/")
    subprocess.run([*SANDBOX, "--clearenv", "--setenv", "LANG", "C", "/bin/true"], check=True)

    assert ebpf_trace.assert_spawned("bwrap").environ["DATABASE_URL"] == "postgres://me:secret@db/"
    program = ebpf_trace.assert_spawned("true", environ={"LANG": "C"})
    assert "DATABASE_URL" not in program.environ


def test_what_the_program_leaves_behind_outlives_the_sandbox(ebpf_trace: Trace) -> None:
    subprocess.run([*SANDBOX, "sh", "-c", "sleep 60 & exit 3"], check=False)

    # bwrap has returned, but its process within still waits for the one that the shell left.
    ebpf_trace.assert_exited("sh", exit_code=3)
    ebpf_trace.wait_for("sleep", alive=True)
    within = ebpf_trace.leftovers.where("bwrap").one()
    os.kill(within.pid, signal.SIGKILL)
    # The end of a pid namespace's first process ends all others in it.
    ebpf_trace.wait_for("sleep", signal=signal.SIGKILL)


def test_nothing_outlives_a_sandbox_that_is_to_die_with_its_parent(ebpf_trace: Trace) -> None:
    subprocess.run([*SANDBOX, "--die-with-parent", "sh", "-c", "sleep 60 & exit 3"], check=False)

    # What the shell left may be killed before it executes sleep, so it is known by who forked it.
    shell = ebpf_trace.assert_exited("sh", exit_code=3)
    ebpf_trace.wait_for(parent=shell, signal=signal.SIGKILL)
    ebpf_trace.wait_for(lambda trace: not trace.leftovers)
