"""Asks for probes: for the same one in many tests, and for many functions by one glob."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_ebpf import Trace

TIMES: list[float] = []


@pytest.mark.parametrize("number", range(200))
def test_asks_for_the_same(ebpf_trace: Trace, number: int) -> None:
    """The first one attaches it."""
    began = time.perf_counter()
    ebpf_trace.uprobe(os.environ["BENCHMARK_ONE"], "called", number="s32(arg0)", name="str@arg2")
    if number:
        TIMES.append(time.perf_counter() - began)


def test_asks_for_many(ebpf_trace: Trace) -> None:
    """By one glob."""
    began = time.perf_counter()
    probe = ebpf_trace.uprobe(os.environ["BENCHMARK_MANY"], "many_*", a="s32(arg0)")
    taken = time.perf_counter() - began
    Path(os.environ["BENCHMARK_RESULT"]).write_text(f"{median(TIMES)} {taken} {len(probe.functions)}", encoding="utf-8")
