"""Asks for many system calls."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf import Trace


def seconds(ask: Callable[[], object]) -> float:
    """Return how long it takes."""
    start = time.perf_counter()
    ask()
    return time.perf_counter() - start


def test_records(ebpf_trace: Trace) -> None:
    """Have them made, then tell what asking for them takes."""
    name = os.environ["BENCHMARK_CALL"]
    len(ebpf_trace.syscalls)  # what asking imports is not what it takes
    before, ring = sizes.resident("self")
    subprocess.run(os.environ["BENCHMARK_COMMAND"].split("\n"), check=True)
    first = seconds(lambda: len(ebpf_trace.syscalls))
    after, ring_after = sizes.resident("self")
    told = {
        "first": first,
        "where": seconds(lambda: len(ebpf_trace.syscalls.where(name))),
        "none": seconds(lambda: len(ebpf_trace.syscalls.where("connect"))),
        "records": len(ebpf_trace.syscalls),
        "memory": ((after - ring_after) - (before - ring)) * 1e6,
    }
    assert not ebpf_trace.losses.any, ebpf_trace.losses  # noqa: S101 - a test
    Path(os.environ["BENCHMARK_RESULT"]).write_text(json.dumps(told), encoding="utf-8")
