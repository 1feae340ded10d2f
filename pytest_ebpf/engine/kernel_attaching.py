"""Attaches programs to what the kernel itself does: its tracepoints and its functions. Runs in the broker."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["attach_function", "attach_raw_tracepoint", "attach_tracepoint", "format_of"]

_MOUNTED = "/sys/kernel/tracing"
_FORMAT_MOST = 3500
"""Letters; a message of the broker's has 4096 bytes."""


def attach_tracepoint(library: tuple[Any, Any], program: Any, name: str) -> Callable[[], object]:
    """Attach to a tracepoint, ``system:event``; return what detaches it.

    Raises:
        BrokerError: There is none of that name, or the kernel refused.
    """
    ffi, lib = library
    event = lib.pe_open_tracepoint(int(_read(lib, name, "id")))
    if event < 0:
        raise BrokerError(f"the kernel refused the tracepoint {name}: perf_event_open: {os.strerror(-event)}")
    link = lib.bpf_program__attach_perf_event(program, event)
    if link == ffi.NULL:
        error = ffi.errno
        os.close(event)
        raise BrokerError(f"the kernel refused a program at the tracepoint {name}: {os.strerror(error)}")
    return partial(lib.bpf_link__destroy, link)


def format_of(lib: Any, name: str) -> str:
    """Return the lines that describe the fields of a tracepoint, ``system:event``.

    Raises:
        BrokerError: There is none of that name, or the kernel does not say.
    """
    lines = _read(lib, name, "format").decode("utf-8", "replace").splitlines()
    # Without those that tell how it is printed: an answer has an end.
    return "\n".join(line.strip() for line in lines if line.startswith("\tfield:"))[:_FORMAT_MOST]


def _read(lib: Any, name: str, file: str) -> bytes:
    """Read a file of a tracepoint's in tracefs, which need not be mounted for that."""
    folder = lib.pe_open_tracefs()
    if folder < 0:
        try:
            folder = os.open(_MOUNTED, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            raise BrokerError(
                f"the kernel does not list its tracepoints: fsopen(tracefs): {os.strerror(-folder)}, and {_MOUNTED} "
                "is not there: ask for the raw tracepoint"
            ) from None
    try:
        path = Path("events", *name.split(":"), file)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise BrokerError(f"the kernel does not say which tracepoint {name} is: {error.strerror}") from None
        raise BrokerError(f"this kernel ({os.uname().release}) has no tracepoint {name}") from None
    finally:
        os.close(folder)
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


def attach_raw_tracepoint(library: tuple[Any, Any], program: Any, name: str, *, of_task: bool) -> Callable[[], object]:
    """Attach to a tracepoint by its bare name, to see its arguments and not its record; return what detaches it.

    Raises:
        BrokerError: There is none of that name, or the kernel refused.
    """
    ffi, lib = library
    raw = lib.bpf_program__attach_raw_tracepoint
    # Of a program that knows which tracepoint it is for, libbpf finds the way itself.
    link = lib.bpf_program__attach(program) if of_task else raw(program, name.encode())
    if link != ffi.NULL:
        return partial(lib.bpf_link__destroy, link)
    if ffi.errno == errno.ENOENT:
        raise BrokerError(f"this kernel ({os.uname().release}) has no raw tracepoint {name}")
    raise BrokerError(f"the kernel refused a program at the raw tracepoint {name}: {os.strerror(ffi.errno)}")


def attach_function(
    library: tuple[Any, Any], program: Any, name: str, cookie: int, *, returns: bool
) -> Callable[[], object]:
    """Attach to a function of the kernel (kprobe); return what detaches it.

    Raises:
        BrokerError: The kernel has no such function, or no kprobes, or refused.
    """
    ffi, lib = library
    if not Path("/sys/bus/event_source/devices/kprobe").exists():
        raise BrokerError(
            f"this kernel ({os.uname().release}) has no kprobes\n"
            "  needs   a kernel built with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y\n"
            f"  try     a tracepoint near {name}: grep NAME /sys/kernel/tracing/available_events"
        )
    options = ffi.new("struct bpf_kprobe_opts *")
    options.sz = ffi.sizeof("struct bpf_kprobe_opts")
    options.bpf_cookie = cookie
    options.retprobe = returns
    link = lib.bpf_program__attach_kprobe_opts(program, name.encode(), options)
    if link != ffi.NULL:
        return partial(lib.bpf_link__destroy, link)
    if ffi.errno in {errno.ENOENT, errno.EADDRNOTAVAIL}:
        raise BrokerError(
            f"this kernel ({os.uname().release}) has no function {name} that a probe could be attached to"
        )
    raise BrokerError(f"the kernel refused a probe at its function {name}: {os.strerror(ffi.errno)}")
