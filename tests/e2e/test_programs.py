"""Compiled BPF programs in a user's suite: each test's and each worker's its own, and nothing that stays."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import prebuilt
import pytest
from tiers import require_command

if TYPE_CHECKING:
    from e2e.conftest import Suite

pytest_plugins = ["pytester"]
pytest.importorskip("xdist")


@pytest.fixture
def objects(own_broker: Suite, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A suite that starts a broker itself, with the objects of tests/bpf in a folder ``bpf``."""
    if "COMPILED" not in os.environ:
        require_command("clang")
    (own_broker.path / "bpf").symlink_to(prebuilt.bpf_objects(tmp_path_factory))
    return own_broker


NOTING = """
import contextlib
from pathlib import Path
import asking

def note_programs():
    broker = asking.status().pid
    with Path("programs").open("a") as file:
        for host in Path(f"/proc/{broker}/task/{broker}/children").read_text().split():
            for path in Path(f"/proc/{host}/fdinfo").iterdir():
                with contextlib.suppress(OSError):
                    file.writelines(line for line in path.read_text().splitlines(True) if line.startswith("prog_id:"))
"""


def test_a_test_that_fails_while_its_program_is_attached_leaves_nothing(objects: Suite) -> None:
    require_command("bpftool")
    objects.file("own.py", NOTING)
    objects.file(
        "test_it.py",
        """
import subprocess
from own import note_programs

def test_fails(ebpf_trace):
    program = ebpf_trace.program("bpf/outputs.bpf.o")
    note_programs()
    subprocess.run(["true"])
    program.assert_no_event("perf", comm="true")

def test_raises_in_the_middle(ebpf_trace):
    with ebpf_trace.program("bpf/probes.bpf.o", attach={"on_entry": None, "on_return": None}):
        note_programs()
        raise RuntimeError("a bug of the test's")

def test_never_asks_again(ebpf_trace):
    ebpf_trace.program("bpf/typed.bpf.o")
    note_programs()
""",
    )
    result = objects.run()
    result.assert_outcomes(failed=2, passed=1)
    headline = "E*AssertionError: expected no program event written: outputs.bpf.o, perf, comm='true'*"
    result.stdout.fnmatch_lines([headline])
    numbers = {line.split()[1] for line in (objects.path / "programs").read_text().splitlines()}
    assert len(numbers) >= 5
    there = subprocess.run(["bpftool", "prog"], check=True, capture_output=True, text=True).stdout.splitlines()
    assert not numbers & {line.partition(":")[0] for line in there}


def test_the_whole_log_of_the_verifier_is_in_the_report(objects: Suite) -> None:
    objects.file("test_it.py", 'def test_it(ebpf_trace):\n    ebpf_trace.program("bpf/refused.bpf.o")\n')
    result = objects.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*ProgramError: pytest-ebpf: refused.bpf.o cannot be used: the kernel refused its program on_exec*",
            "*  log     these are the last of * lines; the failed test's report has all of them",
            "*- ebpf_trace log of its program -*",
            "libbpf: prog 'on_exec': BPF program load failed: Permission denied",
            "*R0 invalid mem access 'map_value_or_null'",
        ]
    )


def test_each_worker_has_an_instance_of_its_own_in_one_process(objects: Suite) -> None:
    objects.file(
        "test_it.py",
        """
import os
import subprocess
import time
from pathlib import Path
import asking
import pytest

WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

def together(name):
    (Path.cwd() / f"{name}-{os.getpid()}").touch()
    while len(list(Path.cwd().glob(f"{name}-*"))) < WORKERS:
        time.sleep(0.002)

@pytest.mark.parametrize("number", range(2))
def test_it(ebpf_trace, number):
    program = ebpf_trace.program("bpf/outputs.bpf.o", variables={"level": number})
    together("loaded")
    program["numbers"][0] = number + 1
    pids = []
    for _ in range(20):
        process = subprocess.Popen(["true", str(number)])
        process.wait()
        pids.append(process.pid)
    together("ran")
    for pid in pids:
        program.assert_event("perf", pid=pid, process=pid)
        program.assert_event("ring", pid=pid)
    assert (program["numbers"][0], program.variables["level"]) == (number + 1, number)
    broker = asking.status().pid
    children = Path(f"/proc/{broker}/task/{broker}/children").read_text()
    Path(f"host-{number}").write_text(children)
    together("asked")
""",
    )
    objects.run("-n2").assert_outcomes(passed=2)
    (host,) = {path.read_text() for path in objects.path.glob("host-*")}
    assert len(host.split()) == 1


def test_a_flood_in_one_worker_is_the_others_no_trouble(objects: Suite) -> None:
    objects.file(
        "test_it.py",
        """
import os
import subprocess
import time
from pathlib import Path
import pytest
from pytest_ebpf import TraceIncomplete

def together(name):
    (Path.cwd() / f"{name}-{os.getpid()}").touch()
    while len(list(Path.cwd().glob(f"{name}-*"))) < 2:
        time.sleep(0.002)

def test_floods(ebpf_trace):
    program = ebpf_trace.program("bpf/flood.bpf.o", variables={"to_ring": 1, "to_perf": 1})
    together("loaded")
    for _ in range(20):
        subprocess.run(["true"])
    together("ran")
    for output in ("ring", "perf"):
        with pytest.raises(TraceIncomplete):
            program.assert_no_event(output, number=3)

def test_does_not(ebpf_trace):
    program = ebpf_trace.program("bpf/typed.bpf.o")
    together("loaded")
    for _ in range(20):
        process = subprocess.Popen(["true"])
        process.wait()
        program.assert_event("perf", pid=process.pid, twice=2 * process.pid)
    together("ran")
    program.assert_no_event("perf", pid=1)
    ebpf_trace.assert_not_spawned("false")
""",
    )
    objects.run("-n2").assert_outcomes(passed=2)


def test_when_the_process_that_holds_programs_is_killed_nothing_is_asserted_absent(objects: Suite) -> None:
    # In a run with a broker of its own: all programs of a run are in that process.
    objects.file(
        "test_it.py",
        r"""
import os
import signal
import subprocess
from pathlib import Path
import asking
import pytest
from pytest_ebpf import TraceIncomplete

def true():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid

def test_killed(ebpf_trace):
    program = ebpf_trace.program("bpf/outputs.bpf.o")
    pid = true()
    program.assert_event("perf", pid=pid)
    broker = asking.status().pid
    [host] = Path(f"/proc/{broker}/task/{broker}/children").read_text().split()
    os.kill(int(host), signal.SIGKILL)
    why = r"because   what outputs\.bpf\.o wrote last is lost: pytest-ebpf: the process that holds BPF programs is gone"
    with pytest.raises(TraceIncomplete, match=why):
        program.assert_no_event("perf", comm="never")
    program.assert_event("perf", pid=pid)
    # The next program is held by another.
    again = ebpf_trace.program("bpf/outputs.bpf.o")
    again.assert_event("perf", pid=true())
""",
    )
    objects.run().assert_outcomes(passed=1)
