"""Traces a loop of calls of one function."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ebpf import Trace


def test_functions(ebpf_trace: Trace) -> None:
    """Run it, then tell how many of its calls were seen."""
    command = os.environ["BENCHMARK_COMMAND"].split("\n")
    calls = ebpf_trace.uprobe(command[0], "called", number="s32(arg0)", size="s64(arg1)", name="str@arg2")
    subprocess.run(command, check=True)
    seen = len(calls)
    assert not ebpf_trace.losses.any, ebpf_trace.losses  # noqa: S101 - a test
    Path(os.environ["BENCHMARK_RESULT"]).write_text(str(seen), encoding="utf-8")
