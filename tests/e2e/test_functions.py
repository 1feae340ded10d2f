"""Probes in a user's suite: by the marker, by the hook, in the workers; and on the command line."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from e2e.typed import COMMAND
from tiers import require_command

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.conftest import Suite

pytest_plugins = ["pytester"]

SOURCE = """
int twice(int n) { return n * 2; }
int thrice(int n) { return n * 3; }
int main(int argc, char **argv) { return twice(argc) + thrice(argc) != 10; }
"""
RUN = "subprocess.run(['./program', 'x'], check=True)"


@pytest.fixture
def program(suite: Suite) -> Path:
    require_command("gcc")
    command = ["gcc", "-g", "-x", "c", "-", "-o", "program"]
    subprocess.run(command, input=SOURCE, text=True, check=True, cwd=suite.path)
    return suite.path / "program"


def test_markers_and_the_hook_add_up(suite: Suite, program: Path) -> None:
    assert program.exists()
    suite.file(
        "conftest.py",
        "from pytest_ebpf import uprobe\n\n\n"
        "def pytest_ebpf_probes(config):\n    return [uprobe('./program', 'main')]\n",
    )
    suite.file(
        "test_them.py",
        f"""
import subprocess
import pytest

pytestmark = pytest.mark.ebpf(probes=["uprobe:./program:twice"])


def test_of_the_module(ebpf_trace):
    {RUN}
    ebpf_trace.assert_called("twice", n=2, count=1)
    ebpf_trace.assert_called("main", count=1)
    assert {{call.function for call in ebpf_trace.functions}} == {{"main", "twice"}}


@pytest.mark.ebpf(probes=["uprobe:./program:thrice n=s32 returns=s32"], window="test")
class TestOfTheClass:
    def test_all_of_them(self, ebpf_trace):
        {RUN}
        ebpf_trace.assert_called("thrice", n=2, result=6)
        ebpf_trace.assert_called("twice")
        ebpf_trace.assert_called("main")

    @pytest.mark.ebpf(window="call")
    def test_in_the_call(self, ebpf_trace):
        {RUN}
        ebpf_trace.assert_called("thrice")
        ebpf_trace.assert_not_called("twice", n=3)


@pytest.mark.ebpf(probes=["uprobe:./program:thrise"])
def test_of_nothing(ebpf_trace):
    pass


@pytest.mark.ebpf(probes="uprobe:./program:thrice")
def test_of_no_list(ebpf_trace):
    pass


def test_after_them(ebpf_trace):
    {RUN}
    ebpf_trace.assert_called("twice")
""",
    )
    result = suite.run("--ebpf=require")
    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*/program: no function 'thrise'; nearest: thrice*",
            "@pytest.mark.ebpf(probes=...) takes a list, such as *, not 'uprobe:./program:thrice'",
        ]
    )


def test_a_probe_of_many_tests_is_attached_once(own_broker: Suite, program: Path) -> None:
    suite = own_broker
    assert program.exists()
    suite.file(
        "test_many.py",
        f"""
import os
import subprocess
import time

import pytest


@pytest.fixture(scope="session", autouse=True)
def both():
    yield
    # A probe goes with the last worker that holds it.
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with open("ids") as file:
            if len({{line.split()[0] for line in file}}) == 2:
                break
        time.sleep(0.02)


@pytest.fixture
def calls(ebpf_trace):
    return ebpf_trace.uprobe("./program", "twice", returns=True)


@pytest.mark.parametrize("number", range(40))
def test_it(ebpf_trace, calls, number):
    if number % 20 == 0:
        {RUN}
        assert calls.one().result == 4
    probe = calls.arming.attached[0].probe
    with open("ids", "a") as file:
        file.write(f"{{os.environ['PYTEST_XDIST_WORKER']}} {{probe.id}}\\n")
""",
    )
    result = suite.run("--ebpf=require", "-n2")
    result.assert_outcomes(passed=40)
    told = [line.split() for line in (suite.path / "ids").read_text().splitlines()]
    assert ({worker for worker, _ in told}, len({probe for _, probe in told})) == ({"gw0", "gw1"}, 1)


def test_calls_are_written_as_they_return(suite: Suite, program: Path) -> None:
    assert program.exists()
    done = trace(suite, "-e", "uprobe:./program:twice returns=s32", "-e", "uprobe:./program:thrice n=s32(arg0)")
    assert done == ["twice(n=2) = 4", "thrice(n=2)"]
    [line] = trace(suite, "--times", "-e", "uretprobe:./program:twice")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{6} twice\(n=2\) = 4 <0\.\d{6}>", line)


def test_whom_a_signal_ended_is_written_beside_the_calls(suite: Suite, program: Path) -> None:
    assert program.exists()
    script = 'sh -c "kill -9 \\$\\$"; ./program x; exit 3'
    command = [COMMAND, "trace", "-e", "uprobe:./program:twice", "-o", "out", "--", "sh", "-c", script]
    done = subprocess.run(command, cwd=suite.path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    killed, call = (suite.path / "out").read_text().splitlines()
    assert killed == "+++ killed by SIGKILL +++"
    assert re.fullmatch(r"\d+ +twice\(n=2\)", call)


def test_a_call_as_json_has_all_its_fields(suite: Suite, program: Path) -> None:
    call, process, losses = map(json.loads, trace(suite, "--json", "-e", "uprobe:./program:twice returns=s32"))
    assert call | {"address": "", "process": {}, "tid": 0, "host_tid": 0, "time_ns": 0, "duration": 0} == {
        "type": "function",
        "probe": "uprobe:./program:twice",
        "function": "twice",
        "path": str(program),
        "address": "",
        "process": {},
        "tid": 0,
        "host_tid": 0,
        "args": {"n": 2},
        "returned": True,
        "result": 4,
        "time_ns": 0,
        "duration": 0,
        "window": 1,
        "stack": [],
        "truncated": [],
        "unknown": {},
    }
    assert call["process"]["pid"] == process["pid"]
    assert losses["complete"]


def test_a_probe_that_could_not_fire_is_said(suite: Suite, program: Path) -> None:
    assert program.exists()
    (suite.path / "copy").write_bytes(program.read_bytes())
    [line] = trace(suite, "-e", "uprobe:./copy:twice")
    assert line.startswith("incomplete: nothing shows that a process had ./copy mapped, so its probe could not fire")
    losses = json.loads(trace(suite, "--json", "-e", "uprobe:./copy:twice")[-1])
    assert not losses["complete"]
    assert losses["functions"] == [line.removeprefix("incomplete: ")]


def test_what_is_asked_wrongly_runs_nothing(suite: Suite, program: Path) -> None:
    assert program.exists()
    for text, status, message in (
        ("uprob:./program:twice", 2, "argument -e: 'uprob:./program:twice' is no probe; did you mean uprobe:…?"),
        ("uprobe:./program:twise", 125, f"pytest-ebpf trace: {program}: no function 'twise'; nearest: twice"),
    ):
        done = subprocess.run(
            [COMMAND, "trace", "-e", text, "--", "touch", "ran"],
            cwd=suite.path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (status, "")
        assert message in done.stderr
        assert not (suite.path / "ran").exists()


def test_what_can_be_probed_is_listed(suite: Suite, program: Path) -> None:
    assert program.exists()

    def listed(probe: str, status: int = 0) -> str:
        command = [COMMAND, "list", probe]
        done = subprocess.run(command, cwd=suite.path, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == status
        return done.stderr if status else done.stdout

    assert listed("uprobe:./program:t*ice") == (
        "uprobe:./program:thrice    s32 thrice(s32 n)\nuprobe:./program:twice    s32 twice(s32 n)\n"
    )
    assert "usdt:/usr/bin/python3:python:gc__start    (s32 arg0)\n" in listed("usdt:/usr/bin/python3:*")
    assert listed("usdt:./program:*", 1) == (
        "pytest-ebpf list: ./program: it has no static probe (USDT) of that name\n"
    )


def trace(suite: Suite, *options: str) -> list[str]:
    command = [COMMAND, "trace", *options, "-o", "out", "--", "./program", "x"]
    done = subprocess.run(command, cwd=suite.path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return (suite.path / "out").read_text().splitlines()
