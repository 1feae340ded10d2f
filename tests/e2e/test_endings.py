"""How a run ends, or its broker before it: what goes on, what is said, what remains."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from brokers import eventually, gone

if TYPE_CHECKING:
    from e2e.conftest import Suite

pytest_plugins = ["pytester"]


def test_a_suite_that_asks_leaves_no_broker_and_no_directory(own_broker: Suite) -> None:
    own_broker.file(
        "test_it.py",
        """
import asking

def test_traced(ebpf_trace):
    with open("pid", "w") as file:
        file.write(str(asking.status().pid))
""",
    )
    own_broker.run().assert_outcomes(passed=1)
    assert gone(int((own_broker.path / "pid").read_text()))
    assert not own_broker.run_directories()


KILLED = """
import os
import select
import signal
import subprocess
import asking

def test_before(ebpf_trace):
    subprocess.run(["true"])
    ebpf_trace.assert_spawned("true")

def test_kills_the_broker(ebpf_trace):
    broker = os.pidfd_open(asking.status().pid)
    signal.pidfd_send_signal(broker, signal.SIGKILL)
    select.select([broker], [], [])
    (found,) = asking.run_directories()
    with (found / "log").open("a") as log:
        log.write("out of breath\\n")
    subprocess.run(["true"])
    ebpf_trace.assert_spawned("true")

def test_after(ebpf_trace):
    ebpf_trace.assert_not_spawned("true")

def test_plain():
    pass
"""


def test_when_the_broker_is_killed_the_tests_that_need_it_say_so_and_the_others_go_on(own_broker: Suite) -> None:
    own_broker.file("test_it.py", KILLED)
    result = own_broker.run("-v")
    result.stdout.fnmatch_lines(
        [
            "*::test_before PASSED*",
            "*::test_kills_the_broker FAILED*",
            "*::test_after ERROR*",
            "*::test_plain PASSED*",
            "pytest-ebpf: the broker died (*/socket)",
            "*its last words:",
            "*out of breath",
            "E *BrokerDied: pytest-ebpf: the broker died (*/socket)",
            "E *out of breath",
        ]
    )
    assert not own_broker.run_directories()


def test_when_pytest_is_killed_the_broker_and_its_directory_go(own_broker: Suite) -> None:
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
    with own_broker.start() as process:
        broker = os.pidfd_open(int((own_broker.path / "said").read_text()))
        assert own_broker.run_directories()
        process.kill()
        assert eventually(lambda: _has_ended(broker))
        os.close(broker)
    assert process.returncode == -signal.SIGKILL
    assert not own_broker.run_directories()


def _has_ended(pidfd: int) -> bool:
    try:
        signal.pidfd_send_signal(pidfd, 0)
    except ProcessLookupError:
        return True
    # It is init's child. Where nobody reaps in that place, it stays a zombie.
    (pid,) = re.findall(r"^Pid:\s+(-?\d+)$", Path(f"/proc/self/fdinfo/{pidfd}").read_text(), re.MULTILINE)
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()
