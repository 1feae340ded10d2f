"""A window of a million system calls: how soon they can be asked for, how long asking takes, how much memory they take.

The calls are made by a loop, in a process that the test waits for. Then the first query takes all records from the
broker and the ring, walks them and keeps them packed; the next ones find what they ask for.
"""

from __future__ import annotations

import json
from statistics import median

import harness
from programs import compiled

ROUNDS = 3
CALLS = 1_000_000
AIM_FIRST = 1.0
AIM_WHERE = 0.2
"""Seconds."""
AIM_MEMORY = 200.0
"""Bytes a record."""


def main() -> None:
    """Measure and print."""
    with harness.folder() as folder:
        compiled(folder)
        for call in ("getppid", "openat"):
            result = folder / "result.json"
            command = [str(folder / "loop"), call, str(CALLS), str(folder / "times")]
            runs: list[dict[str, float]] = []
            for _ in range(ROUNDS):
                suite = harness.pytest_command("test_records.py", "--ebpf=require")
                harness.run(suite, result=result, call=call, command="\n".join(command))
                runs.append(json.loads(result.read_text(encoding="utf-8")))
            _report(call, {name: median(run[name] for run in runs) for name in runs[0]})


def _report(call: str, of: dict[str, float]) -> None:
    records = of["records"]
    harness.table(
        [
            (f"{call}: a window of {records:,.0f} calls", "median"),
            ("the first query", f"{of['first']:.2f} s, {records / of['first']:,.0f} records a second"),
            (f'where("{call}")', f"{of['where']:.3f} s"),
            ('where("connect"), of which there is none', f"{of['none']:.3f} s"),
            ("memory", f"{of['memory'] / records:.0f} bytes a record"),
        ]
    )
    harness.verdict(f"{call}: the first query of a million", of["first"] / records * 1e6, AIM_FIRST, "s")
    harness.verdict(f"{call}: where(name) of a million", of["where"] / records * 1e6, AIM_WHERE, "s")
    harness.verdict(f"{call}: memory", of["memory"] / records, AIM_MEMORY, "bytes a record")
