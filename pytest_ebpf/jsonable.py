"""Processes and events as plain dicts that ``json.dumps`` takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from signal import Signals
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.credentials import Capabilities, Credentials
from pytest_ebpf.events import Event, Exit
from pytest_ebpf.namespaces import Namespaces
from pytest_ebpf.processes import Execution, Process
from pytest_ebpf.syscalls.values import Fields, Pointed, Pointer, Unreadable
from pytest_ebpf.user_programs.event import ProgramEvent

if TYPE_CHECKING:
    from pytest_ebpf.functions.call import FunctionCall
    from pytest_ebpf.losses import Losses
    from pytest_ebpf.programs import Program
    from pytest_ebpf.syscalls.call import Syscall

__all__ = ["event_to_dict", "function_to_dict", "losses_to_dict", "process_to_dict", "reference", "syscall_to_dict"]

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
    have the way to it: ``msg.iov[1].base``. A number or a text that knows more than itself is an object, with
    ``value`` and what it has as attributes: flags with ``names``, descriptors with ``file``, paths with ``raw``.
    Addresses are hexadecimal; data is text with one letter, U+0000 to U+00FF, for each byte (Latin-1).
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


def function_to_dict(call: FunctionCall) -> dict[str, Any]:
    """Return all fields of a function call, as `syscall_to_dict` does for a system call."""
    notes = _Notes({}, [])
    tid = Gap("the record of the thread's birth was lost") if call.tid is None else call.tid
    result = call.raw_result() if call.group.result is not None and call.returned else None
    return {
        "type": "function",
        "probe": str(call.definition.wanted),
        "function": call.function,
        "path": call.definition.path or None,
        "address": hex(call.address),
        "process": reference(call.process),
        "tid": _argument(tid, "tid", notes),
        "host_tid": call.host_tid,
        "args": {name: _argument(call.raw(name), name, notes) for name in call.group.types},
        "returned": call.returned,
        "result": _argument(result, "result", notes),
        "time_ns": call.time_ns,
        "duration": call.duration,
        "window": call.window,
        "stack": [
            {"address": hex(frame.address), "function": frame.function, "path": frame.path} for frame in call.stack
        ],
        "truncated": notes.truncated,
        "unknown": notes.unknown,
    }


class _Notes(NamedTuple):
    unknown: dict[str, str]
    truncated: list[str]


def _argument(value: object, where: str, notes: _Notes) -> Any:  # noqa: PLR0911 - a table of types
    if isinstance(value, Cut):
        notes.truncated.append(where)
        return _argument(value.value, where, notes)
    if isinstance(value, Gap | Unreadable):
        notes.unknown[where] = (
            value.why if isinstance(value, Gap) else f"the kernel could not read it either at {value}"
        )
        return None
    if isinstance(value, Pointed):
        number = _argument(value.number, where, notes)
        return number if value.after is None else {"value": number, "after": value.after}
    if isinstance(value, Pointer):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, tuple | frozenset):
        items = sorted(value) if isinstance(value, frozenset) else value
        return [_argument(each, f"{where}[{at}]", notes) for at, each in enumerate(items)]
    if isinstance(value, Process):
        return reference(value)
    parts = _parts(value)
    if parts:
        return {name: _argument(each, f"{where}.{name}", notes) for name, each in parts.items()}
    return value


def _parts(value: object) -> dict[str, object]:
    """Return what an object is made of, by name; nothing if it is only a number or a text."""
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    own = {name: each for name, each in getattr(value, "__dict__", {}).items() if not name.startswith("_")}
    if isinstance(value, Fields):
        return {**{name: value.raw(name) for name in value}, **own}
    if not isinstance(value, int | str):
        return {}
    for kind in type(value).__mro__:
        if kind in {int, str}:
            break
        attributes = (name for name, each in vars(kind).items() if isinstance(each, property | MemberDescriptorType))
        own.update((name, getattr(value, name)) for name in attributes)
    return {"value": int(value) if isinstance(value, int) else str(value), **own} if own else {}


def event_to_dict(event: Event) -> dict[str, Any]:
    """Return all fields of an event, as `process_to_dict` does for a process."""
    if isinstance(event, ProgramEvent):
        return _program_event(event)
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


def _program_event(event: ProgramEvent) -> dict[str, Any]:
    notes = _Notes({}, [])
    tid = Gap("the record of the thread's birth was lost") if event.tid is None else event.tid
    return {
        "type": event.kind,
        "program": event.program,
        "output": event.output,
        "process": None if event.process is None else reference(event.process),
        "tid": _argument(tid, "tid", notes),
        "host_tid": event.host_tid,
        "time_ns": event.time_ns,
        "window": event.window,
        "value": _argument(event.raw_value(), "value", notes),
        "truncated": notes.truncated,
        "unknown": notes.unknown,
    }


def losses_to_dict(losses: Losses) -> dict[str, Any]:
    """Return what the evidence lacks."""
    return {"type": "losses", "complete": not losses.any, **dataclasses.asdict(losses)}
