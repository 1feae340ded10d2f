"""Whether a seccomp filter can answer the system call by which return probes work.

Since Linux 6.11 a function with a return probe returns, on x86-64, through ``uretprobe(2)``. No filter that was written
before allows it, and a program whose filter denies it crashes. Since commit cf6cb56ef244 ("seccomp: passthrough
uretprobe systemcall without filtering") no filter sees it. Which of these a kernel does, it tells only by doing it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import resource
import signal
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["filters_answer"]

_URETPROBE = 335  # arch/x86/entry/syscalls/syscall_64.tbl
_ANSWER = 76
"""The error that our filter answers with; the kernel itself has none such for this call."""
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2  # linux/prctl.h, linux/seccomp.h
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h: LD|W|ABS, JMP|JEQ|K, RET|K
_ERRNO, _ALLOW = 0x00050000, 0x7FFF0000  # linux/seccomp.h


@functools.cache
def filters_answer() -> bool:
    """Find out, by two children: one calls it from where it must not, the other under a filter as well."""
    if platform.machine() != "x86_64" or struct.calcsize("P") != 8:  # noqa: PLR2004 - bytes of a pointer
        return False
    # Whoever calls it from elsewhere is sent a SIGILL; a kernel that does not have it answers ENOSYS.
    return _killed_by_sigill(_call) is True and _killed_by_sigill(_filter_and_call) is False


def _killed_by_sigill(act: Callable[[], int]) -> bool | None:
    """Run in a child; None: it could not be told."""
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.signal(signal.SIGILL, signal.SIG_DFL)
            code = act()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return True if os.WTERMSIG(status) == signal.SIGILL else None
    return False if os.WEXITSTATUS(status) == 0 else None


def _call() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(_URETPROBE)
    return 0


def _filter_and_call() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    code = b"".join(
        struct.pack("=HBBI", *each)
        for each in (
            (_LOAD, 0, 0, 0),
            (_EQUAL, 0, 1, _URETPROBE),
            (_RETURN, 0, 0, _ERRNO | _ANSWER),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, program):
        return 1
    libc.syscall(_URETPROBE)
    return 0 if ctypes.get_errno() == _ANSWER else 1
