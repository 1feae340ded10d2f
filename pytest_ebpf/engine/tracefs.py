"""The kernel's list of its tracepoints, which need not be mounted. Needs privilege."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["events", "fields_of", "number_of", "traceable"]

_MOUNTED = "/sys/kernel/tracing"
_TRACEPOINTS, _FUNCTIONS = "tracepoints", "functions that can be traced"
_INSTEAD = {_TRACEPOINTS: "the raw tracepoint", _FUNCTIONS: "each function by its name"}


def number_of(lib: Any, name: str) -> int:
    """Return what the kernel calls a tracepoint, ``system:event``.

    Raises:
        BrokerError: There is none of that name, or the kernel does not say.
    """
    return int(_read(lib, name, "id"))


def fields_of(lib: Any, name: str) -> str:
    """Return the lines that describe the fields of a tracepoint, ``system:event``.

    Raises:
        BrokerError: There is none of that name, or the kernel does not say.
    """
    lines = _read(lib, name, "format").decode("utf-8", "replace").splitlines()
    return "\n".join(line.strip() for line in lines if line.startswith("\tfield:"))


def events(lib: Any) -> list[str]:
    """Return all tracepoints, as ``system:event``.

    Raises:
        BrokerError: The kernel does not say.
    """
    return _list(lib, "available_events", _TRACEPOINTS).decode(errors="replace").split()


def traceable(lib: Any) -> bytes:
    """Return the functions that can be traced (ftrace), one a line, those of modules followed by the module.

    Raises:
        BrokerError: The kernel does not say, or was built without.
    """
    return _list(lib, "available_filter_functions", _FUNCTIONS)


def _list(lib: Any, name: str, what: str) -> bytes:
    with _opened(lib, what) as folder:
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            raise BrokerError(f"the kernel does not list its {what}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _read(lib: Any, name: str, file: str) -> bytes:
    with _opened(lib) as folder:
        path = Path("events", *name.split(":"), file)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise BrokerError(f"the kernel does not say which tracepoint {name} is: {error.strerror}") from None
            raise BrokerError(f"this kernel ({os.uname().release}) has no tracepoint {name}") from None
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened(lib: Any, what: str = _TRACEPOINTS) -> Iterator[int]:
    folder = lib.pe_open_tracefs()
    if folder < 0:
        try:
            Path(_MOUNTED, "events").stat()
            folder = os.open(_MOUNTED, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise BrokerError(
                f"the kernel does not list its {what}: fsopen(tracefs): {os.strerror(-folder)}, and {_MOUNTED}:"
                f" {error.strerror}: ask for {_INSTEAD[what]}"
            ) from None
    try:
        yield folder
    finally:
        os.close(folder)
