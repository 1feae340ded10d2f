"""Assert what your code really did, as the kernel saw it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_ebpf.credentials import Capabilities, Credentials
    from pytest_ebpf.errors import (
        BrokerDied,
        BrokerError,
        EbpfError,
        ProgramError,
        TraceIncomplete,
        Unavailable,
        UsageError,
    )
    from pytest_ebpf.events import (
        CredentialChange,
        Event,
        Exec,
        Exit,
        Fork,
        Left,
        NamespaceChange,
        ThreadExit,
        ThreadStart,
    )
    from pytest_ebpf.functions.call import FunctionCall
    from pytest_ebpf.functions.probe import Probe
    from pytest_ebpf.functions.python_frames import PythonFrame
    from pytest_ebpf.functions.wanted import kernel_function, tracepoint, uprobe, usdt
    from pytest_ebpf.losses import Losses
    from pytest_ebpf.matching import glob
    from pytest_ebpf.namespaces import Namespaces, namespaces_of
    from pytest_ebpf.probes.ctypes_types import Buffer, Pointer, String
    from pytest_ebpf.probes.values import UNREADABLE
    from pytest_ebpf.processes import Process
    from pytest_ebpf.sequences import Sequence
    from pytest_ebpf.syscalls.asking import call
    from pytest_ebpf.syscalls.call import Syscall
    from pytest_ebpf.syscalls.groups import family
    from pytest_ebpf.syscalls.summary import Summary
    from pytest_ebpf.trace import Trace
    from pytest_ebpf.user_programs.event import ProgramEvent
    from pytest_ebpf.user_programs.program import Program

__all__ = [
    "UNREADABLE",
    "BrokerDied",
    "BrokerError",
    "Buffer",
    "Capabilities",
    "CredentialChange",
    "Credentials",
    "EbpfError",
    "Event",
    "Exec",
    "Exit",
    "Fork",
    "FunctionCall",
    "Left",
    "Losses",
    "NamespaceChange",
    "Namespaces",
    "Pointer",
    "Probe",
    "Process",
    "Program",
    "ProgramError",
    "ProgramEvent",
    "PythonFrame",
    "Sequence",
    "String",
    "Summary",
    "Syscall",
    "ThreadExit",
    "ThreadStart",
    "Trace",
    "TraceIncomplete",
    "Unavailable",
    "UsageError",
    "call",
    "family",
    "glob",
    "kernel_function",
    "namespaces_of",
    "tracepoint",
    "uprobe",
    "usdt",
]

_MODULES = {
    "credentials": ("Capabilities", "Credentials"),
    "errors": (
        "BrokerDied",
        "BrokerError",
        "EbpfError",
        "ProgramError",
        "TraceIncomplete",
        "Unavailable",
        "UsageError",
    ),
    "events": (
        "CredentialChange",
        "Event",
        "Exec",
        "Exit",
        "Fork",
        "Left",
        "NamespaceChange",
        "ThreadExit",
        "ThreadStart",
    ),
    "functions.call": ("FunctionCall",),
    "functions.probe": ("Probe",),
    "functions.python_frames": ("PythonFrame",),
    "functions.wanted": ("kernel_function", "tracepoint", "uprobe", "usdt"),
    "losses": ("Losses",),
    "matching": ("glob",),
    "namespaces": ("Namespaces", "namespaces_of"),
    "probes.ctypes_types": ("Buffer", "Pointer", "String"),
    "probes.values": ("UNREADABLE",),
    "processes": ("Process",),
    "sequences": ("Sequence",),
    "syscalls.asking": ("call",),
    "syscalls.call": ("Syscall",),
    "syscalls.groups": ("family",),
    "syscalls.summary": ("Summary",),
    "trace": ("Trace",),
    "user_programs.event": ("ProgramEvent",),
    "user_programs.program": ("Program",),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is (PEP 562): every pytest run imports this package."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"pytest_ebpf.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
