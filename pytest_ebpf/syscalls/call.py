"""A system call as a test sees it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.quiet import quiet
from pytest_ebpf.syscalls.files import file_of
from pytest_ebpf.syscalls.numbers import name_of
from pytest_ebpf.syscalls.pids import life_of_child, life_of_number
from pytest_ebpf.syscalls.prototype import prototypes
from pytest_ebpf.syscalls.results import Result
from pytest_ebpf.syscalls.values import Missing, Unreadable
from pytest_ebpf.syscalls.view import View

if TYPE_CHECKING:
    from pytest_ebpf.engine.calls import RawCall
    from pytest_ebpf.processes import Process
    from pytest_ebpf.syscalls.kinds import Kind
    from pytest_ebpf.syscalls.prototype import Prototype
    from pytest_ebpf.syscalls.values import File
    from pytest_ebpf.window import Window

__all__ = ["Arguments", "Syscall"]


class Arguments(Mapping[str, Any]):
    """A call's arguments by their names, as of a mapping or as attributes.

    Reading one that is not known, or not whole, raises `TraceIncomplete`; `Syscall.seen` does not.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Syscall) -> None:
        self._call = call

    def __getitem__(self, name: str) -> Any:
        if name not in self._call.kinds:
            raise KeyError(name)
        return self._call.whole(name)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._call.kinds:
            return self[name]
        raise AttributeError(f"{self._call.name} has no argument {name!r}, only {', '.join(self._call.kinds)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._call.kinds)

    def __len__(self) -> int:
        return len(self._call.kinds)


@quiet(
    "scope.history.session",
    but=(
        *("kinds", "prototype", "raw", "result_kind"),
        *("abi", "host_tid", "number", "raw_args", "time_ns", "unfinished", "in_progress", "denied", "window"),
    ),
)
class Syscall:
    """One system call of one thread."""

    __slots__ = ("_index", "_made_with", "raw_call", "scope", "view")

    def __init__(self, index: int, window: Window) -> None:
        """Take a call of the window's store; decoded as it is asked.

        Args:
            index: Its place (`pytest_ebpf.engine.calls.CallStore.select`).
            window: From where it is seen.
        """
        self._index = index
        self.scope = window
        self._made_with: tuple[Mapping[str, Kind], Result] | None = None
        store = window.history.calls
        self.raw_call: RawCall = store.call(index)
        # At once: the store forgets when the next test's window opens.
        self.view = View(
            self.raw_call,
            store.pieces(index),
            lambda number: _file(window, number),
            functools.partial(_process, window, self.raw_call),
        )

    @property
    def prototype(self) -> Prototype | None:
        """Its signature; None: there is none for it. For this package's own."""
        return prototypes(self.raw_call.abi).get(self.name)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Its arguments' kinds: of those that it is made with, which may be fewer than its prototype's.

        For this package's own.
        """
        return self._signature()[0]

    def _signature(self) -> tuple[Mapping[str, Kind], Result]:
        if self._made_with is None:
            prototype = self.prototype
            self._made_with = ({}, Result()) if prototype is None else prototype.of(self.view)
        return self._made_with

    def raw(self, argument: str) -> Any:
        """Return an argument: its value, a `Gap` or a `Cut`; None if it has it for other values of others only.

        For this package's own.
        """
        kind = self.kinds.get(argument)
        if kind is not None:
            return kind.value(self.view)
        if self.prototype is None or argument not in self.prototype.arguments:
            raise KeyError(argument)
        return None

    def whole(self, argument: str) -> Any:
        """Return an argument that is known whole.

        Raises:
            TraceIncomplete: It is not.
        """
        value = self.raw(argument)
        gap = value.gap if isinstance(value, Cut) else value
        if isinstance(gap, Gap):
            remedy = f"; try {gap.remedy}" if gap.remedy else ""
            raise TraceIncomplete(f"{argument} of {self.name}: {gap.why}{remedy}")
        return value

    def seen(self, argument: str) -> Any:
        """Return an argument as far as it was seen: cut where it was cut, None if nothing is known."""
        value = self.raw(argument)
        if isinstance(value, Cut):
            return value.value
        if isinstance(value, Missing) and value.address:
            return Unreadable(value.address)
        return None if isinstance(value, Gap) else value

    @property
    def name(self) -> str:
        """As the kernel calls it, by its number and ABI; ``syscall_0x1ff`` if it has no name."""
        raw = self.raw_call
        return name_of(raw.abi, raw.number) or f"syscall_{raw.number:#x}"

    @property
    def abi(self) -> str:
        """``native``; ``compat``: ia32 (int 0x80) or AArch32; ``x32``."""
        return self.raw_call.abi

    @property
    def number(self) -> int:
        """Of its ABI; of x32 without the bit that marks it."""
        return self.raw_call.number

    @property
    def raw_args(self) -> tuple[int, int, int, int, int, int]:
        """All six registers, as 64 unsigned bits."""
        return self.raw_call.args

    @property
    def args(self) -> Arguments:
        """Its arguments."""
        return Arguments(self)

    @property
    def result(self) -> Any:
        """What it returned, -1 if it failed; None if it never did, or has not yet."""
        view = self.view
        if not view.returned:
            return None
        if not view.succeeded:
            return -1
        return self.result_kind.value(view)

    @property
    def result_kind(self) -> Result:
        """What its result is; for this package's own."""
        return self._signature()[1]

    @property
    def errno(self) -> int | None:
        """The number of its error; None if it succeeded or did not return."""
        view = self.view
        return -view.raw.result if view.returned and not view.succeeded else None

    @property
    def error(self) -> str | None:
        """The kernel's name of its error, such as ``ENOENT``; None if it succeeded or did not return."""
        from pytest_ebpf.syscalls.text import error_name  # noqa: PLC0415 - it writes what is defined here

        return None if self.errno is None else error_name(self.errno)

    @property
    def process(self) -> Process:
        """Who made it."""
        from pytest_ebpf.processes import Process  # noqa: PLC0415 - heavy

        raw = self.raw_call
        self.scope.check_kept(calls=True)
        return Process(self.scope.history.life_of((raw.host_pid, raw.start_ns)), self.scope)

    @property
    def host_tid(self) -> int:
        """The thread that entered it, in the initial pid namespace."""
        return self.raw_call.host_tid

    @property
    def tid(self) -> int | None:
        """The same as the test sees it; 0 if it cannot; None: the record of the thread's birth was lost."""
        return self.process.life.tids.get(self.host_tid)

    @property
    def time_ns(self) -> int:
        """When it was entered (CLOCK_MONOTONIC)."""
        return self.raw_call.entered_ns

    @property
    def duration(self) -> float | None:
        """Seconds inside; None if it did not return."""
        raw = self.raw_call
        return (raw.time_ns - raw.entered_ns) / 1e9 if self.view.returned else None

    @property
    def window(self) -> int:
        """The window in which it was entered."""
        return self.raw_call.window

    @property
    def unfinished(self) -> bool:
        """Whether its thread ended inside: ``exit_group(2)``, or killed."""
        return self.raw_call.unfinished

    @property
    def in_progress(self) -> bool:
        """Whether it had not returned when it was asked for."""
        return self.raw_call.in_progress

    @property
    def denied(self) -> bool:
        """Whether a seccomp filter or a tracer answered it, and it never began."""
        return self.raw_call.denied

    def __eq__(self, other: object) -> bool:
        return self.raw_call == other.raw_call if isinstance(other, Syscall) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.raw_call.host_tid, self.raw_call.entered_ns))

    def __repr__(self) -> str:
        return f"<Syscall {self}>"

    def __str__(self) -> str:
        from pytest_ebpf.syscalls.text import line  # noqa: PLC0415 - it writes what is defined here

        return line(self)


def _file(window: Window, number: int) -> File | None:
    window.check_kept(calls=True)
    raw = window.history.calls.file(number)
    return None if raw is None else file_of(raw)


def _process(window: Window, call: RawCall, number: int, child: bool) -> Process | None:  # noqa: FBT001 - see `View`
    from pytest_ebpf.processes import Process  # noqa: PLC0415 - heavy

    window.history.update()
    life = (life_of_child if child else life_of_number)(number, call, window.history)
    return None if life is None else Process(life, window)
