"""What a client asks for when it asks for a probe: looked at here, before the engine sees it."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from typing import TYPE_CHECKING

from pytest_ebpf import sealed
from pytest_ebpf.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pytest_ebpf.engine.probes import Asked

__all__ = ["parse", "tracepoint_name"]

_TABLE_LIMIT = 2 << 20
"""Bytes: a spec, and as many places as there can be."""
_KERNEL_KINDS = ("tracepoint", "raw_tracepoint", "kprobe")
_KINDS = ("uprobe", *_KERNEL_KINDS)
_WORD = r"[A-Za-z0-9_]{1,128}"
_NAMES = {
    "tracepoint": re.compile(f"{_WORD}:{_WORD}"),
    "raw_tracepoint": re.compile(_WORD),
}
_EXAMPLES = {"tracepoint": "sched:sched_switch", "raw_tracepoint": "sched_switch"}
_TASKS = 4


def parse(request: Mapping[str, Any], descriptors: list[int], *, is_root: bool, has_owner: bool) -> Asked:
    """Return what is asked for.

    Args:
        request: As it arrived.
        descriptors: That came with it: of a file, if the probe is in one, and of its table.
        is_root: Whether the client is.
        has_owner: Whether this broker is a run's own. Whoever could start one may see what the kernel sees; the
            clients of an administrator's may not.

    Raises:
        BrokerError: It is malformed, or not for this client.
    """
    # Late: a run without probes pays nothing for them.
    from pytest_ebpf.engine.probes import Asked  # noqa: PLC0415
    from pytest_ebpf.engine.specs import checked, probe_layouts, unpack_functions, unpack_places  # noqa: PLC0415

    kind, name = request.get("kind"), request.get("name", "")
    if kind not in _KINDS:
        raise BrokerError(f"the broker knows no probe of kind {kind!r:.40}; it knows {', '.join(_KINDS)}")
    if not isinstance(name, str):
        raise BrokerError(f"the name of a probe is a string, and you said {name!r:.40}")
    if kind in _NAMES and not _NAMES[kind].fullmatch(name):
        raise BrokerError(f"{name!r:.80} is no name of a {kind}: {_EXAMPLES[kind]} is one")
    wanted = 2 if kind == "uprobe" else 1
    if len(descriptors) != wanted:
        raise BrokerError(f"a {kind} comes with {wanted} descriptors, and this one with {len(descriptors)}")
    table = sealed.read(descriptors[-1], _TABLE_LIMIT, "the table of a probe")
    size = probe_layouts().structs["probe_spec"].size
    spec = table[:size]
    has_context = kind in {"tracepoint", "raw_tracepoint"}
    found = checked(spec, has_context=has_context)
    reads_kernel = kind in _KERNEL_KINDS or found.reads_kernel
    if reads_kernel and not (is_root or has_owner):
        raise BrokerError(
            "a probe that shows the kernel's memory is for root here, since an administrator runs this broker for all: "
            "run pytest as root, or without --ebpf-broker"
        )
    if has_context and found.returns:
        raise BrokerError(f"a {kind} has no return")
    if kind != "uprobe":
        task, loading = _task_of(request.get("task"), kind), request.get("loading", 0)
        if not isinstance(loading, int):
            raise BrokerError(f"which loading of a module is meant is a number, and you said {loading!r:.40}")
        functions = unpack_functions(table[size:]) if kind == "kprobe" else ()
        return Asked(
            kind,
            spec,
            found.returns,
            name=name,
            functions=functions,
            root=not has_owner,
            task=task,
            loading=loading,
        )
    places = unpack_places(table[size:], _size_of_target(descriptors[0]))
    return Asked(
        kind, spec, found.returns, tuple(places), descriptors[0], name, root=found.reads_kernel and not has_owner
    )


def _task_of(task: object, kind: str) -> int | None:
    """Return which argument is the task that a tracepoint is about."""
    if task is None:
        return None
    if kind != "raw_tracepoint" or not isinstance(task, int) or not 0 <= task < _TASKS:
        raise BrokerError(
            f"the task of a raw tracepoint is one of its {_TASKS} first arguments, and you said {task!r:.40}"
        )
    return task


def tracepoint_name(name: object) -> str:
    """Return a tracepoint's name.

    Raises:
        BrokerError: It is none.
    """
    if not isinstance(name, str) or not _NAMES["tracepoint"].fullmatch(name):
        raise BrokerError(f"{name!r:.80} is no name of a tracepoint: {_EXAMPLES['tracepoint']} is one")
    return name


def _size_of_target(descriptor: int) -> int:
    """Return how large the file is; whoever cannot read it cannot have it open so."""
    status, flags = os.fstat(descriptor), fcntl.fcntl(descriptor, fcntl.F_GETFL)
    if not stat.S_ISREG(status.st_mode):
        raise BrokerError("a probe is attached to a regular file, and this is none")
    if flags & os.O_PATH or flags & os.O_ACCMODE == os.O_WRONLY:
        raise BrokerError("a probe is attached to a file that you have open for reading, and this one is not")
    return status.st_size
