"""Shows BCC the kernel's list of tracepoints, which it reads as files."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

__all__ = ["show_tracefs"]

_PLACES = ("/sys/kernel/debug/tracing", "/sys/kernel/tracing")
"""Where BCC looks: in the first that is there (``tracefs_path()``, ``src/cc/common.cc``)."""
# linux/sched.h, linux/mount.h
_CLONE_NEWNS = 0x20000
_MS_REC, _MS_SLAVE = 0x4000, 0x80000


def show_tracefs() -> None:
    """Mount tracefs where BCC looks, unless it is there: for this thread alone, in a mount namespace of its own.

    What others mount later appears here too, and nothing of this appears to them.

    Raises:
        OSError: The kernel refuses.
    """
    place = next((place for place in _PLACES if Path(place).is_dir()), _PLACES[-1])
    if (Path(place) / "events").is_dir():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_void_p]
    _check(libc.unshare(_CLONE_NEWNS), "unshare(CLONE_NEWNS)")
    _check(libc.mount(None, b"/", None, _MS_REC | _MS_SLAVE, None), "mount(MS_SLAVE)")
    _check(libc.mount(b"tracefs", place.encode(), b"tracefs", 0, None), "mount(tracefs)")


def _check(result: int, what: str) -> None:
    if result:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
