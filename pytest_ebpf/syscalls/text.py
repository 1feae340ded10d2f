"""A system call as strace(1) writes it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.values import Descriptor, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf.syscalls.call import Syscall

__all__ = ["arguments", "error_name", "line", "outcome"]


def error_name(number: int) -> str:
    """Return the kernel's name of an error."""
    import errno  # noqa: PLC0415 - TODO constants

    return errno.errorcode.get(number, f"ERRNO_{number}")


def line(call: Syscall) -> str:
    """Write a call: ``openat(AT_FDCWD, "x", O_RDONLY) = 3``."""
    return f"{call.name}({arguments(call)}) = {outcome(call)}"


def arguments(call: Syscall, *, paths: bool = False) -> str:
    """Write the arguments.

    Args:
        call: Whose.
        paths: Whether to write what descriptors are: ``3</etc/passwd>``, as ``strace -y`` does.
    """
    if call.prototype is None:
        return ", ".join(hex(word) for word in call.raw_args)
    return ", ".join(_with_path(call.raw(name), kind.text, paths) for name, kind in call.kinds.items())


def _with_path(value: Any, write: Callable[[Any], str], paths: bool) -> str:  # noqa: FBT001 - handed on
    text = write(value)
    if not paths or not isinstance(value, Descriptor) or value.file is None:
        return text
    return f"{text}<{quoted(value.file.path)[1:-1]}>"


def outcome(call: Syscall, *, paths: bool = False) -> str:
    """Write the result; for `paths` see `arguments`."""
    if call.unfinished or call.in_progress:
        return "?"
    if call.errno is not None:
        return f"-1 {error_name(call.errno)} ({os.strerror(call.errno)})"
    return _with_path(call.result, call.result_kind.text, paths)
