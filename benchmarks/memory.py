"""How much memory pytest takes more while it traces, and how much the broker takes.

Resident sizes, after a test that did nothing and after one that spawned many processes and looked at each.
The ring is shared by kernel, broker and pytest, and is counted apart: it is as large as the user sets it.
"""

from __future__ import annotations

import json

import harness

SPAWNS = 2000
AIM_WORKER = 10.0
AIM_BROKER = 50.0
"""Megabytes."""

VARIANTS: dict[str, tuple[int, str, list[str]]] = {
    "plain": (0, "test_memory_plain.py", ["-p", "no:pytest_ebpf"]),
    "plain, many": (SPAWNS, "test_memory_plain.py", ["-p", "no:pytest_ebpf"]),
    "traced": (0, "test_memory_traced.py", ["--ebpf=require"]),
    "traced, many": (SPAWNS, "test_memory_traced.py", ["--ebpf=require"]),
    "traced, many, no system calls": (SPAWNS, "test_memory_traced.py", ["--ebpf=require", "--ebpf-syscalls=none"]),
}


def main() -> None:
    """Measure and print."""
    sizes: dict[str, dict[str, float]] = {}
    with harness.folder() as folder:
        result = folder / "sizes.json"
        for name, (spawns, suite, arguments) in VARIANTS.items():
            harness.run(harness.pytest_command(suite, *arguments), result=result, spawns=spawns)
            sizes[name] = json.loads(result.read_text(encoding="utf-8"))
    rows: list[tuple[str, ...]] = [("resident", "pytest", "of it the ring", "broker")]
    for name, size in sizes.items():
        rows.append((name, *(f"{size[part]:.1f} MB" if part in size else "-" for part in ("rss", "ring", "broker"))))
    harness.table(rows)
    for name in VARIANTS:
        if name.startswith("plain"):
            continue
        plain = "plain, many" if "many" in name else "plain"
        more = sizes[name]["rss"] - sizes[name]["ring"] - sizes[plain]["rss"]
        harness.verdict(f"pytest over plain, without the ring ({name})", more, AIM_WORKER, "MB")
    harness.verdict("broker", max(size.get("broker", 0.0) for size in sizes.values()), AIM_BROKER, "MB")
