"""Processes and events as plain dicts that ``json.dumps`` takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from signal import Signals
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.credentials import Capabilities, Credentials
from pytest_ebpf.events import Event, Exit
from pytest_ebpf.namespaces import Namespaces
from pytest_ebpf.processes import Execution, Process
from pytest_ebpf.syscalls.values import Descriptor, PathName, Pointer, Unreadable

if TYPE_CHECKING:
    from pytest_ebpf.losses import Losses
    from pytest_ebpf.programs import Program
    from pytest_ebpf.syscalls.call import Syscall

__all__ = ["event_to_dict", "losses_to_dict", "process_to_dict", "reference", "syscall_to_dict"]

_OF_PROGRAM = (
    "comm",
    "filename",
    "interpreter",
    "exe",
    "exe_inode",
    "exe_device",
    "argv",
    "environ",
    "cwd",
    "namespaces",
    "new_namespaces",
    "credentials",
    "cgroup_id",
)
_OF_PROCESS = (
    *("pid", "tid", "ppid", "host_pid", "host_tid", "host_ppid"),
    *("namespace_pid", "namespace_tid", "namespace_ppid"),
    *("start_ns", "window", "threads", "executed", "alive"),
    *("exit_code", "signal", "core_dumped", "duration", "parent"),
)


def process_to_dict(process: Process) -> dict[str, Any]:
    """Return all fields of a process.

    One that is not known is null, and ``unknown`` says why; one that was cut is as far as it was seen, and
    ``truncated`` names it. Bytes that are not UTF-8 are surrogate escapes, as in `os.fsdecode`.
    """
    unknown: dict[str, str] = {}
    fields: dict[str, Any] = {"type": "process"}
    fields.update(_fields(process, _OF_PROCESS, unknown))
    fields.update(_fields(process, _OF_PROGRAM, unknown))
    fields["children"] = [reference(child) for child in process.children.seen()]
    fields["executions"] = [_execution(execution) for execution in process.executions]
    fields["truncated"] = sorted(process.seen("truncated"))
    fields["unknown"] = unknown
    return fields


def _fields(program: Program, names: tuple[str, ...], unknown: dict[str, str]) -> dict[str, Any]:
    found = {}
    for name in names:
        value = program.raw(name)
        if isinstance(value, Gap):
            if not value.pending:
                unknown[name] = value.why
            value = None
        found[name] = _plain(value)
    return found


def _execution(execution: Execution) -> dict[str, Any]:
    unknown: dict[str, str] = {}
    fields: dict[str, Any] = {"time_ns": execution.time_ns, "window": execution.window}
    fields.update(_fields(execution, _OF_PROGRAM, unknown))
    fields["truncated"] = sorted(execution.seen("truncated"))
    fields["unknown"] = unknown
    return fields


def reference(process: Process) -> dict[str, Any]:
    """Name a process: by what identifies it, and by the pid that the test sees."""
    pid = process.raw("pid")
    known = None if isinstance(pid, Gap) else pid
    return {"pid": known, "host_pid": process.host_pid, "start_ns": process.start_ns}


def _plain(value: object) -> Any:  # noqa: PLR0911 - a table of types
    if isinstance(value, Cut):
        return _plain(value.value)
    if isinstance(value, Process):
        return reference(value)
    if isinstance(value, Signals):
        return value.name
    if isinstance(value, Namespaces):
        return dict(value)
    if isinstance(value, Capabilities):
        sets = ("inheritable", "permitted", "effective", "bounding", "ambient")
        return {name: sorted(getattr(value, name)) for name in sets}
    if isinstance(value, Credentials):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def syscall_to_dict(call: Syscall) -> dict[str, Any]:
    """Return all fields of a system call, as `process_to_dict` does for a process.

    Of an argument, and of a field of a structure, that is not known, or not whole, ``unknown`` and ``truncated``
    have the way to it: ``addr.path``, ``iov[1].base``. Flags are objects with ``value`` and ``names``, descriptors
    with ``fd`` and ``file``, paths with ``path``, made absolute, and ``raw``, as it was passed. Addresses are
    hexadecimal; data is text with one letter, U+0000 to U+00FF, for each byte (Latin-1).
    """
    notes = _Notes({}, [])
    raw = call.raw_call
    tid = Gap("the record of the thread's birth was lost") if call.tid is None else call.tid
    return {
        "type": "syscall",
        "name": call.name,
        "abi": call.abi,
        "number": call.number,
        "process": reference(call.process),
        "tid": _argument(tid, "tid", notes),
        "host_tid": call.host_tid,
        "raw_args": [hex(word) for word in call.raw_args],
        "args": {name: _argument(call.raw(name), name, notes) for name in call.kinds},
        "result": _argument(call.result, "result", notes),
        "errno": call.errno,
        "error": call.error,
        "time_ns": call.time_ns,
        "duration": call.duration,
        "window": raw.window,
        "unfinished": call.unfinished,
        "in_progress": call.in_progress,
        "denied": call.denied,
        "truncated": notes.truncated,
        "unknown": notes.unknown,
    }


class _Notes(NamedTuple):
    unknown: dict[str, str]
    truncated: list[str]


def _argument(value: object, where: str, notes: _Notes) -> Any:  # noqa: C901, PLR0911 - a table of types
    if isinstance(value, Cut):
        notes.truncated.append(where)
        return _argument(value.value, where, notes)
    if isinstance(value, Gap):
        notes.unknown[where] = value.why
        return None
    if isinstance(value, Unreadable):
        notes.unknown[where] = f"the kernel could not read it either at {value}"
        return None
    if isinstance(value, Descriptor):
        return {"fd": int(value), "file": None if value.file is None else _argument(value.file, where, notes)}
    if isinstance(value, PathName):
        return {"path": str(value), "raw": value.raw}
    if isinstance(value, Pointer):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple):
        return [_argument(each, f"{where}[{at}]", notes) for at, each in enumerate(value)]
    if isinstance(value, Mapping):
        return {name: _argument(each, f"{where}.{name}", notes) for name, each in value.items()}
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _argument(getattr(value, name), f"{where}.{name}", notes) for name in names}
    if isinstance(value, int) and hasattr(value, "names"):
        return {"value": int(value), "names": list(value.names)}
    return value


def event_to_dict(event: Event) -> dict[str, Any]:
    """Return all fields of an event, as `process_to_dict` does for a process."""
    fields: dict[str, Any] = {"type": event.kind}
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if isinstance(value, Execution):
            fields.update(_execution(value))
        else:
            fields[field.name] = _plain(value)
    # Properties, which dataclasses does not know.
    for name in ("exit_code", "signal", "changed"):
        if hasattr(event, name):
            fields[name] = _plain(getattr(event, name))
    if isinstance(event, Exit):
        fields["core_dumped"] = event.core_dumped
    return fields


def losses_to_dict(losses: Losses) -> dict[str, Any]:
    """Return what the evidence lacks."""
    return {"type": "losses", "complete": not losses.any, **dataclasses.asdict(losses)}
