"""Resident sizes of processes, in MB of 1,000,000 bytes."""

from __future__ import annotations

import os
from pathlib import Path

_RING = "anon_inode:bpf-map"
"""How maps of BPF are named in ``/proc/PID/smaps``: the ring and its control page."""


def resident(pid: int | str) -> tuple[float, float]:
    """Return what a process holds resident, and how much of that is BPF maps."""
    whole = maps = 0
    is_map = False
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8").splitlines():
        word, _, rest = line.partition(" ")
        if not word.endswith(":"):
            is_map = _RING in rest
        elif word == "Rss:":
            size = int(rest.split()[0]) * 1024
            whole += size
            maps += size if is_map else 0
    return whole / 1e6, maps / 1e6


def broker_of(owner: int) -> int:
    """Return the pid of the broker that a run of pytest started."""
    wanted = b"--owner\0%d\0" % owner
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if wanted in path.read_bytes() and int(path.parent.name) != os.getpid():
                return int(path.parent.name)
        except OSError:  # noqa: PERF203 - each may have ended, none is to end the search
            continue
    raise LookupError(f"no broker of {owner}")
