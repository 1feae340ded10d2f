"""Traces a loop of one system call."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ebpf import Trace


def test_calls(ebpf_trace: Trace) -> None:
    """Run it, then tell how many of its calls were seen."""
    subprocess.run(os.environ["BENCHMARK_COMMAND"].split("\n"), check=True)
    seen = len(ebpf_trace.syscalls.where(os.environ["BENCHMARK_CALL"]).seen())
    assert not ebpf_trace.losses.any, ebpf_trace.losses  # noqa: S101 - a test
    Path(os.environ["BENCHMARK_RESULT"]).write_text(str(seen), encoding="utf-8")
