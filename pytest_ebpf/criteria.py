"""The fields that can be asked for, and what each may be compared with.

A plain value of the wrong type never matches: ``assert_not_spawned(uid="root")`` would always pass. So it
is refused, as an unknown name is.
"""

from __future__ import annotations

import os
import re
import signal as signals
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from pytest_ebpf.credentials import all_capabilities
from pytest_ebpf.errors import UsageError
from pytest_ebpf.hints import did_you_mean
from pytest_ebpf.matching import Glob, equals_nothing, is_plain, is_predicate
from pytest_ebpf.namespaces import KINDS, check_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["EVENT_FIELDS", "PROCESS_FIELDS", "Criterion", "ProcessCriteria", "prepare"]


class ProcessCriteria(TypedDict, total=False):
    """What a process can be asked for.

    Each takes a plain value, a regular expression (searched), a `glob`, a predicate, or an object with an
    ``==`` of its own.
    """

    # Each is Any since anything with an == of its own may stand for it.
    name: Any
    comm: Any
    exe: Any
    filename: Any
    interpreter: Any
    argv: Any
    environ: Any
    cwd: Any
    exe_inode: Any
    exe_device: Any
    truncated: Any
    namespaces: Any
    new_namespaces: Any
    in_namespaces_of: Any
    credentials: Any
    capabilities: Any
    uid: Any
    gid: Any
    euid: Any
    egid: Any
    cgroup_id: Any
    pid: Any
    host_pid: Any
    namespace_pid: Any
    ppid: Any
    host_ppid: Any
    namespace_ppid: Any
    start_ns: Any
    window: Any
    threads: Any
    alive: Any
    executed: Any
    exit_code: Any
    signal: Any
    core_dumped: Any
    duration: Any
    parent: Any


PROCESS_FIELDS: Mapping[str, str] = {
    "name": "text",
    "comm": "comm",
    "exe": "text",
    "filename": "text",
    "interpreter": "text?",
    "argv": "argv",
    "environ": "mapping",
    "cwd": "text",
    "exe_inode": "int",
    "exe_device": "int",
    "truncated": "texts",
    "namespaces": "object",
    "new_namespaces": "kinds",
    "in_namespaces_of": "whose",
    "credentials": "object",
    "capabilities": "capabilities",
    "uid": "int",
    "gid": "int",
    "euid": "int",
    "egid": "int",
    "cgroup_id": "int",
    "pid": "int",
    "host_pid": "int",
    "namespace_pid": "int",
    "ppid": "int",
    "host_ppid": "int",
    "namespace_ppid": "int",
    "start_ns": "int",
    "window": "int",
    "threads": "int",
    "alive": "bool",
    "executed": "bool",
    "exit_code": "int?",
    "signal": "signal?",
    "core_dumped": "bool",
    "duration": "float?",
    "parent": "process?",
}
"""Fields and the type of a plain value for each; ``?``: it may be None."""

OF_IMAGE = frozenset(
    {"name", "comm", "exe", "filename", "interpreter", "argv", "environ", "cwd", "exe_inode"}
    | {"exe_device", "truncated", "namespaces", "new_namespaces", "in_namespaces_of", "uid", "gid"}
    | {"credentials", "capabilities", "euid", "egid", "cgroup_id"}
)
"""Those that each program of a process has for itself: they must all match for the same one."""

EVENT_FIELDS: Mapping[str, str] = {
    "kind": "kind",
    "process": "process",
    "child": "process",
    "time_ns": "int",
    "window": "int",
    "host_tid": "int",
    "new_host_tid": "int",
    "tid": "int",
    "namespace_tid": "int",
    "execution": "object",
    "old_host_tid": "int",
    "secure": "bool",
    "argc": "int",
    "envc": "int",
    "argv_size": "int",
    "environ_size": "int",
    "comm": "comm",
    "filename": "text",
    "interpreter": "text?",
    "exe": "text",
    "argv": "argv",
    "environ": "mapping",
    "cwd": "text",
    "truncated": "texts",
    "status": "int",
    "exit_code": "int?",
    "signal": "signal?",
    "live": "int",
    "duration": "float",
    "core_dumped": "bool",
    "before": "object?",
    "after": "object",
    "changed": "changes",
    "program": "text",
    "output": "text",
    "value": "whose",
}
"""The same for events; an event that does not have a field does not match."""

_COMM_LENGTH = 15
_CODE_MAX = 255
_EVENT_KINDS = (
    "fork",
    "thread-start",
    "exec",
    "exit",
    "thread-exit",
    "namespace-change",
    "credential-change",
    "left",
    "program-event",
)
_CHANGES = (*KINDS, "uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid", "capabilities")
_TEXTS = ("filename", "interp", "exe", "cwd", "argv", "environ")
_NUMBERS: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "an int"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "a bool"),
}


class Criterion(NamedTuple):
    """One field and what it is compared with."""

    field: str
    expected: Any
    kind: str

    @property
    def late(self) -> bool:
        """Whether to ask it last: the author's code should see only what the rest let through."""
        return not is_plain(self.expected) and is_predicate(self.expected)


def prepare(criteria: Mapping[str, Any], fields: Mapping[str, str], what: str) -> tuple[Criterion, ...]:
    """Check criteria and bring them into the form that values have.

    Args:
        criteria: As the author of the test gave them.
        fields: Which there are.
        what: Whose fields, for the message.

    Raises:
        UsageError: A name that no field has, or a value that no such field can have.
    """
    prepared = []
    for field, expected in criteria.items():
        if field not in fields:
            hint = did_you_mean(field, fields)
            raise UsageError(f"{what} has no field {field!r}{hint} (there are: {', '.join(fields)})")
        kind = fields[field]
        prepared.append(Criterion(field, _prepare(field, kind.rstrip("?"), expected, kind), kind))
    return tuple(sorted(prepared, key=lambda criterion: criterion.late))


def _prepare(field: str, kind: str, expected: Any, nullable: str) -> Any:
    if expected is None:
        if nullable.endswith("?"):
            return None
        raise UsageError(f"{field} is never None")
    if expected is ...:
        raise UsageError(f"{field}=...: leave it out instead; `...` stands for arguments in a list")
    if isinstance(expected, type) and type(expected).__eq__ is type.__eq__:
        raise UsageError(
            f"{field}={expected.__name__}: a class matches nothing by itself; give a value, a predicate"
            " or an instance of a matcher"
        )
    if isinstance(expected, re.Pattern | Glob):
        if kind in {"text", "comm", "argv", "process"}:
            return expected
        raise UsageError(f"{field} is no text: {expected!r} cannot match it")
    if not is_plain(expected) and not is_predicate(expected) and equals_nothing(expected):
        raise UsageError(f"{field} is never {expected!r}, which equals nothing but itself")
    if kind in _NUMBERS:
        return _number(field, kind, expected)
    return _PREPARERS[kind](field, expected)


def _number(field: str, kind: str, expected: Any) -> Any:
    types, article = _NUMBERS[kind]
    mistaken = isinstance(expected, bool) and kind != "bool"
    if is_plain(expected) and (mistaken or not isinstance(expected, types)):
        raise UsageError(f"{field} is {article}, not {expected!r}")
    if field == "exit_code" and isinstance(expected, int) and not 0 <= expected <= _CODE_MAX:
        raise UsageError(f"an exit code is 0 to {_CODE_MAX}, not {expected}; for an end by a signal ask for signal=")
    if isinstance(expected, int | float) and expected < 0:
        raise UsageError(f"{field} is never negative, as {expected!r} is")
    return expected


def _text(field: str, expected: Any) -> Any:
    if is_plain(expected) and not isinstance(expected, str | bytes | os.PathLike):
        raise UsageError(f"{field} is a text, not {expected!r}")
    return expected


def _comm(field: str, expected: Any) -> Any:
    text = _text(field, expected)
    if isinstance(text, str | bytes | os.PathLike) and len(os.fsencode(text)) > _COMM_LENGTH:
        raise UsageError(f"{field} has at most {_COMM_LENGTH} bytes, {expected!r} has more: ask for the name instead")
    return text


def _argv(field: str, expected: Any) -> Any:
    if not is_plain(expected):
        return expected
    if not isinstance(expected, list | tuple):
        raise UsageError(f"{field} is a list of arguments, such as ['git', 'fetch', ...], not {expected!r}")
    for index, item in enumerate(expected):
        if item is not ... and is_plain(item):
            if isinstance(item, str | bytes | os.PathLike):
                continue
            raise UsageError(f"{field}[{index}] is a text, not {item!r}")
    return list(expected)


def _mapping(field: str, expected: Any) -> Any:
    if not is_plain(expected):
        return expected
    if not isinstance(expected, dict):
        raise UsageError(f"{field} is a dict of variables, not {expected!r}")
    for name, value in expected.items():
        if not isinstance(name, str | bytes):
            raise UsageError(f"{field} has texts as keys, not {name!r}")
        _text(f"{field}[{name!r}]", value)
    return expected


def _set(field: str, expected: Any) -> Any:
    if isinstance(expected, str):
        return frozenset({expected})
    if isinstance(expected, set | frozenset | list | tuple):
        return frozenset(expected)
    if is_plain(expected):
        raise UsageError(f"{field} is a set of names, not {expected!r}")
    return expected


def _kinds(field: str, expected: Any) -> Any:
    prepared = _set(field, expected)
    if isinstance(prepared, frozenset):
        check_kinds(prepared)
    return prepared


def _names(*good: str) -> Callable[[str, Any], Any]:
    def prepare_names(field: str, expected: Any) -> Any:
        prepared = _set(field, expected)
        if isinstance(prepared, frozenset):
            for name in prepared:
                _check_name(field, name, good)
        return prepared

    return prepare_names


def _capabilities(field: str, expected: Any) -> Any:
    return _names(*all_capabilities())(field, expected)


def _kind(field: str, expected: Any) -> Any:
    if isinstance(expected, str):
        _check_name(field, expected, _EVENT_KINDS)
    return _text(field, expected)


def _check_name(field: str, name: object, good: tuple[str, ...]) -> None:
    if name not in good:
        raise UsageError(f"{field}: there is no {name!r}{did_you_mean(str(name), good, cutoff=0.4)}")


def _signal(field: str, expected: Any) -> Any:
    if isinstance(expected, bool) or (is_plain(expected) and not isinstance(expected, str | int)):
        raise UsageError(f"{field} is a signal, such as signal.SIGKILL, not {expected!r}")
    if not isinstance(expected, str):
        return expected
    name = expected if expected.startswith("SIG") else f"SIG{expected}"
    _check_name(field, name, tuple(each.name for each in signals.Signals))
    return signals.Signals[name]


def _process(field: str, expected: Any) -> Any:
    if is_plain(expected) and (isinstance(expected, bool) or not isinstance(expected, int | str | bytes | os.PathLike)):
        raise UsageError(f"{field} is a process, a pid or a name, not {expected!r}")
    return expected


def _object(field: str, expected: Any) -> Any:
    if is_plain(expected):
        raise UsageError(f"{field} cannot be {expected!r}: ask for its parts")
    return expected


_PREPARERS: dict[str, Callable[[str, Any], Any]] = {
    "text": _text,
    "comm": _comm,
    "argv": _argv,
    "mapping": _mapping,
    "kind": _kind,
    "texts": _names(*_TEXTS),
    "changes": _names(*_CHANGES),
    "kinds": _kinds,
    "capabilities": _capabilities,
    "signal": _signal,
    "process": _process,
    "object": _object,
    "whose": lambda _field, expected: expected,
}
