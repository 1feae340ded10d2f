"""A user's suite in several workers at once (pytest-xdist): one broker, one set of programs."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from brokers import eventually

if TYPE_CHECKING:
    from e2e.conftest import Suite

pytest_plugins = ["pytester"]
pytest.importorskip("xdist")

# Every worker has to be there before any goes on.
TOGETHER = """
import os
import subprocess
import time
from pathlib import Path
import asking
import pytest

WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

@pytest.mark.parametrize("number", range(4))
def test_traced(ebpf_trace, number):
    Path(f"came-{number}").touch()
    while WORKERS > 1 and len(list(Path.cwd().glob("came-*"))) < WORKERS:
        time.sleep(0.005)
    for _ in range(20):
        subprocess.run(["true", str(number)])
    ebpf_trace.assert_spawned("true", argv=["true", str(number)], count=20)
    ebpf_trace.assert_spawned("true", count=20)
    found = asking.status()
    Path(f"status-{number}").write_text(f"{found.pid} {found.programs} {found.sessions}")
    while WORKERS > 1 and len(list(Path.cwd().glob("status-*"))) < WORKERS:
        time.sleep(0.005)
"""


def _statuses(suite: Suite) -> list[tuple[int, ...]]:
    return [tuple(map(int, path.read_text().split())) for path in sorted(suite.path.glob("status-*"))]


def test_all_workers_share_one_broker_and_one_set_of_programs(own_broker: Suite) -> None:
    own_broker.file("test_it.py", TOGETHER)
    own_broker.run("-n0").assert_outcomes(passed=4)
    ((_, programs, sessions),) = set(_statuses(own_broker))
    assert (programs > 0, sessions) == (True, 1)
    for path in [*own_broker.path.glob("status-*"), *own_broker.path.glob("came-*")]:
        path.unlink()

    own_broker.run("-n4").assert_outcomes(passed=4)
    assert len({broker for broker, _, _ in _statuses(own_broker)}) == 1
    assert [found[1:] for found in _statuses(own_broker)] == [(programs, 4)] * 4
    assert not own_broker.run_directories()


def test_workers_that_trace_nothing_start_and_make_nothing(own_broker: Suite) -> None:
    own_broker.file(
        "test_it.py",
        """
import sys
import asking

def test_plain():
    assert not asking.run_directories()
    assert not {"pytest_ebpf.tracer", "pytest_ebpf.engine", "pytest_ebpf.trace"} & set(sys.modules)
""",
    )
    own_broker.run("-n2").assert_outcomes(passed=1)
    assert not own_broker.run_directories()


def test_the_report_of_a_worker_shows_the_processes_of_a_failing_test(suite: Suite) -> None:
    suite.file(
        "test_it.py",
        """
import subprocess

def test_fails(ebpf_trace):
    subprocess.run(["false"])
    assert False
""",
    )
    result = suite.run("-n2")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["-* ebpf_trace call -*", "* (the test)", "└─ * false (+*s, exit 1, ran *s)"])


def test_a_worker_that_is_killed_is_replaced_and_the_new_one_traces(own_broker: Suite) -> None:
    own_broker.file(
        "test_it.py",
        """
import os
import signal
import subprocess

def test_dies(ebpf_trace):
    os.kill(os.getpid(), signal.SIGKILL)

def test_sees(ebpf_trace):
    subprocess.run(["true"])
    assert ebpf_trace.processes.one().comm == "true"
""",
    )
    own_broker.run("-n1").assert_outcomes(passed=1, failed=1)
    assert not own_broker.run_directories()


def test_when_the_controller_is_killed_the_broker_and_its_directory_go(own_broker: Suite) -> None:
    os.mkfifo(own_broker.path / "said")
    own_broker.file(
        "test_it.py",
        """
import signal
import asking

def test_hangs(ebpf_trace):
    with open("said", "w") as file:
        file.write(str(asking.status().pid))
    signal.pause()
""",
    )
    with own_broker.start("-n1") as controller:
        assert int((own_broker.path / "said").read_text()) > 0
        assert own_broker.run_directories()
        controller.kill()
        assert eventually(lambda: not own_broker.run_directories())
    assert controller.returncode == -signal.SIGKILL
