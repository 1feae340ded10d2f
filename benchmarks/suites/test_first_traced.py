"""A first test that asks for a trace."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ebpf import Trace


def test_first(ebpf_trace: Trace) -> None:  # noqa: ARG001 - asked for, not used
    """Write the time."""
    Path(os.environ["BENCHMARK_RESULT"]).write_text(str(time.monotonic()), encoding="utf-8")
