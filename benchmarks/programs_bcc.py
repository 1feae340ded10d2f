"""How long a BCC program takes: BCC alone with real headers, with ours, and `ebpf_trace.bcc()` the second time.

The real headers are those of Debian's kernel, unpacked beside: no machine of ours has those of the kernel it runs.
Each round's macro makes it another text. BCC is a process of its own at each round, as it is in a run.
"""

from __future__ import annotations

import os
import subprocess
from statistics import median
from typing import TYPE_CHECKING

import harness

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 9
AIM_RATIO = 1.2
"""Of BCC's own time with real headers."""
AIM_SECOND = 5.0
"""Milliseconds."""
PACKAGES = ("linux-headers-amd64",)

_TEXT = """
#include <linux/sched.h>
struct event { u32 pid; char comm[16]; };
BPF_PERF_OUTPUT(events);
BPF_HASH(counts, u32, u64);
RAW_TRACEPOINT_PROBE(sched_process_exec)
{
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct event event = { .pid = task->tgid + ROUND };
    bpf_get_current_comm(event.comm, sizeof(event.comm));
    counts.increment(event.pid);
    events.perf_submit(ctx, &event, sizeof(event));
    return 0;
}
"""

_ALONE = """
import sys, time
from bcc import BPF
started = time.perf_counter()
program = BPF(text=sys.argv[1], cflags=["-DROUND=" + sys.argv[2]])
print(time.perf_counter() - started)
"""


def headers(folder: Path) -> Path:
    """Unpack Debian's headers of some kernel and return what BCC can use as its source.

    Raises:
        SystemExit: They cannot be had.
    """
    listed = subprocess.run(
        ["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", *PACKAGES],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = sorted({name for name in listed.split() if name.startswith("linux-headers-")} - set(PACKAGES))
    names = [name for name in names if "rt" not in name and "cloud" not in name]
    done = subprocess.run(["apt-get", "download", *names], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"Debian's kernel headers cannot be downloaded: {done.stderr}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    (common,) = (folder / "usr/src").glob("linux-headers-*-common")
    (built,) = (path for path in (folder / "usr/src").glob("linux-headers-*-amd64") if path != common)
    source = folder / "source"
    subprocess.run(["cp", "-r", f"{common}/.", source], check=True)
    subprocess.run(["cp", "-r", f"{built}/include", f"{built}/arch", source], check=True)
    return source


def alone(source: Path, number: int) -> float:
    """Return BCC's own time in seconds."""
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-c", _ALONE, _TEXT, str(number)],
        env={**os.environ, "BCC_KERNEL_SOURCE": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"BCC cannot compile with the headers in {source}:\n{done.stderr}")
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print."""
    from pytest_ebpf.headers.tree import bcc_tree  # noqa: PLC0415 - the other benchmarks do not need it

    with harness.folder() as folder:
        trees = {"BCC, real headers": headers(folder), "BCC, ours": bcc_tree()}
        times: dict[str, list[float]] = {name: [] for name in trees}
        # The first round fills the page cache, and does not count.
        for number in range(ROUNDS + 1):
            for name, tree in trees.items():
                taken = alone(tree, number)
                if number:
                    times[name].append(taken * 1000)
        told = folder / "told"
        command = harness.pytest_command("test_bcc.py", "--ebpf=require")
        harness.run(command, result=told, text=_TEXT, rounds=ROUNDS)
        asked = [float(line.split()[0]) * 1000 for line in told.read_text(encoding="utf-8").splitlines()]
    real, ours = times.values()
    first, *again = asked
    rows = [("a BCC program, loaded", "median", "ratio")]
    for name, values in times.items():
        rows.append((name, f"{median(values):.1f} ms", f"{harness.median_ratio(values, real):.3f}"))
    rows.append(("ebpf_trace.bcc(), the first time", f"{first:.1f} ms", ""))
    rows.append(("ebpf_trace.bcc(), again", f"{median(again):.2f} ms", ""))
    harness.table(rows)
    harness.verdict("over BCC with real headers", harness.median_ratio(ours, real), AIM_RATIO, "times")
    harness.verdict("used again", median(again), AIM_SECOND, "ms")
