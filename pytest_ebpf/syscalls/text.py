"""A system call as strace(1) writes it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.flagsets import FLAGSETS
from pytest_ebpf.syscalls.values import Descriptor, quoted, written

if TYPE_CHECKING:
    from pytest_ebpf.syscalls.call import Syscall

__all__ = ["arguments", "error_name", "line", "outcome"]


# The kernel's own, for a call that a signal interrupted (linux/errno.h): no caller sees them.
_RESTARTS = {
    512: ("ERESTARTSYS", "To be restarted if SA_RESTART is set"),
    513: ("ERESTARTNOINTR", "To be restarted"),
    514: ("ERESTARTNOHAND", "To be restarted if no handler"),
    516: ("ERESTART_RESTARTBLOCK", "Interrupted by signal"),
}


# The order of clone(2)'s arguments differs among architectures, and so strace names them.
_LABELS = {
    "clone": {
        **{name: f"{name}=" for name in ("flags", "parent_tid", "tls")},
        "stack": "child_stack=",
        "child_tid": "child_tidptr=",
    }
}


def error_name(number: int) -> str:
    """Return the kernel's name of an error."""
    name = str(FLAGSETS["errors"].of(number))
    return name if name.startswith("E") else f"ERRNO_{number}"


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
    labels = _LABELS.get(call.name, {})
    values = ((name, kind.value(call.view)) for name, kind in call.kinds.items())
    return ", ".join(labels.get(name, "") + _with_path(value, paths) for name, value in values)


def _with_path(value: Any, paths: bool) -> str:  # noqa: FBT001 - handed on
    text = written(value)
    if not paths or not isinstance(value, Descriptor) or value.file is None:
        return text
    return f"{text}<{quoted(value.file.path)[1:-1]}>"


def outcome(call: Syscall, *, paths: bool = False) -> str:
    """Write the result, with what the kernel said beside it: ``1 ([{fd=3, revents=POLLIN}])``.

    Args:
        call: Whose.
        paths: As of `arguments`.
    """
    if call.unfinished or call.in_progress:
        return "?"
    if call.errno in _RESTARTS:
        return "? {} ({})".format(*_RESTARTS[call.errno])
    if call.errno is not None:
        return f"-1 {error_name(call.errno)} ({os.strerror(call.errno)})"
    text = _with_path(call.result, paths)
    notes = [call.result_kind.note(call.view), *(kind.note(call.view) for kind in call.kinds.values())]
    note = ", ".join(filter(None, notes))
    return f"{text} ({note})" if note else text
