"""A user's suite, run by pytest with the plugin in it: what is started, what is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from e2e.conftest import Suite

pytest_plugins = ["pytester"]

# What a suite that does not trace has done that it would not have done without the plugin.
WATCH = """
import sys

NEEDED = {"pytest_ebpf", *("pytest_ebpf." + name for name in ("plugin", "settings", "errors", "hookspecs"))}
started = []

def watch(event, arguments):
    if event in {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "socket.connect"}:
        started.append(event)
    if event == "os.mkdir" and "pytest-ebpf-" in str(arguments[0]):
        started.append(arguments)

def pytest_configure():
    sys.addaudithook(watch)

def pytest_unconfigure():
    imported = {name for name in sys.modules if name.split(".")[0] == "pytest_ebpf"}
    print("started", started, "imported", sorted(imported - NEEDED))
"""
UNTOUCHED = "*started [[][]] imported [[][]]"


def test_a_suite_that_does_not_ask_starts_and_makes_and_imports_nothing(own_broker: Suite) -> None:
    own_broker.file("conftest.py", WATCH)
    own_broker.file("test_it.py", "def test_plain(): pass\n")
    result = own_broker.run("-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([UNTOUCHED])
    assert not own_broker.run_directories()


def test_the_watch_for_what_is_started_sees_a_suite_that_asks(own_broker: Suite) -> None:
    own_broker.file("conftest.py", WATCH)
    own_broker.file("test_it.py", "def test_traced(ebpf_trace): pass\n")
    result = own_broker.run("-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*started *pytest-ebpf-*subprocess.Popen*imported *pytest_ebpf.engine*"])


@pytest.mark.parametrize("arguments", [["--collect-only"], ["-k", "plain"]], ids=["collected only", "deselected"])
def test_a_test_that_asks_and_does_not_run_starts_nothing(own_broker: Suite, arguments: list[str]) -> None:
    own_broker.file("conftest.py", WATCH)
    own_broker.file("test_it.py", "def test_plain(): pass\ndef test_traced(ebpf_trace): pass\n")
    result = own_broker.run("-s", *arguments)
    assert result.ret == 0
    result.stdout.fnmatch_lines([UNTOUCHED])
    assert not own_broker.run_directories()


def test_a_failing_test_shows_the_processes_and_the_losses_in_its_report(suite: Suite) -> None:
    suite.file(
        "test_it.py",
        """
import subprocess

def test_passes(ebpf_trace):
    subprocess.run(["true"])

def test_fails(ebpf_trace):
    subprocess.run(["false"])
    assert False
""",
    )
    result = suite.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*assert False*",
            "-* ebpf_trace call -*",
            "* (the test)",
            "└─ * false (+*s, exit 1, ran *s)",
            "0 lost",
            "=* short test summary info =*",
        ]
    )
    result.stdout.no_fnmatch_line("└─ * true *")


def test_a_long_tree_is_cut_in_the_report_unless_everything_is_asked_for(suite: Suite) -> None:
    suite.file(
        "test_it.py",
        """
import subprocess

def test_fails(ebpf_trace):
    subprocess.run(["sh", "-c", "for each in $(seq 250); do (:); done"])
    assert False
""",
    )
    for verbosity, forks in {"-v": 197, "-vv": 250}.items():
        lines = suite.run(verbosity).stdout.lines
        assert len([line for line in lines if "(+" in line]) == forks + 2  # sh and seq
        assert ("… and 53 more: pytest -vv shows them" in lines) is (forks == 197)


def test_hooks_of_a_conftest_see_each_window_and_add_to_the_text_of_a_failure(suite: Suite) -> None:
    suite.file(
        "conftest.py",
        """
def pytest_ebpf_window_closed(item, trace):
    print("closed", item.name, *(process.comm for process in trace.processes), repr(trace).strip("<>"))

def pytest_ebpf_failure_text(trace):
    return ["weather   rain", f"seen      {len(trace.processes)}"]
""",
    )
    suite.file(
        "test_it.py",
        """
import subprocess

def test_one(ebpf_trace):
    subprocess.run(["true"])

def test_plain():
    pass

def test_other(ebpf_trace):
    subprocess.run(["echo"])
    ebpf_trace.assert_not_spawned("echo")
""",
    )
    result = suite.run("-s")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*closed test_one true Trace, closed",
            "*closed test_other echo Trace, closed",
            "E *window    *0 lost, 0 truncated",
            "E *weather   rain",
            "E *seen      1",
        ]
    )
    result.stdout.no_fnmatch_line("*closed test_plain*")


WINDOW = """
import subprocess
import pytest

@pytest.fixture
def earlier():
    subprocess.run(["true"])

@pytest.fixture
def later(ebpf_trace):
    subprocess.run(["echo"])
    yield
    subprocess.run(["false"])

def names(trace):
    return [process.comm for process in trace.processes]

@pytest.mark.ebpf(window="test")
def test_of_the_whole_test(earlier, ebpf_trace, later):
    assert names(ebpf_trace) == ["true", "echo"]

def test_of_the_fixture(earlier, ebpf_trace, later):
    assert names(ebpf_trace) == ["echo"]

@pytest.mark.ebpf(window="call")
def test_of_the_call(earlier, ebpf_trace, later):
    assert names(ebpf_trace) == []
    subprocess.run(["uname"])
    assert names(ebpf_trace) == ["uname"]
"""


def test_a_window_spans_what_the_marker_says(suite: Suite) -> None:
    suite.file("test_it.py", WINDOW)
    suite.file(
        "conftest.py",
        "def pytest_ebpf_window_closed(item, trace):\n"
        "    print('closed', item.name, *(process.comm for process in trace.processes))\n",
    )
    result = suite.run("-s")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "*closed test_of_the_whole_test true echo false",
            "*closed test_of_the_fixture echo false",
            "*closed test_of_the_call uname",
        ]
    )


def test_what_one_test_leaves_behind_is_its_leftover_and_older_in_the_next(suite: Suite) -> None:
    suite.file(
        "test_it.py",
        """
import os
import subprocess
from pytest_ebpf import Exit

def test_leaves_a_daemon(ebpf_trace):
    global daemon
    os.mkfifo("end")
    subprocess.run(["sh", "-c", "cat end & true"])
    daemon = ebpf_trace.wait_for("cat", argv=["cat", "end"])
    assert ebpf_trace.leftovers.one() == daemon
    assert daemon.alive and daemon.parent.comm == "sh"

def test_ends_the_daemon(ebpf_trace):
    assert not ebpf_trace.leftovers
    assert not ebpf_trace.processes
    open("end", "w").close()
    assert ebpf_trace.wait_for(Exit).process == daemon
    ended = ebpf_trace.assert_exited("cat", exit_code=0)
    assert (ended.pid, ended.window) == (daemon.pid, daemon.window)
    assert "cat end (born earlier, window 1, exit 0, " in ebpf_trace.tree()
    ebpf_trace.assert_not_spawned("cat")
""",
    )
    suite.run().assert_outcomes(passed=2)


def test_a_child_forked_from_the_test_cannot_ask_and_is_told_where(suite: Suite) -> None:
    suite.file(
        "test_it.py",
        """
import os
from pytest_ebpf import UsageError

def test_forks(ebpf_trace):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            ebpf_trace.processes
        except UsageError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(3)
    assert os.waitpid(child, 0) == (child, 3 << 8)
    assert os.read(reading, 4096).decode() == (
        f"the trace belongs to the test's process (pid {os.getpid()}) and cannot be asked"
        f" in a child forked from it (pid {child}): ask in the test, after the child ended"
    )
    assert ebpf_trace.processes.one().pid == child
""",
    )
    suite.run().assert_outcomes(passed=1)


def test_the_fixture_adds_no_thread_and_no_child_to_the_process_of_the_test(suite: Suite) -> None:
    suite.file(
        "test_it.py",
        """
import os
import threading
import pytest

def test_forks_without_a_warning(ebpf_trace):
    assert len(ebpf_trace.processes) == 0
    assert threading.active_count() == len(os.listdir("/proc/self/task")) == 1
    with pytest.raises(ChildProcessError):
        os.wait()
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)
    ebpf_trace.assert_exited(pid=child, exit_code=0)
""",
    )
    suite.run().assert_outcomes(passed=1)


def test_tests_of_one_suite_can_have_rings_of_different_sizes(suite: Suite) -> None:
    suite.file(
        "test_it.py",
        """
import subprocess
import pytest

@pytest.mark.ebpf(syscalls="none")
@pytest.mark.parametrize("size", [pytest.param(s, marks=pytest.mark.ebpf(ring_size=s)) for s in ("64K", "1M", "64K")])
def test_sees(ebpf_trace, size):
    # No more than fits in the smallest ring, however late the broker drains it.
    for _ in range(20):
        subprocess.run(["true"])
    ebpf_trace.assert_spawned("true", exit_code=0, count=20)
    assert not ebpf_trace.losses.any

def test_sees_with_the_usual_size(ebpf_trace):
    subprocess.run(["echo"])
    assert ebpf_trace.processes.one().comm == "echo"
""",
    )
    suite.run().assert_outcomes(passed=4)


def test_no_memory_need_be_locked(own_broker: Suite) -> None:
    own_broker.file(
        "test_it.py",
        """
import resource
import subprocess

def test_sees(ebpf_trace):
    assert resource.getrlimit(resource.RLIMIT_MEMLOCK) == (0, 0)
    subprocess.run(["true"])
    ebpf_trace.assert_spawned("true")
""",
    )
    own_broker.run(through=("prlimit", "--memlock=0:0", "--")).assert_outcomes(passed=1)
