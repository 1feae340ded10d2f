"""What tracing adds to a system call: to the cheapest there is, and to one whose argument is a path.

The loop times itself, so that no tracer's start counts. Round by round each variant has its turn, in an order
that rotates. By the clock, what a variant adds is the median of the rounds' differences to the same round's
untraced run. "CPU" is what the traced program's own thread spent, and what a variant adds is its quietest round
less the quietest untraced one, since all else on the machine only adds: other load disturbs it less, but what a
tracer does in a process of its own (strace) is not in it. "Told" is how many of the calls the tracer told of, in
its worst round: one that loses events is fast.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import harness
from call_peers import VARIANTS, Variant
from peers import CannotRun
from programs import compiled

ROUNDS = int(os.environ.get("BENCHMARK_ROUNDS", "5"))
CALLS = ("getppid", "openat")
AIMS = {"bpftrace printf": 0.1, "strace -f": 0.01}
"""Times what these add, by the clock."""
FLOOR = "libbpf, the least"
AIM_FLOOR = 1.5
"""Times what that adds, in CPU time."""

_OURS = "ebpf_trace"


@dataclass(slots=True)
class _Figures:
    clock: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    with harness.folder() as folder:
        compiled(folder)
        for call in CALLS:
            _one(call, str(folder))


def _one(call: str, folder: str) -> None:
    figures = {name: _Figures() for name in VARIANTS}
    cannot: dict[str, str] = {}
    for number in range(ROUNDS):
        for name in harness.rotated(list(VARIANTS), number):
            if name in cannot:
                continue
            try:
                _measure(VARIANTS[name], call, folder, figures[name])
            except CannotRun as reason:
                cannot[name] = str(reason)
    ran = {name: each for name, each in figures.items() if name not in cannot}
    base = ran["untraced"]
    clock = {name: harness.median_difference(each.clock, base.clock) for name, each in ran.items()}
    cpu = {name: min(each.cpu) - min(base.cpu) for name, each in ran.items()}
    rows = [(call, "a call takes", "added", "times the least", "added CPU", "times the least", "told")]
    for name, each in ran.items():
        if name == "untraced":
            rows.append((name, f"{median(each.clock):.0f} ns", "-", "-", "-", "-", "-"))
            continue
        by_clock, by_cpu = f"{clock[name] / clock[FLOOR]:.2f}", f"{cpu[name] / cpu[FLOOR]:.2f}"
        added, added_cpu = f"{clock[name]:.0f} ns", f"{cpu[name]:.0f} ns"
        told = f"{min(each.told):.1%}"
        rows.append((name, f"{median(each.clock):.0f} ns", added, by_clock, added_cpu, by_cpu, told))
    harness.table(rows)
    for name, why in cannot.items():
        print(f"  {name}: cannot run here: {why}")
    for name, aim in AIMS.items():
        if name in ran:
            harness.verdict(f"{call}: added, over what {name} adds", clock[_OURS] / clock[name], aim, "times")
    harness.verdict(f"{call}: added CPU, over {FLOOR}", cpu[_OURS] / cpu[FLOOR], AIM_FLOOR, "times")
    harness.verdict(f"{call}: calls not told of", (1 - min(ran[_OURS].told)) * VARIANTS[_OURS].calls, 0, "calls")


def _measure(variant: Variant, call: str, folder: str, figures: _Figures) -> None:
    """Run one variant once; keep a call's nanoseconds and the part that was told of."""
    result = Path(folder, "result")
    told = variant.trace(call, [f"{folder}/loop", call, str(variant.calls), str(result)], result.parent)
    clock, cpu, made = map(float, result.read_text(encoding="utf-8").split())
    figures.clock.append(clock)
    figures.cpu.append(cpu)
    # At most, since the dynamic linker opens files too.
    figures.told.append(min(told / made, 1.0))
