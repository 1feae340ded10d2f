"""Options, ini values and the marker, as a user's suite meets them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiers import require_command

if TYPE_CHECKING:
    from e2e.conftest import Suite

pytest_plugins = ["pytester"]

PROJECT = Path(__file__).parents[2]

TRACED = """
def test_traced(ebpf_trace):
    ebpf_trace.assert_not_spawned("true")

def test_plain():
    pass
"""

MARKED = """
import pytest

@pytest.mark.ebpf({marker})
def test_marked(ebpf_trace):
    pass
"""

NEEDS = "pytest-ebpf: the kernel takes tracing programs only from a privileged process"


def powerless(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """What to put before a command so that it runs as nobody, and nothing gives it privilege."""
    require_command("setpriv", "unshare")
    visible = [PROJECT, sys.prefix, Path(sys.base_prefix).resolve(), suite.path]
    monkeypatch.setenv("VISIBLE", ":".join(map(str, visible)))
    suite.path.chmod(0o755)
    suite.temporary.chmod(0o777)
    # The script's own temporary folder must not lie in what it covers.
    temporary = f"TMPDIR={suite.temporary}"
    return ("env", "--unset=TMPDIR", str(PROJECT / "scripts/as-nobody"), "env", temporary)


def test_without_privilege_tests_are_skipped_with_what_is_needed_and_what_to_do(
    own_broker: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_broker.file("test_it.py", TRACED)
    through = powerless(own_broker, monkeypatch)
    result = own_broker.run("--ebpf=auto", "-rs", through=through)
    result.assert_outcomes(skipped=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            f"SKIPPED * {NEEDS}",
            "*needs   CAP_BPF and CAP_PERFMON; has neither (uid 65534; sudo -n: *)",
            "*try     sudo -v && pytest …      or   sudo * serve --uid 65534",
        ]
    )
    assert not own_broker.run_directories()


def test_without_privilege_and_sudo_the_reason_says_so(own_broker: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    own_broker.file("test_it.py", TRACED)
    through = powerless(own_broker, monkeypatch)
    empty = own_broker.pytester.mkdir("no-sudo-here")
    result = own_broker.run("--ebpf=auto", "-rs", through=(*through, f"PATH={empty}"))
    result.assert_outcomes(skipped=1, passed=1)
    result.stdout.fnmatch_lines(["*has neither (uid 65534; sudo -n: sudo is not installed)"])


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["alone", "in two workers"])
def test_without_privilege_tests_fail_where_tracing_is_required(
    own_broker: Suite, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    own_broker.file("test_it.py", TRACED)
    through = powerless(own_broker, monkeypatch)
    result = own_broker.run(*workers, through=through)
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines([NEEDS, "*needs   *", "*try     *", "*asked   to fail by --ebpf=require"])
    assert not own_broker.run_directories()


def test_switched_off_no_test_is_traced_even_with_privilege(own_broker: Suite) -> None:
    own_broker.file("test_it.py", TRACED + MARKED.format(marker="window='test'"))
    result = own_broker.run("--ebpf=off", "-rs")
    result.assert_outcomes(skipped=2, passed=1)
    result.stdout.fnmatch_lines(["SKIPPED * pytest-ebpf is switched off (--ebpf=off)"])
    assert not own_broker.run_directories()


def test_a_broker_that_is_not_there_is_an_error_with_the_command_that_starts_one(suite: Suite) -> None:
    suite.file("test_it.py", TRACED)
    result = suite.run(f"--ebpf-broker={suite.path}/nobody", "--ebpf=auto")
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            f"pytest-ebpf: no broker can be reached at {suite.path}/nobody: No such file or directory",
            "  asked   by --ebpf-broker, the ini value ebpf_broker or PYTEST_EBPF_BROKER",
            f"  try     sudo * serve --uid {os.geteuid()}",
        ]
    )


SEEN = """
import subprocess
import pytest
from pytest_ebpf import TraceIncomplete

LONG = "x" * 5000

def found(trace):
    subprocess.run(["true", LONG], env={{"GREETING": "hello"}})
    process = trace.processes.where("true").one()
    return trace.window.history.session.ring_size, process

def test_of_the_run(ebpf_trace):
    size, process = found(ebpf_trace)
    assert size == {ring_size}
    assert ("argv" in process.truncated) is {cut}
    {environ}

@pytest.mark.ebpf(ring_size="128K", environ=True, argv_limit="8K")
def test_of_the_marker(ebpf_trace):
    size, process = found(ebpf_trace)
    assert size == 128 << 10
    assert not process.truncated
    assert process.environ == {{"GREETING": "hello"}}

@pytest.mark.ebpf(environ=True, ring_size="1M")
class TestClass:
    @pytest.mark.ebpf(ring_size="256K")
    def test_of_the_closest_marker(self, ebpf_trace):
        size, process = found(ebpf_trace)
        assert size == 256 << 10
        assert process.environ == {{"GREETING": "hello"}}
"""
ENVIRON = 'assert process.environ == {"GREETING": "hello"}'
NO_ENVIRON = 'pytest.raises(TraceIncomplete, getattr, process, "environ").match("was not captured")'


def test_without_a_word_the_defaults_hold_and_the_marker_changes_them(suite: Suite) -> None:
    suite.file("test_it.py", SEEN.format(ring_size=8 << 20, cut=False, environ=NO_ENVIRON))
    suite.run().assert_outcomes(passed=3)


def test_ini_values_hold_for_the_run_and_options_come_before_them(suite: Suite) -> None:
    suite.pytester.makeini("[pytest]\nebpf_ring_size = 512K\nebpf_environ = true\nebpf_argv_limit = 4K\nebpf = off")
    suite.file("test_it.py", SEEN.format(ring_size=512 << 10, cut=True, environ=ENVIRON))
    suite.run().assert_outcomes(passed=3)
    suite.file("test_it.py", SEEN.format(ring_size=2 << 20, cut=False, environ=NO_ENVIRON))
    suite.run("--ebpf-ring-size=2M", "--ebpf-argv-limit=64K", "--ebpf-environ=false").assert_outcomes(passed=3)


CALLS = """
import os
import subprocess
import pytest
from pytest_ebpf import TraceIncomplete, UsageError, glob

def made(trace, tmp_path):
    (tmp_path / "note").write_text("hello")
    os.getppid()
    subprocess.run(["sh", "-c", "echo hello > note"], cwd=tmp_path)
    return trace

{marker}
def test_only_some_calls_are_recorded(tmp_path, ebpf_trace):
    trace = made(ebpf_trace, tmp_path)
    assert {{each.name for each in trace.syscalls}} == {{"write", "execve"}}
    with pytest.raises(UsageError, match="^getppid is not recorded: .* says 'write,execve'"):
        trace.assert_no_syscall("getppid")

    # Those of this process are not, and those that are have some data.
    assert trace.root not in {{each.process for each in trace.syscalls}}
    trace.assert_no_syscall("write", buf="help")
    with pytest.raises(TraceIncomplete, match="of buf only 4 bytes were copied"):
        trace.assert_no_syscall("write", buf="hello world")
    with pytest.raises(AssertionError):
        trace.assert_no_syscall("write", buf=glob("hell*"))

@pytest.mark.ebpf(syscalls="all", data_limit=0, children_only=False)
def test_all_are(tmp_path, ebpf_trace):
    trace = made(ebpf_trace, tmp_path)
    trace.assert_syscall("getppid", process=trace.root)
    assert trace.syscalls.where("write", path="note")

@pytest.mark.ebpf(syscalls="none")
def test_none_are(tmp_path, ebpf_trace):
    trace = made(ebpf_trace, tmp_path)
    trace.assert_spawned("sh")
    with pytest.raises(UsageError, match="^no system calls are recorded"):
        trace.syscalls
"""
MARKER = '@pytest.mark.ebpf(syscalls=["write", "execve"], data_limit=4, children_only=True)'


def test_which_calls_are_recorded_is_said_by_the_marker(suite: Suite) -> None:
    suite.file("test_it.py", CALLS.format(marker=MARKER))
    suite.run().assert_outcomes(passed=3)


def test_which_calls_are_recorded_is_said_by_options(suite: Suite) -> None:
    suite.file("test_it.py", CALLS.format(marker=""))
    options = ("--ebpf-syscalls=write,execve", "--ebpf-data-limit=4", "--ebpf-children-only=yes")
    suite.run(*options).assert_outcomes(passed=3)


def test_which_calls_are_recorded_is_said_by_ini_values(suite: Suite) -> None:
    lines = ("ebpf_syscalls = write,execve", "ebpf_data_limit = 4", "ebpf_children_only = true")
    suite.pytester.makeini("\n".join(["[pytest]", *lines]))
    suite.file("test_it.py", CALLS.format(marker=""))
    suite.run().assert_outcomes(passed=3)
    # An option comes before.
    suite.run("--ebpf-syscalls=all").assert_outcomes(passed=2, failed=1)


LATER = """
import os
import subprocess
import pytest
from pytest_ebpf import BrokerError

def test_first_nobody_wants_any(ebpf_trace):
    subprocess.run(["true"])
    ebpf_trace.assert_spawned("true")
    with pytest.raises(BrokerError, match="no session of this broker records system calls"):
        ebpf_trace.window.history.session.snapshot()

@pytest.mark.ebpf(syscalls="getppid")
def test_then_one_is_wanted(ebpf_trace):
    os.getppid()
    ebpf_trace.assert_syscall("getppid", process=os.getpid(), count=1)
    ebpf_trace.window.history.session.snapshot()

def test_and_then_none_again(ebpf_trace):
    subprocess.run(["true"])
    ebpf_trace.assert_spawned("true", count=1)
    assert not ebpf_trace.window.history.calls.select(0, 99)
"""


def test_the_broker_attaches_nothing_for_calls_until_a_test_wants_some(own_broker: Suite) -> None:
    own_broker.file("test_it.py", LATER)
    own_broker.run("--ebpf-syscalls=none").assert_outcomes(passed=3)


WINDOW = """
import subprocess
import pytest

@pytest.fixture
def earlier():
    subprocess.run(["true"])

def test_of_the_run(earlier, ebpf_trace):
    assert len(ebpf_trace.processes) == {spawned}

@pytest.mark.ebpf(window="fixture")
def test_of_the_marker(earlier, ebpf_trace):
    assert len(ebpf_trace.processes) == 0
"""


def test_the_window_of_all_tests_can_be_set(suite: Suite) -> None:
    suite.pytester.makeini("[pytest]\nebpf_window = test")
    suite.file("test_it.py", WINDOW.format(spawned=1))
    suite.run().assert_outcomes(passed=2)
    suite.file("test_it.py", WINDOW.format(spawned=0))
    suite.run("--ebpf-window=call").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--ebpf=maybe", "--ebpf: 'maybe' is not one of auto, require, off"),
        ("--ebpf-window=all", "--ebpf-window: 'all' is not one of fixture, test, call"),
        (
            "--ebpf-ring-size=3M",
            "--ebpf-ring-size: a ring has a power of two of bytes, from 64K to 1G, not 3M; try 8M",
        ),
        ("--ebpf-environ=perhaps", "--ebpf-environ: 'perhaps' is neither true nor false"),
        ("--ebpf-argv-limit=3M", "--ebpf-argv-limit: at most 2M of arguments can be copied, not 3M"),
        ("--ebpf-data-limit=1M", "--ebpf-data-limit: at most 16K of a call's data can be copied, not 1M"),
        ("--ebpf-children-only=2", "--ebpf-children-only: '2' is neither true nor false"),
        (
            "--ebpf-syscalls=opnat",
            (
                "--ebpf-syscalls: there is no system call 'opnat' on this machine; did you mean 'openat' or 'openat2'?"
                " (write all, none, or names, patterns and groups such as %file)"
            ),
        ),
    ],
)
def test_a_bad_option_ends_pytest_with_one_line(suite: Suite, argument: str, text: str) -> None:
    suite.file("test_it.py", TRACED)
    result = suite.run(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.stderr.lines if line] == [f"ERROR: {text}"]


def test_a_bad_ini_value_ends_pytest_with_one_line(suite: Suite) -> None:
    suite.pytester.makeini("[pytest]\nebpf_ring_size = 3M")
    suite.file("test_it.py", TRACED)
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.stderr.lines if line] == [
        "ERROR: the ini value ebpf_ring_size: a ring has a power of two of bytes, from 64K to 1G, not 3M; try 8M"
    ]


BAD_MARKERS = {
    "ring='16M'": "@pytest.mark.ebpf has no setting 'ring'; it has ring_size, window, environ, argv_limit, syscalls, "
    "data_limit, children_only, probes",
    "'16M'": "@pytest.mark.ebpf takes names only, such as ring_size='16M', not '16M'",
    "window='all'": "@pytest.mark.ebpf(window=...): 'all' is not one of fixture, test, call",
    "ring_size='4096'": (
        "@pytest.mark.ebpf(ring_size=...): a ring has a power of two of bytes, from 64K to 1G, not 4096; try 8M"
    ),
}


def test_a_bad_marker_is_an_error_of_its_test_alone_and_says_what_is_good(suite: Suite) -> None:
    for number, marker in enumerate(BAD_MARKERS):
        suite.file(f"test_bad_{number}.py", MARKED.format(marker=marker))
    suite.file("test_good.py", TRACED)
    result = suite.run("--strict-markers")
    result.assert_outcomes(errors=len(BAD_MARKERS), passed=2)
    assert [line for line in result.stdout.lines if line.startswith("@pytest.mark.ebpf")] == [*BAD_MARKERS.values()]


def test_help_tells_of_each_option_and_markers_of_the_marker(suite: Suite) -> None:
    result = suite.run("--help")
    settings = ("", "-broker", "-ring-size", "-window", "-environ", "-argv-limit")
    for name in (*settings, "-syscalls", "-data-limit", "-children-only"):
        result.stdout.fnmatch_lines([f"  --ebpf{name}=*"])
        result.stdout.fnmatch_lines([f"  ebpf{name.replace('-', '_')} (string):*"])
    said = subprocess.run(suite.command("--markers"), cwd=suite.path, capture_output=True, text=True, check=True).stdout
    assert "@pytest.mark.ebpf(*, ring_size=..., window=..., environ=..., argv_limit=..., syscalls=..., " in said
