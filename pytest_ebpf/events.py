"""Events: what happened, in the past tense. They do no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_ebpf.credentials import Credentials
from pytest_ebpf.namespaces import Namespaces
from pytest_ebpf.processes import Execution, Process, parse_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from signal import Signals

    from pytest_ebpf.history import Happening
    from pytest_ebpf.window import Window

__all__ = [
    "CredentialChange",
    "Event",
    "Exec",
    "Exit",
    "Fork",
    "Left",
    "NamespaceChange",
    "ThreadExit",
    "ThreadStart",
    "make_event",
]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Event:
    """What all events have."""

    kind: ClassVar[str] = "event"
    """The class's name for people: ``exec``, ``namespace-change``."""

    process: Process
    """Who acted."""
    time_ns: int
    """When (CLOCK_MONOTONIC)."""
    window: int
    """In which window."""
    host_tid: int
    """The thread that acted, in the initial pid namespace."""

    def __repr__(self) -> str:
        from pytest_ebpf.report import brief_event  # noqa: PLC0415 - it draws what is defined here

        return f"<{type(self).__name__} {brief_event(self)}>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Fork(Event):
    """A process was born (``fork(2)``, ``vfork(2)``, ``clone(2)``, ``clone3(2)``)."""

    kind = "fork"
    child: Process
    """Who was born."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ThreadStart(Event):
    """A thread was born."""

    kind = "thread-start"
    tid: int
    """The new thread's id as the test sees it."""
    new_host_tid: int
    """The same in the initial pid namespace."""
    namespace_tid: int
    """The same as the process sees it itself (``gettid(2)``)."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _OfThread(Event):
    """An event of a thread whose numbers are known."""

    tid: int
    """The thread's id as the test sees it."""
    namespace_tid: int
    """The same as the process sees it itself (``gettid(2)``)."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Exec(_OfThread):
    """A process replaced its program (``execve(2)``, ``execveat(2)``)."""

    kind = "exec"
    execution: Execution
    """The new program; `argv` and the others below are its."""
    old_host_tid: int
    """The thread that called; it takes over the leader's number if it was another."""
    secure: bool
    """Whether the file changed ids or capabilities (AT_SECURE)."""
    argc: int
    """How many arguments there are, also where `argv` was cut."""
    envc: int
    """How many environment variables there are, captured or not."""
    argv_size: int
    """Bytes of all arguments with their NULs."""
    environ_size: int
    """Bytes of the whole environment."""

    @property
    def comm(self) -> str:
        """See `Process.comm`."""
        return self.execution.comm

    @property
    def filename(self) -> str:
        """See `Process.filename`."""
        return self.execution.filename

    @property
    def interpreter(self) -> str | None:
        """See `Process.interpreter`."""
        return self.execution.interpreter

    @property
    def exe(self) -> str:
        """See `Process.exe`."""
        return self.execution.exe

    @property
    def argv(self) -> tuple[str, ...]:
        """See `Process.argv`."""
        return self.execution.argv

    @property
    def environ(self) -> Mapping[str, str]:
        """See `Process.environ`."""
        return self.execution.environ

    @property
    def cwd(self) -> str:
        """See `Process.cwd`."""
        return self.execution.cwd

    @property
    def truncated(self) -> frozenset[str]:
        """See `Process.truncated`."""
        return self.execution.truncated


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _End(_OfThread):
    status: int
    """As ``wait(2)`` has it."""

    @property
    def exit_code(self) -> int | None:
        """What it passed to ``exit``; None if a signal ended it."""
        return parse_status(self.status)[0]

    @property
    def signal(self) -> Signals | int | None:
        """The signal that ended it; None if it ended by itself."""
        return parse_status(self.status)[1]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ThreadExit(_End):
    """A thread ended, others of its process live on or end with it."""

    kind = "thread-exit"
    live: int
    """Threads of the process that were left."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Exit(_End):
    """A process ended: its last thread did."""

    kind = "exit"
    duration: float
    """Seconds since it was born."""

    @property
    def core_dumped(self) -> bool:
        """Whether a core dump was written."""
        return parse_status(self.status)[2]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NamespaceChange(_OfThread):
    """A thread is in other namespaces (``unshare(2)``, ``setns(2)``), or its children will be."""

    kind = "namespace-change"
    before: Namespaces | None
    """None if the record that would tell was lost."""
    after: Namespaces

    @property
    def changed(self) -> frozenset[str]:
        """The kinds that differ; empty if it is not known what was before."""
        return frozenset() if self.before is None else self.after.changed_from(self.before)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CredentialChange(_OfThread):
    """A thread has other ids or capabilities (``setuid(2)``, ``capset(2)``, ``execve(2)``)."""

    kind = "credential-change"
    before: Credentials | None
    """None if the record that would tell was lost."""
    after: Credentials

    @property
    def changed(self) -> frozenset[str]:
        """The names of the fields that differ; empty if it is not known what was before."""
        return frozenset() if self.before is None else self.after.changed_from(self.before)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Left(_OfThread):
    """A thread left the session by a change of user; nothing more is seen of it."""

    kind = "left"


def _fork(happening: Happening, window: Window) -> dict[str, Any]:
    return {"child": Process(happening.detail, window)}


def _thread_start(happening: Happening, _window: Window) -> dict[str, Any]:
    identity = happening.record["identity"]
    return {"new_host_tid": identity["host_tid"]}


def _exec(happening: Happening, window: Window) -> dict[str, Any]:
    names = ("old_host_tid", "secure", "argc", "envc", "argv_size", "environ_size")
    found: dict[str, Any] = {name: happening.record[name] for name in names}
    found["execution"] = Execution(happening.life, window, happening.detail)
    return found


def _exit(happening: Happening, _window: Window) -> dict[str, Any]:
    record = happening.record
    return {
        "status": record["status"],
        "duration": (record["time_ns"] - happening.life.key[1]) / 1e9,
    }


def _thread_exit(happening: Happening, _window: Window) -> dict[str, Any]:
    record = happening.record
    return {"status": record["thread_status"], "live": record["live"]}


def _change(of: Callable[[Any], object]) -> Callable[[Happening, Window], dict[str, Any]]:
    def fields(happening: Happening, _window: Window) -> dict[str, Any]:
        before = happening.detail
        return {
            "before": None if before is None else of(before),
            "after": of(happening.record["identity"]),
        }

    return fields


_MAKERS: dict[str, tuple[type[Event], Callable[[Happening, Window], dict[str, Any]]]] = {
    "fork": (Fork, _fork),
    "thread-start": (ThreadStart, _thread_start),
    "exec": (Exec, _exec),
    "exit": (Exit, _exit),
    "thread-exit": (ThreadExit, _thread_exit),
    "namespaces": (NamespaceChange, _change(Namespaces.of)),
    "credentials": (CredentialChange, _change(Credentials.of)),
    "left": (Left, lambda _happening, _window: {}),
}


def make_event(happening: Happening, window: Window) -> Event:
    """Make the event of what happened."""
    kind, record = happening.kind, happening.record
    if kind == "program":
        from pytest_ebpf.user_programs.event import emitted  # noqa: PLC0415 - it is an event itself

        return emitted(happening, window)
    # Two last threads can both find no other alive; the later one is the end of the process.
    if kind == "exit" and record is not happening.life.exit:
        kind = "thread-exit"
    event_class, make = _MAKERS[kind]
    fields = make(happening, window)
    if event_class is not Fork:
        identity = record["identity"]
        fields.update(tid=identity["tid"], namespace_tid=identity["namespace_tid"])
    return event_class(
        process=Process(happening.life, window),
        time_ns=record["time_ns"],
        window=record["window"],
        host_tid=record["host_tid"],
        **fields,
    )
