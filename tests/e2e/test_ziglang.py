"""Where there is no clang: the one in PyPI's ziglang, which ``pytest-ebpf[compile]`` installs, compiles as well."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiers import unable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from e2e.conftest import Suite

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.once

MARKS = Path(__file__).parents[1] / "bpf/marks.bpf.c"

TRACED = """
import os
import shutil
import pytest
from pytest_ebpf import ProgramError, ProgramEvent

OTHERS = ("on_raw_tp", "on_tp_btf", "on_uprobe", "on_uprobe_s", "on_perf_event", "on_flock", "on_wakeup")

def test_emitted(ebpf_trace):
    assert shutil.which("clang") is None
    probe = ebpf_trace.program("marks.bpf.c", attach=dict.fromkeys(OTHERS))
    for number in range(5):
        with pytest.raises(ProcessLookupError):
            os.getpriority(os.PRIO_PROCESS, (1 << 24) + number)
    assert [event.value.number - (1 << 24) for event in probe.events] == list(range(5))
    probe.assert_no_event("marked", number=7)
    assert len(ebpf_trace.processes) == 0

def test_refused(ebpf_trace):
    with pytest.raises(ProgramError, match=r"\\nwrong\\.bpf\\.c:3:9: error: use of undeclared identifier 'number'"):
        ebpf_trace.program("wrong.bpf.c")
"""


@pytest.fixture
def ziglang(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the package, of 100 MB to fetch and 400 MB when it is there: too much for every environment."""
    folder = tmp_path_factory.mktemp("ziglang")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "ziglang"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        unable(f"needs ziglang from the package index: {done.stderr.strip().splitlines()[-1:]}")
    yield folder
    shutil.rmtree(folder)  # pytest would keep three of them


def test_a_program_is_compiled_and_traces_where_only_ziglang_is(
    own_broker: Suite, ziglang: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(MARKS, own_broker.path)
    own_broker.file("wrong.bpf.c", '#include "vmlinux.h"\nint wrong(void) {\n return number; }\n')
    own_broker.file("test_it.py", TRACED)
    monkeypatch.setenv("PYTHONPATH", str(ziglang))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_broker.pytester.mkdir("cache")))
    own_broker.run("-n0").assert_outcomes(passed=2)
