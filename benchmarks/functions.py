"""What a probe on a function adds to its call, with two integers and a string told of each.

The loop times itself, so that no tracer's start counts. Round by round each variant has its turn, in an order
that rotates. By the clock, what a variant adds is the median of the rounds' differences to the same round's
untraced run; "CPU" is what the traced program's own thread spent, and what a variant adds is its quietest round
less the quietest untraced one. "Told" is how many of the calls the tracer told of, in its worst round.
"""

from __future__ import annotations

import os
from statistics import median
from typing import TYPE_CHECKING

import harness
from function_peers import VARIANTS
from peers import CannotRun
from programs import compiled

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = int(os.environ.get("BENCHMARK_ROUNDS", "5"))
AIMS = {"bpftrace @ = count()": 1.3, "bpftrace printf": 1 / 3}
"""Times what these add, by the clock."""
AIM_ASKED = 0.2
"""Milliseconds, of a test that asks for what is attached already."""
AIM_GLOB = 1.0
"""Seconds, until a thousand functions that one glob names are attached."""

_OURS = "ebpf_trace"
_FUNCTIONS = 1000


def main() -> None:
    """Measure and print."""
    with harness.folder() as folder:
        compiled(folder)
        _calls(folder)
        _asking(folder)


def _calls(folder: Path) -> None:
    clocks: dict[str, list[float]] = {name: [] for name in VARIANTS}
    cpus: dict[str, list[float]] = {name: [] for name in VARIANTS}
    told: dict[str, list[float]] = {name: [] for name in VARIANTS}
    cannot: dict[str, str] = {}
    result = folder / "result"
    for number in range(ROUNDS):
        for name in harness.rotated(list(VARIANTS), number):
            if name in cannot:
                continue
            variant = VARIANTS[name]
            try:
                seen = variant.trace([str(folder / "called"), str(variant.calls), str(result)], folder)
            except CannotRun as reason:
                cannot[name] = str(reason)
                continue
            clock, cpu, made = map(float, result.read_text(encoding="utf-8").split())
            clocks[name].append(clock)
            cpus[name].append(cpu)
            told[name].append(seen / made)
    ran = [name for name in VARIANTS if name not in cannot]
    added = {name: harness.median_difference(clocks[name], clocks["untraced"]) for name in ran}
    rows = [("a function", "a call takes", "added", "added CPU", "told")]
    for name in ran:
        if name == "untraced":
            rows.append((name, f"{median(clocks[name]):.0f} ns", "-", "-", "-"))
            continue
        cpu = min(cpus[name]) - min(cpus["untraced"])
        share = f"{min(told[name]):.1%}"
        rows.append((name, f"{median(clocks[name]):.0f} ns", f"{added[name]:.0f} ns", f"{cpu:.0f} ns", share))
    harness.table(rows)
    for name, why in cannot.items():
        print(f"  {name}: cannot run here: {why}")
    for name, aim in AIMS.items():
        if name in added:
            harness.verdict(f"added, over what {name} adds", added[_OURS] / added[name], aim, "times")
    harness.verdict("calls not told of", (1 - min(told[_OURS])) * VARIANTS[_OURS].calls, 0, "calls")


def _asking(folder: Path) -> None:
    """Measure what it takes to ask for a probe: again, and for many functions at once."""
    source = folder / "many.c"
    lines = [f"int many_{number}(int a) {{ return a + {number}; }}" for number in range(_FUNCTIONS)]
    source.write_text("\n".join([*lines, "int main(void) { return 0; }"]), encoding="utf-8")
    harness.run(["cc", "-O0", "-o", str(folder / "many"), str(source)])
    told = folder / "asked"
    harness.run(
        harness.pytest_command("test_probes.py", "--ebpf=require", "--ebpf-syscalls=none"),
        result=told,
        one=folder / "called",
        many=folder / "many",
    )
    again, glob, attached = told.read_text(encoding="utf-8").split()
    print(f"  {attached} functions by one glob")
    harness.verdict("a test that asks for a probe that is attached", float(again) * 1e3, AIM_ASKED, "ms")
    harness.verdict(f"{_FUNCTIONS} functions by one glob", float(glob), AIM_GLOB, "s")
