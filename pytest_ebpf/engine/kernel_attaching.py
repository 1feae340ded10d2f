"""Attaches programs to what the kernel itself does: its tracepoints and its functions. Runs in the broker."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ebpf.engine.tracefs import number_of
from pytest_ebpf.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FTRACE",
    "attach_function",
    "attach_functions",
    "attach_raw_tracepoint",
    "attach_tracepoint",
    "check_kprobes",
    "is_switched_off",
]

FTRACE = "kernel.ftrace_enabled"
"""With 0 no probe fires at the begin of a function, and the kernel takes it all the same (``ftrace_startup_enable()``,
kernel/trace/ftrace.c)."""


def attach_tracepoint(library: tuple[Any, Any], program: Any, name: str) -> Callable[[], object]:
    """Attach to a tracepoint, ``system:event``; return what detaches it.

    Raises:
        BrokerError: There is none of that name, or the kernel refused.
    """
    ffi, lib = library
    event = lib.pe_open_tracepoint(number_of(lib, name))
    if event < 0:
        raise BrokerError(f"the kernel refused the tracepoint {name}: perf_event_open: {os.strerror(-event)}")
    link = lib.bpf_program__attach_perf_event(program, event)
    if link == ffi.NULL:
        error = ffi.errno
        os.close(event)
        raise BrokerError(f"the kernel refused a program at the tracepoint {name}: {os.strerror(error)}")
    return partial(lib.bpf_link__destroy, link)


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


def check_kprobes(name: str) -> None:
    """Make sure that the kernel lets a function of its own be probed, now.

    Raises:
        BrokerError: It does not.
    """
    if not Path("/sys/bus/event_source/devices/kprobe").exists():
        raise BrokerError(
            f"this kernel ({os.uname().release}) has no kprobes\n"
            "  needs   a kernel built with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y\n"
            f"  try     a tracepoint near {name}: grep NAME /sys/kernel/tracing/available_events"
        )
    if is_switched_off():
        raise BrokerError(
            f"this kernel ({os.uname().release}) traces no functions now ({FTRACE} is 0), and a probe at {name} would"
            f" not fire\n  try     sysctl {FTRACE}=1"
        )


def is_switched_off() -> bool:
    """Whether somebody has switched off what probes of the kernel's functions work by."""
    try:
        return Path("/proc/sys", *FTRACE.split(".")).read_text().strip() == "0"
    except OSError:
        return False


def attach_function(
    library: tuple[Any, Any], program: Any, name: str, cookie: int, *, returns: bool
) -> Callable[[], object]:
    """Attach to a function of the kernel (kprobe); return what detaches it.

    Raises:
        BrokerError: The kernel has no such function, or refused.
    """
    ffi, lib = library
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


def attach_functions(
    library: tuple[Any, Any], program: Any, addresses: list[int], cookies: list[int], *, returns: bool
) -> Callable[[], object]:
    """Attach to many functions of the kernel at once (kprobe_multi); return what detaches it.

    Args:
        library: cffi's ``(ffi, lib)``.
        program: Loaded for it.
        addresses: Where the functions are.
        cookies: By function.
        returns: Whether to their returns.

    Raises:
        BrokerError: The kernel refused: one of them, and so all.
    """
    ffi, lib = library
    descriptor = lib.bpf_program__fd(program)
    places, numbers = ffi.new("uint64_t[]", addresses), ffi.new("uint64_t[]", cookies)
    link = lib.pe_attach_kprobes(descriptor, len(addresses), places, numbers, returns)
    if link < 0:
        raise BrokerError(
            f"the kernel refused a probe at one of {len(addresses):,} of its functions: {os.strerror(-link)}"
        )
    return partial(os.close, link)
