"""A system call as strace(1) writes it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ebpf.syscalls.call import Syscall

__all__ = ["arguments", "error_name", "line", "outcome"]


def error_name(number: int) -> str:
    """Return the kernel's name of an error."""
    import errno  # noqa: PLC0415 - TODO constants

    return errno.errorcode.get(number, f"ERRNO_{number}")


def line(call: Syscall) -> str:
    """Write a call: ``openat(AT_FDCWD, "x", O_RDONLY) = 3``."""
    return f"{call.name}({arguments(call)}) = {outcome(call)}"


def arguments(call: Syscall) -> str:
    """Write the arguments."""
    if call.prototype is None:
        return ", ".join(hex(word) for word in call.raw_args)
    return ", ".join(kind.text(call.raw(name)) for name, kind in call.kinds.items())


def outcome(call: Syscall) -> str:
    """Write the result."""
    if call.unfinished or call.in_progress:
        return "?"
    if call.errno is not None:
        return f"-1 {error_name(call.errno)} ({os.strerror(call.errno)})"
    prototype = call.prototype
    return str(call.result) if prototype is None else prototype.result.text(call.result)
