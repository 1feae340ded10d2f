"""Asks for the same BCC program in several tests."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_ebpf import Trace


@pytest.mark.parametrize("number", range(int(os.environ.get("BENCHMARK_ROUNDS", "1"))))
def test_asked(ebpf_trace: Trace, number: int) -> None:
    """Ask, and tell how long that took: the first time it is compiled."""
    start = time.perf_counter()
    ebpf_trace.bcc(os.environ["BENCHMARK_TEXT"], cflags=["-DROUND=0"])
    taken = time.perf_counter() - start
    with Path(os.environ["BENCHMARK_RESULT"]).open("a", encoding="utf-8") as file:
        file.write(f"{taken} {number}\n")
