"""Places in time: where a program that samples is attached, by bpftrace's names for them."""

from __future__ import annotations

from typing import Any

from pytest_ebpf.errors import UsageError
from pytest_ebpf.user_programs.object_types import nearest

__all__ = ["is_sampling", "sampling"]

_SOFTWARE = {
    "cpu-clock": 0,
    "cpu": 0,
    "task-clock": 1,
    "page-faults": 2,
    "faults": 2,
    "context-switches": 3,
    "cs": 3,
    "cpu-migrations": 4,
    "minor-faults": 5,
    "major-faults": 6,
    "alignment-faults": 7,
    "emulation-faults": 8,
}
_HARDWARE = {
    "cpu-cycles": 0,
    "cycles": 0,
    "instructions": 1,
    "cache-references": 2,
    "cache-misses": 3,
    "branch-instructions": 4,
    "branches": 4,
    "branch-misses": 5,
    "bus-cycles": 6,
    "frontend-stalls": 7,
    "backend-stalls": 8,
    "ref-cycles": 9,
}
_COUNTERS = {"hardware": (0, _HARDWARE), "software": (1, _SOFTWARE)}
"""``type`` of ``struct perf_event_attr``, and ``config`` by name (``linux/perf_event.h``)."""
_CPU_CLOCK = (1, 0)
_EXAMPLES = {
    "profile": "profile:hz:99",
    "software": "software:page-faults:1",
    "hardware": "hardware:cache-misses:1000000",
}


def is_sampling(text: str) -> bool:
    """Whether a text names a place in time."""
    return text.partition(":")[0] in _EXAMPLES


def sampling(text: str) -> dict[str, Any]:
    """Read ``profile:hz:99``, 99 times a second on each CPU, or ``software:page-faults:100``, each 100th.

    Raises:
        UsageError: It is none, or there is no such counter.
    """
    kind, _, rest = text.partition(":")
    name, _, number = rest.partition(":")
    if not number.isdecimal() or not int(number) or (kind == "profile" and name != "hz"):
        raise UsageError(f"it names no samples (such as {_EXAMPLES[kind]!r})")
    if kind == "profile":
        (of, config), period, frequency = _CPU_CLOCK, 0, int(number)
    else:
        of, known = _COUNTERS[kind]
        if name not in known:
            raise UsageError(f"there is no {kind} counter {name!r}{nearest(name, known)}")
        config, period, frequency = known[name], int(number), 0
    return {
        "kind": "sampling",
        "name": text,
        "type": of,
        "config": config,
        "period": period,
        "frequency": frequency,
    }
