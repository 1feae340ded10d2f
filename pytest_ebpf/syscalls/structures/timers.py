"""Clocks and timers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Scalar, Structure, example_of, structure
from pytest_ebpf.syscalls.kinds import Memory, Number, register
from pytest_ebpf.syscalls.scalars import named
from pytest_ebpf.syscalls.structures.time import TIMESPEC
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Pointer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__ = ["ClockId", "Ticks"]

_CPU_CLOCKS = ("CPUCLOCK_PROF", "CPUCLOCK_VIRT", "CPUCLOCK_SCHED", "CLOCKFD")  # linux/posix-timers.h
_USER_HZ = 100  # of every architecture that there are wheels for


class ClockId(int):
    """A clock of a process, a thread or a device, which has no name: its number says whose it is (negative)."""

    @property
    def kind(self) -> str:
        """``CPUCLOCK_PROF``, ``CPUCLOCK_VIRT``, ``CPUCLOCK_SCHED`` or ``CLOCKFD``."""
        return _CPU_CLOCKS[self & 3]

    @property
    def owner(self) -> int:
        """The process or thread, or the descriptor of the device (clock_getcpuclockid(3), clock_gettime(2))."""
        return ~(self >> 3)

    @property
    def of_thread(self) -> bool:
        """Whether it is a thread's."""
        return bool(self & 4)

    def __repr__(self) -> str:
        if self.kind == "CLOCKFD" and not self.of_thread:
            return f"FD_TO_CLOCKID({self.owner})"
        return f"MAKE_{'THREAD' if self.of_thread else 'PROCESS'}_CPUCLOCK({self.owner}, {self.kind})"

    __str__ = __repr__


class Ticks(int):
    """A time in clock ticks (``clock_t``), of which a second has 100."""

    @property
    def seconds(self) -> float:
        """The time in seconds."""
        return self / _USER_HZ

    def __repr__(self) -> str:
        seconds, ticks = divmod(int(self), _USER_HZ)
        return f"{int(self)} /* {seconds}.{ticks:02} s */" if self else "0"

    __str__ = __repr__


class Moment(int):
    """Seconds since 1970."""

    def __repr__(self) -> str:
        return f"{int(self)} /* {local(self)} */"

    __str__ = __repr__


def local(seconds: int) -> str:
    """Write a time of the local zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))


structure("moment", Scalar("q", Moment))


class _Clock(named):
    """Makes a clock (``clockid_t``)."""

    def __call__(self, number: int) -> int:
        """Return its number with its name."""
        return ClockId(number) if number < 0 else super().__call__(number)


register("clock", -32, _Clock("clocks"))(Number)


@register("remaining")
class Remaining(Memory):
    """What is left of a sleep that a signal interrupted: remaining(flags argument), if it has flags."""

    portable = False
    example = example_of(TIMESPEC)
    fields = TIMESPEC.fields

    def __init__(self, at: int, names: Sequence[str], parameters: Sequence[str]) -> None:
        """Prepare it; see `Kind`."""
        super().__init__(at, names, parameters)
        self._flags_at = self.argument(parameters[0]) if parameters else None

    def captures(self) -> tuple[Capture, ...]:
        """Copy it if the call was interrupted."""
        return (Capture("bytes", self.at, TIMESPEC.size, at_exit=True, interrupted=True),)

    def value(self, view: View) -> Any:
        """Return it; only its address if the kernel filled nothing in, as with TIMER_ABSTIME."""
        absolute = self._flags_at is not None and view.word(self._flags_at) & 0xFFFFFFFF
        if view.word(self.at) and (absolute or not view.interrupted):
            return Pointer(view.word(self.at))
        return super().value(view)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the time."""
        del view
        return TIMESPEC.read(piece.data)


TIMEVAL = structure("timeval", Structure(Member("tv_sec", "q"), Member("tv_usec", "Q")))
structure("timezone", Structure(Member("tz_minuteswest", "i"), Member("tz_dsttime", "i")))
structure(
    "itimerspec",
    Structure(
        Member("it_interval", f"0q{TIMESPEC.size}s", TIMESPEC.read),
        Member("it_value", f"0q{TIMESPEC.size}s", TIMESPEC.read),
    ),
)
structure(
    "itimerval",
    Structure(
        Member("it_interval", f"0q{TIMEVAL.size}s", TIMEVAL.read),
        Member("it_value", f"0q{TIMEVAL.size}s", TIMEVAL.read),
    ),
)
structure(
    "tms", Structure(*(Member(name, "q", Ticks) for name in ("tms_utime", "tms_stime", "tms_cutime", "tms_cstime")))
)
structure(
    "timex",  # struct __kernel_timex, linux/timex.h
    Structure(
        Member("modes", "I", named("adjtimex_modes")),
        *(Member(name, "q") for name in ("offset", "freq", "maxerror", "esterror")),
        Member("status", "i", named("adjtimex_status")),
        *(Member(name, "q") for name in ("constant", "precision", "tolerance")),
        Member("time", f"0q{TIMEVAL.size}s", TIMEVAL.read),
        *(Member(name, "q") for name in ("tick", "ppsfreq", "jitter")),
        Member("shift", "i"),
        *(Member(name, "q") for name in ("stabil", "jitcnt", "calcnt", "errcnt", "stbcnt")),
        Member("tai", "i"),
        Member("_reserved", "11i"),
    ),
)
