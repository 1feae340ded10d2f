"""Records as the kernel side writes them, for tests of the model that need no kernel.

A `World` is a fake session and the history that reads it. Its methods do what programs do: fork, exec,
unshare, exit. What each record says follows from what came before, as in a kernel.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import select
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from calls_stream import ring_record

from pytest_ebpf.engine.calls import CallStore
from pytest_ebpf.history import History
from pytest_ebpf.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ebpf.engine.attached import ProbeRequest
    from pytest_ebpf.lives import Life
    from pytest_ebpf.user_programs.hosting import Host

ROOT_PID = 4100
START_NS = 1_000_000_000_000
STEP_NS = 100_000
NAMESPACES = ("mnt", "pid", "pid_for_children", "net", "user", "uts", "ipc", "cgroup", "time", "time_for_children")
IDS = ("uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid")
BITS = {"filename": 1, "interp": 2, "exe": 4, "cwd": 8, "argv": 16, "environ": 32}

Record = tuple[str, dict[str, Any]]


@dataclass(eq=False)
class Actor:
    """A process in the world."""

    identity: dict[str, Any]
    argv: list[str] = field(default_factory=list)
    threads: int = 1

    @property
    def pid(self) -> int:
        return int(self.identity["pid"])

    @property
    def key(self) -> tuple[int, int]:
        return self.identity["host_pid"], self.identity["start_ns"]


@dataclass
class FakeProbe:
    """A probe that is attached."""

    id: int
    request: ProbeRequest
    hits: int = 0
    told: int = 0
    wanted: bool = False


class FakeSession:
    """What `pytest_ebpf.engine.session.Session` is to the model."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ring_size = 8 << 20
        self.window = 0
        self.pending: list[Record] = []
        self.calls = b""
        """Ring records of calls (`calls_stream`) that come with the next pull."""
        self.snapshots = 0
        self.inside = b""
        """Ring records of the calls that have not returned, which a snapshot brings."""
        self.children_only = False
        self.lost = dict.fromkeys(
            ("lost_records", "lost_bytes", "lost_members", "lost_lookups", "left_members", "urings"), 0
        )
        self.skipped = 0
        self.later: list[Any] = []
        self.waits: list[float] = []
        self.pulls = 0
        self.probes: list[FakeProbe] = []
        self.filtered = False

    def pull(self) -> bytes:
        self.pulls += 1
        records, self.pending = self.pending, []
        calls, self.calls = self.calls, b""
        return (ring_record(pickle.dumps(records)) if records else b"") + calls

    def pieces(self) -> Iterable[bytes]:
        return [self.pull()]

    def counters(self) -> dict[str, int]:
        return dict(self.lost)

    def missed(self) -> int:
        return self.skipped

    def snapshot(self) -> None:
        self.snapshots += 1
        self.calls += self.inside

    def muted(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def apart(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def attach(self, request: ProbeRequest) -> FakeProbe:
        probe = FakeProbe(len(self.probes) + 1, request)
        self.probes.append(probe)
        return probe

    def format(self, tracepoint: str) -> str:
        raise NotImplementedError(tracepoint)

    def traceable(self) -> bytes:
        raise NotImplementedError

    def returns_filtered(self) -> bool:
        return self.filtered

    def host(self) -> Host:
        raise NotImplementedError  # no test of the model has programs

    def wait(self, timeout: float, *others: int) -> bool:
        """Let the next thing happen that a test has put into `later`; then, nothing does until the time is over."""
        self.waits.append(timeout)
        if self.pending or self.calls:
            return True
        if self.later:
            self.later.pop(0)()
            return True
        select.select(others, [], [], None if timeout == math.inf else timeout)
        return False


def decode(data: bytes) -> Iterable[Record]:
    """Decode what `FakeSession.pull` returned, also several of them joined."""
    records: list[Record] = []
    while data:
        size = int.from_bytes(data[:4], "little")
        records.extend(pickle.loads(data[8 : 8 + size]))
        data = data[8 + (size + 7) // 8 * 8 :]
    return records


class World:
    """A test's process, its descendants, and the session that sees them."""

    def __init__(self, *, real: bool = False, adopt: bool = True, calls: bool = False) -> None:
        """Begin a session.

        Args:
            real: The test's process is this one, with its true pid and start, so that ``/proc`` knows it.
            adopt: Whether the record that introduces the test's process arrives.
            calls: Whether system calls are told of.
        """
        self.now = START_NS
        pid, start = (os.getpid(), own_start_ns()) if real else (ROOT_PID, START_NS - 5_000_000)
        self.next_pid = pid + 1
        self.session = FakeSession(os.getpid() if real else ROOT_PID)
        store = CallStore() if calls else None
        self.history = History(self.session, decode, calls=store, clock=lambda: self.now)
        if not real:
            # What /proc would say, the same in every run.
            found: dict[str, Any] = {
                "exe": "/usr/bin/python3",
                "cwd": "/src",
                "argv": b"pytest\0test_it.py\0",
                "environ": b"A=1\0",
            }
            found |= {"exe_inode": 7, "exe_device": 1}
            self.history.check_process = lambda: None  # type: ignore[method-assign]  # this world has no /proc

            def read_program(life: Life) -> dict[str, Any]:
                assert life.adopted
                return found

            self.history.read_program = read_program  # type: ignore[method-assign]  # likewise
            self.history.is_running = lambda life: life.key in self.running  # type: ignore[method-assign]  # likewise
        self.running: set[tuple[int, int]] = set()
        identity: dict[str, Any] = {
            "pid": pid,
            "host_pid": pid,
            "ppid": 1,
            "host_ppid": 1,
            "namespace_pid": pid,
            "namespace_ppid": 1,
        }
        for name in ("tid", "host_tid", "namespace_tid"):
            identity[name] = pid
        for index, name in enumerate(NAMESPACES):
            identity[f"ns_{name}"] = 4026531830 + index
        identity["ns_pid_for_children"], identity["ns_time_for_children"] = identity["ns_pid"], identity["ns_time"]
        identity.update(dict.fromkeys(IDS, 1000))
        identity.update({f"cap_{name}": 0 for name in ("inheritable", "permitted", "effective", "bounding", "ambient")})
        identity.update(cgroup_id=77, pid_level=0, start_ns=start, comm=b"pytest")
        self.root = Actor(identity, ["pytest", "test_it.py"])
        self.running.add(self.root.key)
        if adopt:
            self.emit("adopted", self.root)

    def tick(self, steps: int = 1) -> int:
        """Let time pass."""
        self.now += steps * STEP_NS
        return self.now

    def emit(self, name: str, actor: Actor, identity: dict[str, Any] | None = None, **fields: Any) -> Record:
        """Write a record."""
        own = actor.identity
        record: Record = (
            name,
            {
                "time_ns": self.tick(),
                "window": self.session.window,
                "host_pid": own["host_pid"],
                "host_tid": own["host_tid"],
                "start_ns": own["start_ns"],
                "identity": dict(own if identity is None else identity),
                **fields,
            },
        )
        self.session.pending.append(record)
        return record

    def lose(self, records: int = 1) -> None:
        """Let the latest records not have fitted in the ring."""
        del self.session.pending[-records:]
        self.session.lost["lost_records"] += records
        self.session.lost["lost_bytes"] += 300 * records

    def fork(self, parent: Actor, **changes: Any) -> Actor:
        """Let a process be born."""
        pid, self.next_pid = self.next_pid, self.next_pid + 1
        identity = dict(parent.identity)
        for name in ("pid", "tid", "host_pid", "host_tid", "namespace_pid", "namespace_tid"):
            identity[name] = pid
        for name in ("pid", "host_pid", "namespace_pid"):
            identity[name.replace("pid", "ppid")] = parent.identity[name]
        identity["ns_pid"] = parent.identity["ns_pid_for_children"]
        identity["ns_time"] = parent.identity["ns_time_for_children"]
        if identity["ns_pid"] != parent.identity["ns_pid"]:
            identity.update(namespace_pid=1, namespace_tid=1, namespace_ppid=0)
        identity["start_ns"] = self.now + STEP_NS // 2
        identity.update(changes)
        child = Actor(identity, list(parent.argv))
        self.running.add(child.key)
        self.emit("fork", parent, identity, thread=False)
        return child

    def thread(self, actor: Actor) -> Actor:
        """Let a process get another thread."""
        tid, self.next_pid = self.next_pid, self.next_pid + 1
        identity = {**actor.identity, "tid": tid, "host_tid": tid, "namespace_tid": tid}
        self.emit("fork", actor, identity, thread=True)
        actor.threads += 1
        return Actor(identity)

    def exec(self, actor: Actor, *argv: str | bytes, **changes: Any) -> Actor:
        """Let a process execute a program; `changes` are of the record, or of the identity."""
        words = [os.fsencode(word) for word in argv]
        path = os.fsencode(changes.pop("exe", b"/usr/bin/" + os.path.basename(words[0])))  # noqa: PTH119 - bytes
        caller = changes.pop("caller", actor)
        data = b"".join(word + b"\0" for word in words)
        record: dict[str, Any] = {
            "old_host_tid": caller.identity["host_tid"],
            "secure": False,
            "exe_inode": 42,
            "exe_device": 8 << 20 | 1,
            "argc": len(words),
            "envc": 2,
            "argv_size": len(data),
            "environ_size": 22,
            "truncated": 0,
            "unreadable": 0,
            "filename": path,
            "interp": path,
            "exe": path,
            "cwd": b"/src",
            "argv": data,
            "environ": None,
        }
        for name in list(changes):
            if name in record:
                record[name] = changes.pop(name)
        for name in ("truncated", "unreadable"):
            if isinstance(record[name], str):
                record[name] = sum(BITS[word] for word in record[name].split())
        actor.identity.update(comm=os.path.basename(path)[:15], **changes)  # noqa: PTH119 - bytes
        actor.argv = [os.fsdecode(word) for word in words]
        actor.threads = 1
        self.emit("exec", actor, **record)
        return actor

    def change(self, actor: Actor, **changes: Any) -> None:
        """Let a thread enter namespaces or get credentials."""
        actor.identity.update(changes)
        self.emit("identity", actor)

    def unshare(self, actor: Actor, *kinds: str) -> None:
        """Let a process enter new namespaces; of pid and time, its children do."""
        names = {"pid": "pid_for_children", "time": "time_for_children"}
        inode = 4026532000 + self.now // STEP_NS % 10_000 * 10
        self.change(actor, **{f"ns_{names.get(kind, kind)}": inode + i for i, kind in enumerate(kinds)})

    def exit(self, actor: Actor, code: int = 0, *, signal: int = 0, core: bool = False, live: int = 0) -> None:
        """Let a thread end, and with it its process unless others live."""
        status = signal | (0x80 if core else 0) if signal else code << 8
        if not live:
            self.running.discard(actor.key)
        self.emit("exit", actor, status=status, thread_status=status, live=live)

    def leave(self, actor: Actor) -> None:
        """Let a process execute a set-uid program under a session that may not follow."""
        self.session.lost["left_members"] += 1
        actor.identity.update(euid=0, suid=0, fsuid=0, comm=b"sudo")
        self.emit("left", actor)

    def run(self, parent: Actor, *argv: str | bytes, code: int = 0, **changes: Any) -> Actor:
        """Let a program run from its birth to its end."""
        child = self.exec(self.fork(parent), *argv, **changes)
        self.exit(child, code)
        return child

    def trace(self, **options: Any) -> Trace:
        """Open a trace."""
        return Trace(self.history, **options).open()


def compile_in(world: World | None = None) -> tuple[World, Trace]:
    """A compiler run: `gcc` runs `cc1` twice and `as`, of which the last fails."""
    world = world or World()
    trace = world.trace()
    gcc = world.exec(world.fork(world.root), "gcc", "-O2", "a.c", "b.c")
    world.run(gcc, "cc1", "-O2", "a.c", exe=b"/usr/lib/gcc/12/cc1")
    world.run(gcc, "cc1", "-O2", "b.c", exe=b"/usr/lib/gcc/12/cc1")
    world.run(gcc, "as", "a.s", code=1)
    world.exit(gcc, 1)
    return world, trace


def own_start_ns() -> int:
    """Return when this process began (CLOCK_MONOTONIC)."""
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - as short
        ticks = int(file.read().rpartition(b")")[2].split()[19])
    return ticks * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))
