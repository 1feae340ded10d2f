"""What tracing adds to spawning ``/bin/true``, beside other tracers that watch the same.

Of its system calls ``ebpf_trace`` tells too, of which there are more than a hundred a spawn, unless the settings say
otherwise; the other tracers are told to tell of processes alone.

The command times itself, so that no tracer's start counts. Round by round each variant has its turn, in an
order that rotates; a ratio is the median of the rounds' ratios to the same round's untraced run. "Told" is how
many of the spawns the tracer told of: one that loses events is fast. "CPU" is what the spawned and their parent
took themselves: other load on the machine disturbs it less than the clock, but a tracer that works in a process
of its own is not in it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

import harness
from peers import PEERS, CannotRun, Peer, ebpf_trace, untraced

ROUNDS = 5
SPAWNS = 2000
AIM = 1.10
"""Times the untraced time."""

SPAWNER = Path(__file__).with_name("spawner.py")
OURS = {
    "ebpf_trace": Peer(SPAWNS, ebpf_trace()),
    "ebpf_trace, no system calls": Peer(SPAWNS, ebpf_trace("--ebpf-syscalls=none")),
}
VARIANTS = {"untraced": Peer(SPAWNS, untraced)} | OURS | PEERS


def main() -> None:
    """Measure and print."""
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    cpus: dict[str, list[float]] = {name: [] for name in VARIANTS}
    told: dict[str, list[float]] = {name: [] for name in VARIANTS}
    cannot: dict[str, str] = {}
    with harness.folder() as folder:
        for number in range(ROUNDS):
            for name in harness.rotated(list(VARIANTS), number):
                if name in cannot:
                    continue
                try:
                    time, cpu, part = _measure(VARIANTS[name], folder)
                except CannotRun as reason:
                    cannot[name] = str(reason)
                else:
                    times[name].append(time)
                    cpus[name].append(cpu)
                    told[name].append(part)
    rows = [("spawn /bin/true", "median", "ratio", "quietest", "CPU", "told")]
    for name, values in times.items():
        if name not in cannot:
            ratio = harness.median_ratio(values, times["untraced"])
            cpu_ratio = harness.median_ratio(cpus[name], cpus["untraced"])
            least = min(values) / min(times["untraced"])
            share = "-" if name == "untraced" else f"{min(told[name]):.0%}"
            rows.append(
                (name, f"{median(values) / 1000:.0f} us", f"{ratio:.2f}", f"{least:.2f}", f"{cpu_ratio:.2f}", share)
            )
    harness.table(rows)
    for name, why in cannot.items():
        print(f"  {name}: cannot run here: {why}")
    for name in OURS:
        harness.verdict(f"{name}, over untraced", harness.median_ratio(times[name], times["untraced"]), AIM, "times")


def _measure(variant: Peer, folder: Path) -> tuple[float, float, float]:
    """Run one variant once; return a spawn's nanoseconds, its CPU's, and the part that was told of."""
    result = folder / "result"
    command = [sys.executable, "-I", "-S", str(SPAWNER), str(variant.spawns), str(result)]
    told = variant.trace(command, folder)
    by_clock, cpu = map(float, result.read_text(encoding="utf-8").split())
    return by_clock, cpu, told / variant.spawns
