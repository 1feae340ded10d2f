"""A world (`model_stream`) whose programs call functions that have probes."""

from __future__ import annotations

import dataclasses
import functools
import os
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model_stream import World

from pytest_ebpf._values import Verdict
from pytest_ebpf.engine.records import ProbeHead
from pytest_ebpf.functions.definition import Definition, Group, Identity
from pytest_ebpf.probes.spec import Filter, Op, Piece, Place, ProbeHit, Spec
from pytest_ebpf.probes.types import Array, Character, Field, Integer, Structure, pointer
from pytest_ebpf.probes.values import Structured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_stream import Actor, FakeProbe

    from pytest_ebpf.binaries.errors import Undecoded
    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.probes.types import Type

__all__ = ["EXP", "FunctionWorld", "Plan"]


_FIELDS = (Field("num", Integer(4, signed=True), 0), Field("name", Array(Character(), 35), 4))
EXP: dict[str, Type] = {"t": pointer(Structure("struct exp", 40, 4, _FIELDS))}


@dataclass
class Plan:
    """What is told travels as it is: no memory is read here."""

    spec: Spec
    types: Mapping[str, Type]

    def decode(self, hit: ProbeHit) -> dict[str, Any]:
        if hit.is_return:
            return {}
        found: dict[str, Any] = pickle.loads(hit.pieces[0].data)
        return {name: Structured(value) if isinstance(value, dict) else value for name, value in found.items()}

    def result(self, hit: ProbeHit) -> Any:
        return pickle.loads(hit.pieces[0].data)

    def passed(self, hit: ProbeHit) -> Verdict:
        return Verdict.UNKNOWN if hit.cut else Verdict.YES


class _Record(dict[str, Any]):
    """As `pytest_ebpf.engine.records.ProbeFields`."""

    told: ProbeHit

    def head(self) -> ProbeHead:
        hit = self.told
        own = (self["window"], self["host_pid"], self["start_ns"])
        return ProbeHead(
            hit.spec, hit.place, hit.host_tid, hit.time_ns, hit.entered_ns, *own, hit.is_return, hit.no_frame
        )

    def hit(self) -> ProbeHit:
        return self.told


_IDENTITY = Identity(os.makedev(8, 1), 4242, 17, 1)


@dataclass
class FunctionWorld(World):
    """One in which `exp` has a function that takes a structure."""

    types: dict[str, Type] = dataclasses.field(default_factory=lambda: dict(EXP))
    functions: tuple[str, ...] = ("accept_exp",)
    result: Type | None = None
    inlined: dict[str, int] = dataclasses.field(default_factory=dict)
    clones: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    undecoded: Undecoded | None = None
    path: str = "/srv/exp"
    identity: Identity = _IDENTITY
    calls: bool = False

    def __post_init__(self) -> None:
        super().__init__(calls=self.calls)
        self.defined: list[Wanted] = []
        self.history.functions.define = self.define

    def define(self, wanted: Wanted) -> Definition:
        self.defined.append(wanted)
        spec = Spec(
            filters=(Filter(0, Op.NOT_EQUAL, 0),) if wanted.where else (),
            returns=wanted.returns is not None or self.result is not None,
            every=wanted.every,
            cap=wanted.limit or 0,
        )
        group = Group(
            plan=Plan(spec, self.types),
            places=tuple(Place(16 * index) for index, _ in enumerate(self.functions)),
            functions=self.functions,
            result=self.result,
            find_undecoded=lambda: self.undecoded,
        )
        made = _Definition(
            wanted=wanted,
            path=self.path,
            shown=self.path,
            identity=self.identity,
            groups=(group,),
            find_inlined=lambda: self.inlined,
            find_undecoded=lambda: self.undecoded,
            find_left_out=functools.partial(tuple, self.left_out),
            clones=self.clones,
        )
        made.world.append(self)
        return made

    def enter(
        self,
        actor: Actor,
        *,
        place: int = 0,
        told: bool | None = True,
        passed: bool = True,
        no_frame: bool = False,
        **values: Any,
    ) -> int:
        """Let a thread call the function; return when."""
        at = self.tick()
        for probe in self.session.probes:
            if not probe.wanted or not self.session.window:
                continue
            probe.hits += 1
            if told is not None:
                probe.told += 1
            if told:
                self._tell(actor, probe, at, at, pickle.dumps(values), place=place, cut=not passed, no_frame=no_frame)
        return at

    def leave_function(self, actor: Actor, entered_ns: int, result: Any = None) -> None:
        """Let it return."""
        at = self.tick()
        for probe in self.session.probes:
            if probe.wanted and probe.request.spec.returns:
                self._tell(actor, probe, at, entered_ns, pickle.dumps(result), is_return=True)

    def _tell(self, actor: Actor, probe: FakeProbe, at: int, entered_ns: int, data: bytes, **more: Any) -> None:
        flags = {"place": 0, "is_return": False, "no_frame": False, "cut": False, **more}
        hit = ProbeHit(
            spec=probe.id,
            host_tid=actor.identity["host_tid"],
            time_ns=at,
            entered_ns=entered_ns,
            ip=0x401136,
            sp=0x7FFE0000,
            pieces={0: Piece(data, 0)},
            **flags,
        )
        own = actor.identity
        record = _Record(
            time_ns=at,
            window=self.session.window,
            host_pid=own["host_pid"],
            host_tid=own["host_tid"],
            start_ns=own["start_ns"],
        )
        record.told = hit
        self.session.pending.append(("probe", record))

    def accept(self, actor: Actor, num: int, name: bytes = b"keqing", **how: Any) -> int:
        """Let a thread call `accept_exp`."""
        return self.enter(actor, t={"num": num, "name": name}, **how)

    def exp(self) -> Actor:
        """Let the program begin."""
        return self.exec(self.fork(self.root), "./exp", exe=os.fsencode(self.path), exe_inode=self.identity.inode)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Definition(Definition):
    """A definition of a file that is not there: its world says what it is."""

    world: list[FunctionWorld] = dataclasses.field(default_factory=list)

    @property
    def replaced(self) -> bool:
        return bool(self.world) and self.world[0].identity != self.identity
