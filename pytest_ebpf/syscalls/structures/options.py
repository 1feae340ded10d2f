"""What futex(2), prctl(2) and their like point to, and numbers that only they have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Scalar, Structure, StructureKind, structure
from pytest_ebpf.syscalls.kinds import Memory, Number, register
from pytest_ebpf.syscalls.scalars import named, pointer, signal
from pytest_ebpf.syscalls.structures.time import TIMESPEC
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Hex, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__ = ["FutexWake", "ThreadName"]

_COMM = 16  # TASK_COMM_LEN


class FutexWake(int):
    """What FUTEX_WAKE_OP does with the second futex, and what it compares it with (futex(2))."""

    def __repr__(self) -> str:
        shifted = "FUTEX_OP_OPARG_SHIFT<<28|" if self >> 31 else ""
        operation = named("futex_wake_commands")(self >> 28 & 7)
        comparison = named("futex_wake_comparisons")(self >> 24 & 0xF)
        return f"{shifted}{operation}<<28|{Hex(self >> 12 & 0xFFF)}<<12|{comparison}<<24|{Hex(self & 0xFFF)}"

    __str__ = __repr__


class CpuFeatures(int):
    """Parts of the state of an x86 processor."""

    @property
    def names(self) -> tuple[str, ...]:
        """What they are called."""
        found: tuple[str, ...] = named("cpu_features")(self).names
        return found

    def __repr__(self) -> str:
        return f"{Hex(self)} /* {named('cpu_features')(self)} */" if self else "0"

    __str__ = __repr__


class PidType(int):
    """Whose core scheduling cookie is meant (``enum pid_type``)."""

    def __repr__(self) -> str:
        names = ("PIDTYPE_PID", "PIDTYPE_TGID", "PIDTYPE_PGID", "PIDTYPE_SID")
        return f"{Hex(self)} /* {names[self] if self < len(names) else 'PIDTYPE_???'} */"

    __str__ = __repr__


class Ptracer(int):
    """Who may trace: a process, 0 or nobody else, or -1 for everybody."""

    def __repr__(self) -> str:
        return "PR_SET_PTRACER_ANY" if self == -1 else str(int(self))

    __str__ = __repr__


class ThreadName(str):
    """A thread's name, of which the kernel keeps 15 bytes."""

    __slots__ = ()

    def written(self) -> str:
        """Write what the kernel keeps; strace looks no further than that, and so does not see the end of 15 bytes."""
        name = os.fsencode(self)
        return quoted(name[: _COMM - 1], cut=len(name) >= _COMM - 1)


register("futex_wake", 32, FutexWake)(Number)
register("pid_type", 32, PidType)(Number)
register("ptracer", -32, Ptracer)(Number)


@register("futex_timeout")
class FutexTimeout(StructureKind):
    """How long to wait: futex_timeout(operation), of which only some operations have one."""

    def __init__(self, at: int, names: Sequence[str], parameters: Sequence[str]) -> None:
        """Prepare it; see `Kind`."""
        super().__init__(at, names, parameters, TIMESPEC)

    def captures(self) -> tuple[Capture, ...]:
        """Copy it: of a call as frequent as this one, not for those operations that take a number here."""
        operation = self.argument(self.parameters[0])
        return (Capture("bytes", self.at, TIMESPEC.size, when=_WAITING, when_arg=operation, when_mask=0x7F),)


_WAITING = (0, 6, 9, 11, 13)  # FUTEX_WAIT, _LOCK_PI, _WAIT_BITSET, _WAIT_REQUEUE_PI, _LOCK_PI2: linux/futex.h


@register("comm")
class Comm(Memory):
    """The name of a thread; with ``out`` the kernel returns it."""

    noun = "a name"
    example = ""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it."""
        if "out" in self.parameters:
            return (Capture("bytes", self.at, _COMM, at_exit=True),)
        return (Capture("string", self.at),)

    def decode(self, view: View, piece: Piece) -> str:
        """Return it."""
        del view
        name = os.fsdecode(piece.data.partition(b"\0")[0])
        return name if "out" in self.parameters else ThreadName(name)


structure("signal_at", Scalar("I", signal))
structure("tsc_mode", Scalar("I", named("tsc_modes")))
structure("unaligned_access", Scalar("I", named("unaligned_access")))
structure("cpu_features", Scalar("Q", CpuFeatures))
structure("cookie", Scalar("Q", Hex))


def _without_reserved(fields: dict[str, Any]) -> dict[str, Any]:
    return fields if fields["reserved"] else {name: fields[name] for name in ("val", "uaddr", "flags")}


structure(
    "futex_waiter",  # struct futex_waitv
    Structure(
        Member("val", "Q", Hex),
        Member("uaddr", "Q", pointer),
        Member("flags", "I", named("futex_waitv_flags")),
        Member("reserved", "I", Hex),
        pick=_without_reserved,
    ),
)
