"""Traces the spawner."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ebpf import Trace


def test_spawn(ebpf_trace: Trace) -> None:
    """Run it, then ask for all that it spawned, and tell how many were seen and how long the asking took."""
    subprocess.run(os.environ["BENCHMARK_COMMAND"].split("\n"), check=True)
    start = time.perf_counter()
    seen = len(ebpf_trace.processes.where(argv=["true"], exit_code=0))
    asking = time.perf_counter() - start
    Path(os.environ["BENCHMARK_RESULT"]).write_text(f"{seen} {asking}", encoding="utf-8")
