"""What each kind of record tells of the processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Gap
from pytest_ebpf.credentials import Credentials
from pytest_ebpf.images import ExecText, Image, NoText, ProcText
from pytest_ebpf.namespaces import Namespaces

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.history import History
    from pytest_ebpf.lives import Life
    from pytest_ebpf.protocols import Record

__all__ = ["Learner"]


class Learner:
    """Writes into a history what its records tell, in whatever order they come."""

    def __init__(self, history: History) -> None:
        self._history = history

    def learn(self, record: Record) -> None:
        """Take in one record."""
        history = self._history
        name, fields = record
        if name == "probe":
            history.functions.take(fields)
            return
        actor = history.life_of((fields["host_pid"], fields["start_ns"]))
        if name == "program":
            history.note(name, actor, fields)
            return
        identity, time_ns = fields["identity"], fields["time_ns"]
        getattr(self, f"_learn_{name}")(actor, fields, identity, time_ns)
        if actor is history.root and name != "fork" and identity["host_tid"] == identity["host_pid"]:
            history.root_states.append((time_ns, identity))

    def _learn_fork(self, actor: Life, record: Mapping[str, Any], identity: Mapping[str, Any], time_ns: int) -> None:
        child = self._history.life_of((identity["host_pid"], identity["start_ns"]))
        child.threads_identity.setdefault(identity["host_tid"], identity)
        if record["thread"]:
            child.threads += 1
            child.tids[identity["host_tid"]] = identity["tid"]
            self._history.note("thread-start", child, record)
            return
        child.born(actor, identity, time_ns, record["window"])
        self._history.note("fork", actor, record, child)

    def _learn_exec(self, actor: Life, record: Mapping[str, Any], identity: Mapping[str, Any], time_ns: int) -> None:
        window = record["window"]
        before = actor.threads_identity.get(record["old_host_tid"])
        # The thread that called is the leader now, and all others are gone (execve(2)).
        actor.threads_identity = {identity["host_tid"]: identity}
        image = Image(ExecText(record), time_ns=time_ns, window=window, identity=identity, inherited=False)
        actor.execute(image)
        actor.see(identity, time_ns)
        actor.touched.add(window)
        self._history.note("exec", actor, record, image)
        if before is not None:
            self._note_changes(actor, record, before)

    def _learn_identity(
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
                self._history.note(kind, actor, record, before)

    def _learn_exit(self, actor: Life, record: Mapping[str, Any], identity: Mapping[str, Any], time_ns: int) -> None:
        actor.threads_identity.pop(identity["host_tid"], None)
        actor.see(identity, time_ns)
        if not record["live"]:
            actor.end(record)
            actor.touched.add(record["window"])
            self._history.left.pop(actor.key, None)
        self._history.note("exit", actor, record)

    def _learn_left(self, actor: Life, record: Mapping[str, Any], identity: Mapping[str, Any], time_ns: int) -> None:
        actor.threads_identity.pop(identity["host_tid"], None)
        actor.see(identity, time_ns)
        actor.touched.add(record["window"])
        actor.left = record
        # What runs now is not told. It may be what ran before, for a change of uid without an exec.
        text = NoText(Gap("it left the session as it ran with another user's rights", "run the tests as root"))
        image = Image(text, time_ns=time_ns, window=record["window"], identity=identity, inherited=False)
        actor.execute(image)
        self._history.left[actor.key] = actor
        self._history.note("left", actor, record)

    def _learn_adopted(self, actor: Life, record: Mapping[str, Any], identity: Mapping[str, Any], time_ns: int) -> None:
        history = self._history
        first = not actor.adopted
        actor.threads_identity[identity["host_tid"]] = identity
        actor.tids[identity["host_tid"]] = identity["tid"]
        if not first:
            actor.threads += 1
        if first or identity["host_tid"] == identity["host_pid"]:
            text = ProcText(lambda: history.read_program(actor))
            actor.adopt(identity, time_ns, record["window"], text)
        if history.root is None and identity["pid"] == history.session.pid:
            history.root = actor
        if first and not actor.forked:
            parents = [life for key, life in history.lives.items() if key[0] == identity["host_ppid"]]
            if parents:
                actor.child_of(max(parents, key=lambda life: life.key[1]))
