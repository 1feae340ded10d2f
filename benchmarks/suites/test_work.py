"""Traces a command."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ebpf import Trace


def test_work(ebpf_trace: Trace) -> None:
    """Run it, then tell how many system calls were seen."""
    subprocess.run(os.environ["BENCHMARK_COMMAND"].split("\n"), check=True)
    assert not ebpf_trace.losses.any, ebpf_trace.losses  # noqa: S101 - a test
    Path(os.environ["BENCHMARK_RESULT"]).write_text(str(len(ebpf_trace.syscalls)), encoding="utf-8")
