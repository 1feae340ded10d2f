"""Programs of users' own in several workers at once: each is told of its own processes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiers import require_command

if TYPE_CHECKING:
    from e2e.conftest import Suite

pytest_plugins = ["pytester"]
pytest.importorskip("xdist")
pytestmark = pytest.mark.once

MARKS = Path(__file__).parents[1] / "bpf/marks.bpf.c"

# All have their programs attached before any goes on, and let them be until all have done.
TOGETHER = """
import os
import time
from pathlib import Path
from pytest_ebpf import ProgramEvent
import pytest

WORKERS = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
OTHERS = ("on_raw_tp", "on_tp_btf", "on_uprobe", "on_uprobe_s", "on_perf_event", "on_flock", "on_wakeup")

def together(step, number):
    Path(f"{step}-{number}").touch()
    while len(list(Path.cwd().glob(f"{step}-*"))) < WORKERS:
        time.sleep(0.005)

@pytest.mark.parametrize("number", range(4))
def test_emitted(ebpf_trace, number):
    probe = ebpf_trace.program("marks.bpf.c", attach=dict.fromkeys(OTHERS))
    together("attached", number)
    mine = range(number * 100, number * 100 + 50)
    for each in mine:
        os.getpriority(os.PRIO_PROCESS, each) if each == 0 else pytest.raises(
            ProcessLookupError, os.getpriority, os.PRIO_PROCESS, each + (1 << 24)
        )
    together("done", number)
    told = [event.value.number & 0xFFFFFF for event in probe.events]
    assert told == list(mine)
    assert {event.process for event in probe.events} == {ebpf_trace.root}
    # It ran for the others' processes too, and emitted nothing.
    assert probe.variables["untraced"] >= 50 * (WORKERS - 1)
    assert len(ebpf_trace.events.where(ProgramEvent)) == 50
    assert len(ebpf_trace.processes) == 0, "the compiler is none of the test's"
"""


def test_events_of_workers_are_not_mixed(own_broker: Suite) -> None:
    require_command("clang")
    shutil.copy(MARKS, own_broker.path)
    own_broker.file("test_it.py", TOGETHER)
    own_broker.run("-n4").assert_outcomes(passed=4)
    assert not own_broker.run_directories()


FAILING = """
import os
import pytest

OTHERS = ("on_raw_tp", "on_tp_btf", "on_uprobe", "on_uprobe_s", "on_perf_event", "on_flock", "on_wakeup")

def test_fails(ebpf_trace):
    probe = ebpf_trace.program("marks.bpf.c", attach=dict.fromkeys(OTHERS))
    for number in range(250):
        with pytest.raises(ProcessLookupError):
            os.getpriority(os.PRIO_PROCESS, (1 << 24) + number)
    assert len(probe.events) == 7
"""


def rows(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("+") and ": marked {number=" in line]


def test_the_report_of_a_failing_test_shows_the_first_events_of_its_programs(own_broker: Suite) -> None:
    require_command("clang")
    shutil.copy(MARKS, own_broker.path)
    own_broker.file("test_it.py", FAILING)
    result = own_broker.run("-n0", "--tb=short")
    result.assert_outcomes(failed=1)
    shown = rows(result)
    assert len(shown) == 200
    assert "marks.bpf.c: marked {number=16777216, tgid=" in shown[0]
    assert 'by="tracepoint"}' in shown[0]
    assert "… and 50 more: pytest -vv shows them" in result.outlines
    assert len(rows(own_broker.run("-n0", "--tb=short", "-vv"))) == 250
