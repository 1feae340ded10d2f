"""Namespaces, by the inode numbers that ``/proc/PID/ns`` shows."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from pytest_ebpf.credentials import Capabilities, Credentials
from pytest_ebpf.errors import UsageError
from pytest_ebpf.hints import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_ebpf.processes import Process

__all__ = [
    "KINDS",
    "OWN_KINDS",
    "Capabilities",
    "Credentials",
    "NamespaceIds",
    "Namespaces",
    "check_kinds",
    "namespaces_of",
]

OWN_KINDS = ("mnt", "pid", "net", "user", "uts", "ipc", "cgroup", "time")
"""What a process itself is in."""

KINDS = (*OWN_KINDS, "pid_for_children", "time_for_children")
"""The same, and what its children will be born into: ``unshare(CLONE_NEWPID)`` changes that alone."""

# ioctl_ns(2): which kind an nsfs file is, answered by the clone flag.
_NS_GET_NSTYPE = 0xB703
_CLONE_FLAGS = {
    0x00020000: "mnt",
    0x02000000: "cgroup",
    0x04000000: "uts",
    0x08000000: "ipc",
    0x10000000: "user",
    0x20000000: "pid",
    0x40000000: "net",
    0x00000080: "time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespaces:
    """The namespaces a thread is in: inode numbers, 0 where the kernel has no such namespace."""

    mnt: int
    pid: int
    pid_for_children: int
    net: int
    user: int
    uts: int
    ipc: int
    cgroup: int
    time: int
    time_for_children: int

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> Namespaces:
        """Take them from a record's identity."""
        return cls(**{kind: identity[f"ns_{kind}"] for kind in KINDS})

    def changed_from(self, other: Namespaces) -> frozenset[str]:
        """Return the kinds in which this one differs from `other`."""
        return frozenset(kind for kind in KINDS if getattr(self, kind) != getattr(other, kind))

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Iterate over (kind, inode number), as `dict` takes them."""
        return ((field.name, getattr(self, field.name)) for field in fields(self))


@dataclass(frozen=True, slots=True)
class NamespaceIds:
    """Some namespaces to compare with, as they were when `namespaces_of` was called."""

    ids: Mapping[str, int]
    """Inode number by kind."""
    label: str
    """What they are the namespaces of, for messages."""

    def __repr__(self) -> str:
        return f"namespaces_of({self.label})"


def check_kinds(kinds: Iterable[str]) -> None:
    """Refuse names that are no kind of namespace.

    Raises:
        UsageError: One is none; the text has the nearest that is.
    """
    for kind in kinds:
        if kind not in KINDS:
            hint = did_you_mean(str(kind), KINDS, cutoff=0.4)
            raise UsageError(f"{kind!r} is no kind of namespace{hint} (there are: {', '.join(KINDS)})")


def namespaces_of(
    what: int | str | os.PathLike[str] | Process | Namespaces | NamespaceIds, *kinds: str
) -> NamespaceIds:
    """Return the namespaces of a process or the one behind a file, as they are now.

    Args:
        what: A pid as this process counts them, a process of the trace, or the path of a namespace
            file, such as ``/run/netns/blue`` or ``/proc/1/ns/net``.
        kinds: Which namespaces count, such as ``"net"``; without any, all that `what` has.

    Raises:
        UsageError: There is no such process or file, it is not readable, or no namespace.
    """
    check_kinds(kinds)
    if isinstance(what, NamespaceIds):
        ids, label = dict(what.ids), what.label
    elif isinstance(what, Namespaces):
        ids, label = {kind: getattr(what, kind) for kind in OWN_KINDS}, "the given ones"
        ids.update((kind, getattr(what, kind)) for kind in kinds)
    elif isinstance(what, bool):
        raise UsageError("namespaces_of() takes a pid, a path or a process, not a bool")
    elif isinstance(what, int):
        ids, label = _of_pid(what, kinds), f"pid {what}"
    elif isinstance(what, str | os.PathLike):
        path = os.fspath(what)
        ids, label = _of_file(path), path
    elif hasattr(what, "namespaces"):
        ids = {kind: getattr(what.namespaces, kind) for kind in (*OWN_KINDS, *kinds)}
        label = f"pid {what.pid}"
    else:
        raise UsageError(f"namespaces_of() takes a pid, a path or a process, not {type(what).__name__}")
    if missing := [kind for kind in kinds if kind not in ids]:
        raise UsageError(f"{label} has no {missing[0]} namespace to compare with (it has: {', '.join(ids)})")
    if kinds:
        ids = {kind: ids[kind] for kind in kinds}
    return NamespaceIds(ids, label)


def _of_pid(pid: int, kinds: Iterable[str]) -> dict[str, int]:
    found = {}
    for kind in (*OWN_KINDS, *kinds):
        try:
            found[kind] = os.stat(f"/proc/{pid}/ns/{kind}").st_ino  # noqa: PTH116 - magic link
        except FileNotFoundError:  # noqa: PERF203 - ten times at most
            continue  # a kind that this kernel does not have, or no such process: see below
        except OSError as error:
            raise UsageError(f"the namespaces of pid {pid} cannot be read: {error}") from error
    if not found:
        raise UsageError(f"there is no process with pid {pid} to compare namespaces with")
    return found


def _of_file(path: str) -> dict[str, int]:
    try:
        # Not to block on a FIFO, not to become a terminal's owner: any path can be given.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise UsageError(f"the namespace file cannot be opened: {error}") from error
    try:
        flag = fcntl.ioctl(descriptor, _NS_GET_NSTYPE)
        return {_CLONE_FLAGS[flag]: os.fstat(descriptor).st_ino}
    except (OSError, KeyError) as error:
        raise UsageError(f"{path} is no namespace file") from error
    finally:
        os.close(descriptor)
