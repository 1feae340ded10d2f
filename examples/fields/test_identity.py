"""Pids as the host has them and as a process sees them itself, and the ids of its namespaces."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_ebpf import Process, Program, Trace

HERE = Path(__file__).parent
NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"]
# With a user namespace of its own, none of this needs root.
UNSHARE = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]


@pytest.fixture(params=["CO-RE", "BCC"])
def program(request: pytest.FixtureRequest, ebpf_trace: Trace) -> Program:
    """Return the program that writes a record for each process, in either dialect."""
    if request.param == "BCC":
        return ebpf_trace.bcc(HERE / "task.bcc.c")
    return ebpf_trace.program(HERE / "identity.bpf.c")


def test_on_the_host(ebpf_trace: Trace, program: Program) -> None:
    with subprocess.Popen(["true"]) as started:
        pass

    child = ebpf_trace.assert_spawned("true", pid=started.pid)
    program.assert_event("identity", pid=child.host_pid, ppid=child.host_ppid, comm="true", process=child)


def test_as_the_process_sees_itself(program: Program) -> None:
    # In the second of two nested namespaces, a shell that is not its first process.
    inner = "sh -c 'echo $$ $PPID'; true"
    shown = subprocess.run([*UNSHARE, *UNSHARE, "sh", "-c", inner], check=True, capture_output=True, text=True).stdout

    pid, ppid = map(int, shown.split())  # its own getpid() and getppid()
    assert (pid, ppid) == (2, 1)
    program.assert_event("identity", own_pid=pid, own_ppid=ppid, comm="sh", count=1)
    # Who is the first process there has its parent outside, where it has no number for it.
    program.assert_event("identity", own_pid=1, own_ppid=0, comm="sh", count=1)


@pytest.fixture
def box(program: Program, ebpf_trace: Trace) -> Iterator[Process]:
    """Return a process in new namespaces of each kind, as long as the test runs."""
    del program  # it is to see how the process is born
    kinds = ["--user", "--map-root-user", "--cgroup", "--ipc", "--mount", "--net", "--pid", "--time", "--uts"]
    with subprocess.Popen(["unshare", *kinds, "--fork", "--kill-child", "sleep", "60"]) as started:
        try:
            yield ebpf_trace.wait_for("sleep", parent=ebpf_trace.wait_for("unshare", pid=started.pid))
        finally:
            started.kill()


def namespaces_of(process: Process) -> dict[str, int]:
    return {kind: Path(f"/proc/{process.pid}/ns/{kind}").stat().st_ino for kind in NAMESPACES}


def test_the_namespaces_of_a_process_and_of_its_children_to_be(program: Program, box: Process) -> None:
    maker = box.parent
    assert maker is not None
    own, makers = namespaces_of(box), namespaces_of(maker)

    program.assert_event("namespaces", of_pid=box.host_pid, fields=own)
    program.assert_event("namespaces", of_pid=maker.host_pid, fields=makers)
    # Who makes a pid or a time namespace does not enter it: its children are born there.
    for kind in ("pid", "time"):
        assert makers[f"{kind}_for_children"] == own[kind] != makers[kind]
