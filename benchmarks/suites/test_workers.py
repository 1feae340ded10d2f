"""Holds a window open until the benchmark has measured."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ebpf import Trace


def test_window(ebpf_trace: Trace) -> None:
    """Tell that it is open, and wait for the lock."""
    gate = Path(os.environ["BENCHMARK_GATE"])
    gate.with_name(f"ready-{os.getpid()}").touch()
    with gate.open(encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    assert not ebpf_trace.losses.any  # noqa: S101 - a test
