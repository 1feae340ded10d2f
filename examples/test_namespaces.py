"""Who is in which namespace: ``unshare`` and ``nsenter`` (util-linux, on every Debian)."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from pytest_ebpf import NamespaceChange, Process, Trace, namespaces_of

# With a user namespace of its own, none of this needs root.
UNSHARE = ["unshare", "--user", "--map-root-user"]

pytestmark = pytest.mark.skipif(
    subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode != 0,
    reason="this user may not make user namespaces",
)


@pytest.fixture
def box(ebpf_trace: Trace) -> Iterator[Process]:
    """Return a process that lives in a network of its own as long as the test runs."""
    with subprocess.Popen([*UNSHARE, "--net", "sleep", "60"]) as started:
        try:
            yield ebpf_trace.wait_for("sleep", pid=started.pid)
        finally:
            started.kill()


def test_only_what_unshare_forks_is_in_the_new_pid_namespace(ebpf_trace: Trace) -> None:
    subprocess.run([*UNSHARE, "--pid", "--fork", "--mount-proc", "sh", "-c", "true; exit 0"], check=True)

    shell = ebpf_trace.assert_spawned("sh", new_namespaces={"user", "mnt", "pid"})
    assert shell.namespace_pid == 1  # as it sees itself; shell.pid is what this test sees
    assert shell.parent is not None
    # A process never changes its own pid namespace, only the one that its children will be born in.
    assert "pid" not in shell.parent.new_namespaces
    assert shell.parent.namespace_pid == shell.parent.pid


def test_root_in_a_user_namespace_is_still_the_same_user(ebpf_trace: Trace) -> None:
    shown = subprocess.run([*UNSHARE, "id", "--user"], check=True, capture_output=True, text=True)

    assert shown.stdout == "0\n"  # what it believes
    ebpf_trace.assert_spawned("id", uid=os.getuid())  # what it is


def test_nsenter_takes_a_command_into_the_box(ebpf_trace: Trace, box: Process) -> None:
    enter = ["nsenter", "--target", str(box.pid), "--user", "--net", "--preserve-credentials"]
    subprocess.run([*enter, "sh", "-c", "true"], check=True)

    shell = ebpf_trace.assert_spawned("sh", in_namespaces_of=box)
    assert shell.new_namespaces == {"user", "net"}
    # The same is said by a pid, or by a path such as /run/netns/blue.
    ebpf_trace.assert_spawned("sh", in_namespaces_of=namespaces_of(box.pid, "net"))
    # nsenter became the shell: one process, which changed its namespaces on the way.
    assert [program.comm for program in shell.executions] == ["nsenter", "sh"]
    changes = ebpf_trace.events.where(NamespaceChange, process=shell)
    assert {kind for change in changes for kind in change.changed} == {"user", "net"}


def test_a_command_that_does_not_enter_stays_outside(ebpf_trace: Trace, box: Process) -> None:
    subprocess.run(["sh", "-c", "true"], check=True)

    ebpf_trace.assert_spawned("sh", in_namespaces_of=os.getpid(), new_namespaces=set())
    ebpf_trace.assert_not_spawned("sh", in_namespaces_of=namespaces_of(box, "net"))
