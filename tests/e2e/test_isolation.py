"""pytest itself run in namespaces of its own: pids are those that the test sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tiers import require_command

if TYPE_CHECKING:
    from e2e.conftest import Suite

pytest_plugins = ["pytester"]

PIDS = """
import os
import subprocess
import sys

def test_numbers(ebpf_trace):
    root = ebpf_trace.root
    assert (root.pid, root.ppid) == (os.getpid(), os.getppid())
    assert root.host_pid not in {0, root.pid}
    assert root.namespace_pid == root.pid

    child = subprocess.Popen([sys.executable, "-c", "import os; os._exit(0 if os.fork() else 7)"])
    child.wait()
    seen = ebpf_trace.assert_spawned(exit_code=0, pid=child.pid)
    assert seen.ppid == os.getpid()
    assert seen.host_ppid == root.host_pid
    assert seen.host_pid not in {0, seen.pid}
    assert seen.parent == root
    assert ebpf_trace.wait_for(exit_code=7).parent == seen

def test_in_a_namespace_further_down(ebpf_trace):
    inner = ["sh", "-c", "echo $$"]
    outer = subprocess.run(["unshare", "--pid", "--fork", *inner], stdout=subprocess.PIPE, check=True)
    assert outer.stdout == b"1\\n"
    seen = ebpf_trace.assert_spawned("sh", new_namespaces={"pid"}, exit_code=0, count=1).one()
    assert seen.namespace_pid == 1
    assert seen.ppid == ebpf_trace.processes.where("unshare").one().pid
    assert len({seen.pid, seen.host_pid, 1}) == 3

def test_leftover(ebpf_trace):
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    assert ebpf_trace.leftovers.one().pid == child.pid
    child.communicate()
    assert not ebpf_trace.leftovers
"""

WAYS = {
    "unshare": ("unshare", "--pid", "--fork", "--mount-proc"),
    "unshare, all": ("unshare", "--pid", "--fork", "--mount-proc", "--net", "--uts", "--ipc", "--cgroup"),
    "bwrap": ("bwrap", "--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--cap-add", "ALL", "--"),
}


@pytest.mark.parametrize("way", WAYS)
def test_pids_are_those_that_the_test_sees(own_broker: Suite, way: str) -> None:
    require_command(WAYS[way][0])
    own_broker.file("test_it.py", PIDS)
    own_broker.run(through=WAYS[way]).assert_outcomes(passed=3)
    assert not own_broker.run_directories()


def test_with_an_offset_of_the_clocks_the_times_are_right(own_broker: Suite) -> None:
    own_broker.file(
        "test_it.py",
        """
import subprocess

def test_times(ebpf_trace):
    with ebpf_trace.section("one") as one:
        subprocess.run(["true"])
    subprocess.run(["echo"])
    assert one.processes.one().comm == "true"
    assert [process.comm for process in ebpf_trace.processes] == ["true", "echo"]
    assert "(+" in ebpf_trace.tree()
    assert 0 < one.processes.one().duration < 60
""",
    )
    through = ("unshare", "--time", "--monotonic", "1000000", "--fork")
    own_broker.run(through=through).assert_outcomes(passed=1)
