"""What ``/proc`` tells of processes that lived before the trace began."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

__all__ = ["alive", "clock_offset", "has_filter", "has_uring", "numbers_as", "read_program"]

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# start_time is rounded down to a tick, and read at two moments.
_TOLERANCE_NS = 3 * _TICK_NS


def clock_offset() -> int:
    """Return what this process's CLOCK_MONOTONIC is ahead of the kernel's (time_namespaces(7))."""
    try:
        text = Path("/proc/self/timens_offsets").read_text(encoding="ascii")
    except OSError:
        return 0
    for line in text.splitlines():
        clock, seconds, nanoseconds = line.split()
        if clock == "monotonic":
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return 0


def numbers_as(pid: int, host_pid: int) -> str | None:
    """Tell by which of its numbers ``/proc`` lists this process: ``pid``, ``host_pid`` or none.

    It is that of another pid namespace where pytest runs under ``unshare --pid`` without
    ``--mount-proc``.
    """
    try:
        listed = os.readlink("/proc/self")  # noqa: PTH115 - no Path is wanted
    except OSError:
        return None
    return {str(host_pid): "host_pid", str(pid): "pid"}.get(listed)


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes().decode("ascii", "replace")
    except OSError:
        return None
    # The name may hold blanks and parentheses; what follows the last one is numbers (proc(5)).
    return text.rpartition(")")[2].split()


def _same_start(fields: list[str], start_ns: int) -> bool:
    """Compare the start that ``stat`` shows, on the boot clock, with one on the monotonic clock.

    The two differ by the time the machine was suspended, before the start or after it: what lies
    between the extremes is taken for the same.
    """
    started = int(fields[19]) * _TICK_NS
    suspended = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return start_ns - _TOLERANCE_NS <= started <= start_ns + suspended + _TOLERANCE_NS


def alive(pid: int, start_ns: int) -> bool:
    """Whether the process that began at `start_ns` (CLOCK_MONOTONIC) still runs under this pid."""
    fields = _stat(pid)
    if fields is None or not _same_start(fields, start_ns):
        return False
    # A leader that ended is a zombie while the other threads run on.
    return fields[0] not in "ZX" or int(fields[17]) > 1


def read_program(pid: int, start_ns: int) -> dict[str, Any] | None:
    """Return what the process runs, by the names of an exec record; None if it is gone.

    What may not be read (it takes the same user) is missing in the result.
    """
    if not alive(pid, start_ns):
        return None
    found: dict[str, Any] = {}
    base = f"/proc/{pid}"
    for name, link in (("exe", "exe"), ("cwd", "cwd")):
        with contextlib.suppress(OSError):
            found[name] = os.readlink(f"{base}/{link}")  # noqa: PTH115 - may be no path at all
    with contextlib.suppress(OSError):
        status = os.stat(f"{base}/exe")  # noqa: PTH116 - likewise
        found["exe_inode"], found["exe_device"] = status.st_ino, status.st_dev
    for name, file in (("argv", "cmdline"), ("environ", "environ")):
        with contextlib.suppress(OSError):
            found[name] = Path(base, file).read_bytes()
    # Read from another process that took over the pid meanwhile?
    return found if alive(pid, start_ns) else None


def has_filter(pid: int) -> bool:
    """Whether a process runs under a seccomp filter (``Seccomp: 2`` in proc(5)); False if that cannot be read."""
    with contextlib.suppress(OSError):
        return b"\nSeccomp:\t2\n" in Path(f"/proc/{pid}/status").read_bytes()
    return False


def has_uring(pid: int) -> bool:
    """Whether a process has an io_uring open; False if that may not be read."""
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - no Path is wanted
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{number}") == "anon_inode:[io_uring]":  # noqa: PTH115 - it is no path
                    return True
    return False
