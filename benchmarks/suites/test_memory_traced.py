"""What pytest and the broker hold while they trace."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import sizes

if TYPE_CHECKING:
    from pytest_ebpf import Trace


def test_memory(ebpf_trace: Trace) -> None:
    """Spawn as many as was asked, look at each, then tell."""
    spawns = int(os.environ["BENCHMARK_SPAWNS"])
    for _ in range(spawns):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)
    assert len(ebpf_trace.processes.where(argv=["true"], exit_code=0)) == spawns  # noqa: S101 - a test
    rss, ring = sizes.resident("self")
    broker, broker_ring = sizes.resident(sizes.broker_of(os.getpid()))
    told = {"rss": rss, "ring": ring, "broker": broker, "broker_ring": broker_ring}
    Path(os.environ["BENCHMARK_RESULT"]).write_text(json.dumps(told), encoding="utf-8")
