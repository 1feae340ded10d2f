"""The structures of the kernel's binary interface that arguments point to; fields as its headers name them.

A module a subject, as the prototypes; each enters its structures as kinds when it is imported.
"""

from __future__ import annotations

from pytest_ebpf.syscalls.structures import (
    clones,
    descriptors,
    files,
    interfaces,
    io,
    ipc,
    messages,
    mounts,
    options,
    perf,
    polling,
    processes,
    security,
    signals,
    socket_options,
    sockets,
    system,
    time,
    timers,
    vectors,
)

__all__ = [
    "clones",
    "descriptors",
    "files",
    "interfaces",
    "io",
    "ipc",
    "messages",
    "mounts",
    "options",
    "perf",
    "polling",
    "processes",
    "security",
    "signals",
    "socket_options",
    "sockets",
    "system",
    "time",
    "timers",
    "vectors",
]
