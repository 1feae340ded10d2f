"""The command ``pytest-ebpf``, as a user types it."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
from e2e.typed import typed

if TYPE_CHECKING:
    from e2e.conftest import Suite

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _own_folder(suite: Suite) -> None:
    """Run directories lie where they are seen."""
    assert not suite.run_directories()


def test_trace_draws_the_tree_of_a_command(suite: Suite) -> None:
    done = typed("trace", "--", "sh", "-c", "/bin/true; echo done; exit 3")
    assert done.stderr == ""
    assert done.returncode == 3
    first, sh, child = done.stdout.splitlines()
    assert first == "done"
    assert " sh -c '/bin/true; echo done; exit 3' (+" in sh
    assert "exit 3, ran " in sh
    assert child.startswith("└─ ")
    assert " /bin/true (+" in child
    assert "exit 0, ran " in child
    assert not suite.run_directories()


def test_trace_writes_a_line_of_json_for_each_process_and_one_for_the_losses() -> None:
    done = typed("trace", "--json", "--environ", "--", "env", "-i", "GREETING=hello", "sh", "-c", "echo done; (exit 4)")
    assert done.returncode == 4
    assert done.stderr == "done\n"
    *processes, losses = [json.loads(line) for line in done.stdout.splitlines()]
    assert [process["argv"] for process in processes if process["executed"]] == [["sh", "-c", "echo done; (exit 4)"]]
    assert processes[0]["environ"]["GREETING"] == "hello"
    assert processes[0]["exit_code"] == 4
    assert {"pid", "host_pid", "namespace_pid", "exe", "cwd", "namespaces", "cgroup_id", "duration"} <= set(
        processes[0]
    )
    assert losses["lost_records"] == 0


def test_trace_returns_what_a_shell_would() -> None:
    assert typed("trace", "--", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL
    missing = typed("trace", "--", "/no/such/command")
    assert (missing.returncode, missing.stderr) == (
        127,
        "pytest-ebpf trace: '/no/such/command' cannot be run: No such file or directory\n",
    )
    directory = typed("trace", "--", "/")
    assert (directory.returncode, directory.stderr) == (
        126,
        "pytest-ebpf trace: '/' cannot be run: Permission denied\n",
    )


def test_trace_passes_a_commands_options_on() -> None:
    done = typed("trace", "--", "echo", "--json", "-n")
    assert done.stdout.splitlines()[0] == "--json -n"


@pytest.mark.parametrize("words", [["trace"], ["trace", "--what", "--", "true"], ["what"], []])
def test_what_is_not_understood_has_the_status_of_a_wrong_command_line(words: list[str]) -> None:
    done = typed(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: pytest-ebpf")


def test_trace_that_cannot_trace_says_why_and_has_a_status_of_its_own(suite: Suite) -> None:
    done = typed("trace", "--", "true", PYTEST_EBPF_BROKER=f"{suite.path}/nobody")
    assert done.returncode == 125
    assert done.stderr.startswith(f"pytest-ebpf: no broker can be reached at {suite.path}/nobody: No such file")
    assert done.stdout == ""


def test_doctor_is_content_where_tests_can_trace(suite: Suite) -> None:
    done = typed("doctor")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert not suite.run_directories()


def test_doctor_is_not_content_where_the_named_broker_is_not_there(suite: Suite) -> None:
    done = typed("doctor", PYTEST_EBPF_BROKER=f"{suite.path}/nobody")
    assert done.returncode == 1
    assert f"{suite.path}/nobody" in done.stdout
