"""Processes: how they end, what they use and may use, how they are scheduled."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Scalar, Structure, StructureKind, abbreviated, example_of, structure
from pytest_ebpf.syscalls.kinds import Memory, enter_kind, register
from pytest_ebpf.syscalls.scalars import named, signal
from pytest_ebpf.syscalls.structures.timers import TIMEVAL
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Hex, Pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__ = ["Limit", "ProcessorSet", "WaitStatus"]

_CONTINUED = 0xFFFF  # wait(2)


class WaitStatus(int):
    """How a process ended, stopped or went on, as wait(2) says it."""

    @property
    def exit_code(self) -> int | None:
        """What it passed to ``exit(3)``; None if it did not end by itself."""
        return os.WEXITSTATUS(self) if os.WIFEXITED(self) else None

    @property
    def signal(self) -> Any:
        """The signal that ended or stopped it, with its name; None: none did."""
        if os.WIFSTOPPED(self):
            return signal(os.WSTOPSIG(self) & 0x7F)
        return signal(os.WTERMSIG(self)) if os.WIFSIGNALED(self) else None

    @property
    def stopped(self) -> bool:
        """Whether it was stopped."""
        return os.WIFSTOPPED(self) and not self.continued

    @property
    def continued(self) -> bool:
        """Whether it went on after it was stopped."""
        return self == _CONTINUED

    @property
    def core_dumped(self) -> bool:
        """Whether a core dump was written at its end."""
        return os.WIFSIGNALED(self) and os.WCOREDUMP(self)

    def __repr__(self) -> str:
        if self.continued:
            what = "WIFCONTINUED(s)"
        elif self.exit_code is not None:
            what = f"WIFEXITED(s) && WEXITSTATUS(s) == {self.exit_code}"
        elif self.stopped:
            traced = " | 0x80" if os.WSTOPSIG(self) & 0x80 else ""
            what = f"WIFSTOPPED(s) && WSTOPSIG(s) == {self.signal}{traced}"
        else:
            what = f"WIFSIGNALED(s) && WTERMSIG(s) == {self.signal}" + " && WCOREDUMP(s)" * self.core_dumped
        event = f" | {named('ptrace_events')(self >> 16)}<<16" if self >> 16 else ""
        return f"[{{{what}}}{event}]"

    __str__ = __repr__


class _OfReaped(StructureKind):
    """What wait4(2) fills in if it found a child."""

    def value(self, view: View) -> Any:
        """Return it; only its address if there was none."""
        if view.word(self.at) and view.succeeded and not view.raw.result:
            return Pointer(view.word(self.at))
        return super().value(view)


class Limit(int):
    """A resource limit."""

    def __repr__(self) -> str:
        if self == (1 << 64) - 1:
            return "RLIM64_INFINITY"
        return f"{self // 1024}*1024" if self > 1024 and self % 1024 == 0 else str(int(self))  # noqa: PLR2004 - see setrlimit(2)

    __str__ = __repr__
    __format__ = object.__format__


_USAGE = (
    *("ru_maxrss", "ru_ixrss", "ru_idrss", "ru_isrss", "ru_minflt", "ru_majflt", "ru_nswap", "ru_inblock"),
    *("ru_oublock", "ru_msgsnd", "ru_msgrcv", "ru_nsignals", "ru_nvcsw", "ru_nivcsw"),
)
_RUSAGE = structure(
    "rusage",
    Structure(
        Member("ru_utime", f"0q{TIMEVAL.size}s", TIMEVAL.read),
        Member("ru_stime", f"0q{TIMEVAL.size}s", TIMEVAL.read),
        *(Member(name, "q") for name in _USAGE),
        text=abbreviated("ru_utime", "ru_stime"),
    ),
)
for _name, _shape in (("reaped_rusage", _RUSAGE), ("reaped_status", Scalar("I", WaitStatus))):
    enter_kind(_name, lambda at, names, _, shape=_shape: _OfReaped(at, names, ("out",), shape))
structure("rlimit", Structure(Member("rlim_cur", "Q", Limit), Member("rlim_max", "Q", Limit)))
structure("kcmp_slot", Structure(Member("efd", "I"), Member("tfd", "I"), Member("toff", "I")))


def _as_set(fields: dict[str, Any]) -> Mapping[str, Any]:
    """Leave out what the caller says to keep as it is, and what its version of the structure has not."""
    shown = dict(fields)
    kept = set(fields["sched_flags"].names)
    if "SCHED_FLAG_KEEP_PARAMS" in kept:
        for name in ("sched_nice", "sched_priority", "sched_runtime", "sched_deadline", "sched_period"):
            del shown[name]
    if not fields["sched_policy"] >> 31 and kept & {"SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS"}:
        del shown["sched_policy"]
    return shown


class _Policy(named):
    """Makes a policy."""

    def __call__(self, number: int) -> Any:
        """Return it; a number that is none in hexadecimal."""
        return Hex(number) if number >> 31 else super().__call__(number)


_ATTRIBUTES = (
    Member("size", "I"),
    Member("sched_policy", "I", _Policy("scheduling_policies")),
    Member("sched_flags", "Q", named("scheduling_flags")),
    Member("sched_nice", "i"),
    Member("sched_priority", "I"),
    *(Member(name, "Q") for name in ("sched_runtime", "sched_deadline", "sched_period")),
)
_CLAMPS = (Member("sched_util_min", "I"), Member("sched_util_max", "I"))
_LATEST = Structure(*_ATTRIBUTES, *_CLAMPS)
_VERSION_0, _VERSION_1 = 48, 56  # SCHED_ATTR_SIZE_VER0 and 1, linux/sched/types.h


@register("sched_attr")
class SchedulingAttributes(Memory):
    """Scheduling attributes, of the size that they say themselves; with ``out`` the kernel fills them in."""

    noun = "a structure"
    fields = _LATEST.fields

    @property
    def example(self) -> Any:
        """One with all fields."""
        return example_of(_LATEST)

    def flagset_of(self, field: str) -> str:
        """Return the set that has the names of a field's values; empty: none does."""
        return _LATEST.flagset_of(field)

    def captures(self) -> tuple[Capture, ...]:
        """Copy the latest version's size."""
        return (Capture("bytes", self.at, _VERSION_1, at_exit="out" in self.parameters),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the fields that there are."""
        del view
        out = "out" in self.parameters
        size = int.from_bytes(piece.data[:4], "little") or _VERSION_0
        members = _ATTRIBUTES if size < _VERSION_1 else (*_ATTRIBUTES, *_CLAMPS)
        return Structure(*members, pick=None if out else _as_set).read(piece.data)


@register("cpus")
class Processors(Memory):
    """A set of processors: cpus(size argument), or what the kernel returns: cpus(result, out)."""

    portable = True
    noun = "a set of processors"
    example = frozenset[int]()

    def captures(self) -> tuple[Capture, ...]:
        """Copy it."""
        if self.parameters[0] == "result":
            return (Capture("bytes", self.at, 1, at_exit=True, length="result"),)
        return (Capture("bytes", self.at, 1, length="arg", length_arg=self.argument(self.parameters[0])),)

    def decode(self, view: View, piece: Piece) -> ProcessorSet:
        """Return their numbers."""
        del view
        bits = int.from_bytes(piece.data, "little")
        return ProcessorSet(number for number in range(bits.bit_length()) if bits >> number & 1)


class ProcessorSet(frozenset[int]):
    """Processors, by their numbers."""

    def __repr__(self) -> str:
        return "[" + " ".join(map(str, sorted(self))) + "]"

    __str__ = __repr__
