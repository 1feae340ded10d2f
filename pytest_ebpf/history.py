"""From records to lives and events, kept as long as a window needs them."""

from __future__ import annotations

import bisect
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ebpf import procfs
from pytest_ebpf._values import Gap
from pytest_ebpf.credentials import Credentials
from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions.registry import Functions
from pytest_ebpf.images import ExecText, Image, NoText, ProcText
from pytest_ebpf.lives import Key, Life
from pytest_ebpf.namespaces import Namespaces
from pytest_ebpf.settings import Syscalls
from pytest_ebpf.urings import Urings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_ebpf.engine.calls import CallStore
    from pytest_ebpf.protocols import Decode, Record, Session
    from pytest_ebpf.window import Window

__all__ = ["Happening", "History"]

# Undecoded bytes that a suite which asks nothing may pile up.
_BACKLOG = 8 << 20


class Happening(NamedTuple):
    """What `pytest_ebpf.events` makes an event of, when it is asked for."""

    time_ns: int
    kind: str
    life: Life
    record: Mapping[str, Any]
    detail: Any = None


class History:
    """All that one session's records have told.

    Cheap while nothing is asked: bytes are decoded at the first query.
    """

    def __init__(
        self,
        session: Session,
        decode: Decode,
        *,
        calls: CallStore | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Begin.

        Args:
            session: Where records come from.
            decode: What turns bytes into records (`pytest_ebpf.engine.records.Decoder.decode`).
            calls: What takes the system calls out of them; None: they have none.
            clock: CLOCK_MONOTONIC in nanoseconds.
        """
        self.session = session
        self._decode = decode
        self._calls = calls
        self.urings = Urings(self)
        self.functions = Functions(self)
        self.syscalls = Syscalls()
        """Which system calls the next window's setting has recorded."""
        self._clock = clock
        self._offset: int | None = None
        self._backlog: list[bytes] = []
        self._backlog_size = 0
        self.taken = 0
        """Bytes that came since the session began."""
        self.lives: dict[Key, Life] = {}
        self.root: Life | None = None
        """The process that opened the session: the test's own."""
        self.left: dict[Key, Life] = {}
        """Lives that left the session and may go on unseen."""
        self._happenings: dict[int, list[Happening]] = {}
        self._opened: list[tuple[int, int]] = []
        self.number = 0
        """Of the latest window."""
        self.floor = 1
        """What happened in windows before this one is forgotten."""
        self.windows: list[Window] = []
        """Those that are open now, innermost last."""
        self.missed = session.missed()
        """As it was when last asked; asking at each window's opening would cost more than the window."""
        self._pruned = self.floor
        self._lost_at_prune = 0
        self._root_states: list[tuple[int, Mapping[str, Any]]] = []
        self._ended = False
        self._numbering: str | None = None

    def now(self) -> int:
        """Return the kernel's CLOCK_MONOTONIC in nanoseconds."""
        if self._offset is None:
            self._offset = procfs.clock_offset()
        return self._clock() - self._offset

    def check_process(self) -> None:
        """Refuse to work in a child that was forked from the test.

        Raises:
            UsageError: This is one. It shares the ring with the test, and would take its records.
        """
        if os.getpid() != self.session.pid:
            raise UsageError(
                f"the trace belongs to the test's process (pid {self.session.pid}) and cannot be asked"
                f" in a child forked from it (pid {os.getpid()}): ask in the test, after the child ended"
            )

    def open(self, window: Window) -> int:
        """Give a window the next number and make it the innermost."""
        self.check_process()
        self.windows.append(window)
        number = self._next_number()
        if len(self.windows) == 1:
            self.floor = number
            self.functions.forget(number)
            if self._calls is not None:
                # At once, and not with the rest: a suite that asks nothing would pile them up.
                self.urings.note()
                self._calls.forget(number)
        return number

    def close(self, window: Window) -> int:
        """Take a window off; return the last number that belonged to it."""
        self.check_process()
        last = self.number
        self.windows.remove(window)
        if self.windows:
            self._next_number()
        else:
            self.session.window = 0
        return last

    def _next_number(self) -> int:
        self.number += 1
        self._opened.append((self.now(), self.number))
        self.session.window = self.number
        return self.number

    def window_at(self, time_ns: int) -> int:
        """Return the latest window that opened before that time: 0 if none had."""
        index = bisect.bisect_right(self._opened, (time_ns, self.number))
        return self._opened[index - 1][1] if index else 0

    def feed(self, data: bytes) -> None:
        """Take in bytes, to be decoded when something is asked."""
        if data:
            self.taken += len(data)
            if self._calls is not None:
                data = self._calls.take(data)
            self._backlog.append(data)
            self._backlog_size += len(data)
            if self._backlog_size > _BACKLOG:
                self._apply_backlog()

    def pull(self) -> None:
        """Take in what the session has."""
        for piece in self.session.pieces():
            self.feed(piece)

    def update(self) -> None:
        """Learn all that the kernel has told until now."""
        self.check_process()
        if not self._ended:
            self.pull()
        if self._backlog:
            self._apply_backlog()
        self.urings.note()
        if self._pruned != self.floor:
            self._prune()

    @property
    def has_calls(self) -> bool:
        """Whether the session can record system calls."""
        return self._calls is not None

    @property
    def calls(self) -> CallStore:
        """The system calls of the windows that are remembered.

        Raises:
            UsageError: The session has none.
        """
        if self._calls is None:
            raise UsageError("this session records no system calls")
        return self._calls

    def snapshot(self) -> None:
        """Learn of the calls that have not returned, too."""
        self.update()
        if self._ended or not any(self._may_be_inside(life) for life in self.lives.values()):
            return
        self.session.snapshot()
        self.update()

    def _may_be_inside(self, life: Life) -> bool:
        # The test's own thread is here, and in no call but ours.
        return life.exit is None and life.left is None and (life is not self.root or len(life.threads_identity) > 1)

    def _apply_backlog(self) -> None:
        data, self._backlog, self._backlog_size = b"".join(self._backlog), [], 0
        # The ring is in the order of reservation; the time is taken just before or after that.
        records = sorted(self._decode(data), key=lambda record: record[1]["time_ns"])
        for record in records:
            self._apply(record)
        self.urings.adopt(records)

    def happenings(self, first: int, last: int) -> list[Happening]:
        """Return what happened in these windows, by time."""
        found = [
            each for number, happenings in self._happenings.items() if first <= number <= last for each in happenings
        ]
        return sorted(found, key=lambda each: each.time_ns)

    def told(self, number: int, start: int) -> list[Happening]:
        """Return what happened in a window from the `start`-th on that was told of, in the order of the telling."""
        return self._happenings.get(number, [])[start:]

    def lossy(self) -> bool:
        """Whether any record was lost since the session began."""
        return bool(self.session.counters().get("lost_records", 0))

    def pid_in_proc(self, life: Life) -> int:
        """Return the number under which ``/proc`` has a process; 0 where that cannot be told."""
        if self._numbering is None and self.root is not None:
            self._numbering = procfs.numbers_as(self.root.pid_in("pid"), self.root.key[0]) or "nothing"
        return 0 if self._numbering in {None, "nothing"} else life.pid_in(str(self._numbering))

    def is_running(self, life: Life) -> bool | None:
        """Ask ``/proc`` whether a process lives; None where it cannot tell."""
        pid = self.pid_in_proc(life)
        return procfs.alive(pid, life.key[1]) if pid else None

    def life_of(self, key: Key) -> Life:
        """Return the process of that number and start; a new one if nothing was told of it."""
        life = self.lives.get(key)
        if life is None:
            life = self.lives[key] = Life(key)
            # Until its birth is told; the start is known in any case.
            life.birth_window = self.window_at(key[1])
        return life

    def root_identity_at(self, time_ns: int) -> Mapping[str, Any] | None:
        """Return what the test's own process was at that time."""
        before = [identity for at, identity in self._root_states if at <= time_ns]
        # It was found when the session began; a window cannot have opened earlier.
        known = before[-1:] or [identity for _, identity in self._root_states[:1]]
        return known[0] if known else None

    def find_pid(self, pid: int) -> Life | None:
        """Return the living process that has this pid, as the test counts."""
        found = [life for life in self.lives.values() if life.exit is None and life.pid_in("pid") == pid]
        return max(found, key=lambda life: life.key[1], default=None)

    def finish(self) -> None:
        """Take what is left and ask the session no more: it is about to be closed."""
        self.update()
        self._ended = True

    def _note(self, kind: str, life: Life, record: Mapping[str, Any], detail: Any = None) -> None:
        window = record["window"]
        if window >= self.floor:
            happening = Happening(record["time_ns"], kind, life, record, detail)
            self._happenings.setdefault(window, []).append(happening)

    def _apply(self, record: Record) -> None:
        name, fields = record
        if name == "probe":
            self.functions.take(fields)
            return
        actor = self.life_of((fields["host_pid"], fields["start_ns"]))
        identity, time_ns = fields["identity"], fields["time_ns"]
        getattr(self, f"_apply_{name}")(actor, fields, identity, time_ns)
        if actor is self.root and name != "fork" and identity["host_tid"] == identity["host_pid"]:
            self._root_states.append((time_ns, identity))

    def _apply_fork(self, actor: Life, record: Mapping[str, Any], identity: Mapping[str, Any], time_ns: int) -> None:
        child = self.life_of((identity["host_pid"], identity["start_ns"]))
        child.threads_identity.setdefault(identity["host_tid"], identity)
        if record["thread"]:
            child.threads += 1
            child.tids[identity["host_tid"]] = identity["tid"]
            self._note("thread-start", child, record)
            return
        child.born(actor, identity, time_ns, record["window"])
        self._note("fork", actor, record, child)

    def _apply_exec(self, actor: Life, record: Mapping[str, Any], identity: Mapping[str, Any], time_ns: int) -> None:
        window = record["window"]
        before = actor.threads_identity.get(record["old_host_tid"])
        # The thread that called is the leader now, and all others are gone (execve(2)).
        actor.threads_identity = {identity["host_tid"]: identity}
        image = Image(ExecText(record), time_ns=time_ns, window=window, identity=identity, inherited=False)
        actor.execute(image)
        actor.see(identity, time_ns)
        actor.touched.add(window)
        self._note("exec", actor, record, image)
        if before is not None:
            self._note_changes(actor, record, before)

    def _apply_identity(
        self, actor: Life, record: Mapping[str, Any], identity: Mapping[str, Any], time_ns: int
    ) -> None:
        before = actor.threads_identity.get(identity["host_tid"])
        actor.threads_identity[identity["host_tid"]] = identity
        actor.see(identity, time_ns)
        actor.touched.add(record["window"])
        self._note_changes(actor, record, before)

    def _note_changes(self, actor: Life, record: Mapping[str, Any], before: Mapping[str, Any] | None) -> None:
        after = record["identity"]
        for kind, of in (("namespaces", Namespaces.of), ("credentials", Credentials.of)):
            # What it was before is not known: better one event too many than one too few.
            if before is None or of(before) != of(after):
                self._note(kind, actor, record, before)

    def _apply_exit(self, actor: Life, record: Mapping[str, Any], identity: Mapping[str, Any], time_ns: int) -> None:
        actor.threads_identity.pop(identity["host_tid"], None)
        actor.see(identity, time_ns)
        if not record["live"]:
            actor.end(record)
            actor.touched.add(record["window"])
            self.left.pop(actor.key, None)
        self._note("exit", actor, record)

    def _apply_left(self, actor: Life, record: Mapping[str, Any], identity: Mapping[str, Any], time_ns: int) -> None:
        actor.threads_identity.pop(identity["host_tid"], None)
        actor.see(identity, time_ns)
        actor.touched.add(record["window"])
        actor.left = record
        # What runs now is not told. It may be what ran before, for a change of uid without an exec.
        text = NoText(Gap("it left the session as it ran with another user's rights", "run the tests as root"))
        image = Image(text, time_ns=time_ns, window=record["window"], identity=identity, inherited=False)
        actor.execute(image)
        self.left[actor.key] = actor
        self._note("left", actor, record)

    def _apply_adopted(self, actor: Life, record: Mapping[str, Any], identity: Mapping[str, Any], time_ns: int) -> None:
        first = not actor.adopted
        actor.threads_identity[identity["host_tid"]] = identity
        actor.tids[identity["host_tid"]] = identity["tid"]
        if not first:
            actor.threads += 1
        if first or identity["host_tid"] == identity["host_pid"]:
            text = ProcText(lambda: self._read_program(actor))
            actor.adopt(identity, time_ns, record["window"], text)
        if self.root is None and identity["pid"] == self.session.pid:
            self.root = actor
        if first and not actor.forked:
            parents = [life for key, life in self.lives.items() if key[0] == identity["host_ppid"]]
            if parents:
                actor.child_of(max(parents, key=lambda life: life.key[1]))

    def _read_program(self, life: Life) -> Mapping[str, Any] | None:
        if self.is_running(life) is None or life.executed:
            return None
        found = procfs.read_program(self.pid_in_proc(life), life.key[1])
        # It may have executed another program just before it was read.
        self.update()
        return None if life.executed else found

    def _prune(self) -> None:
        """Forget what ended before the oldest open window; once for each that opens."""
        self._pruned = self.floor
        floor_ns = next(at for at, number in self._opened if number >= self.floor)
        for number in [number for number in self._happenings if number < self.floor]:
            del self._happenings[number]
        before = [state for state in self._root_states if state[0] <= floor_ns]
        del self._root_states[: max(len(before) - 1, 0)]
        lost = self.session.counters().get("lost_records", 0)
        ends_were_lost, self._lost_at_prune = lost != self._lost_at_prune, lost
        ended = list(self._ended_before(floor_ns, ends_were_lost=ends_were_lost))
        for life in ended:
            del self.lives[life.key]
            self.left.pop(life.key, None)
        # Through what ended, those who live on descend from the test: a daemon's parent, for one.
        kept = set(self.lives)
        for life in self.lives.values():
            above = life.creator
            while above is not None and above.key not in kept:
                kept.add(above.key)
                above = above.creator
        for life in ended:
            # A parent that is forgotten too keeps its children, for who still holds one of them.
            below, above = life, life.creator
            while above is not None and above.key not in kept:
                below, above = above, above.creator
            if above is not None and below.key not in kept:
                above.children.pop(below.key, None)
        self._opened = [each for each in self._opened if each[1] >= self.floor - 1]

    def _ended_before(self, floor_ns: int, *, ends_were_lost: bool) -> Iterator[Life]:
        for life in self.lives.values():
            if life is self.root:
                continue
            if life.exit is not None:
                if life.exit["time_ns"] <= floor_ns and life.exit["window"] < self.floor:
                    yield life
            elif (life.left is not None or ends_were_lost) and self.is_running(life) is False:
                yield life
