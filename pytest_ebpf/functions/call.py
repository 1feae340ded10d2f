"""A function call as a test sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.functions.definition import CALLER
from pytest_ebpf.probes.values import Unreadable
from pytest_ebpf.quiet import quiet

if TYPE_CHECKING:
    from pytest_ebpf.functions.definition import Definition, Group
    from pytest_ebpf.functions.python_frames import PythonFrame
    from pytest_ebpf.functions.stacks import Frame
    from pytest_ebpf.functions.store import RawFunctionCall
    from pytest_ebpf.processes import Process
    from pytest_ebpf.window import Window

__all__ = ["ENTERED", "FunctionArguments", "FunctionCall"]

ENTERED = Gap("the function has not returned", "wait until it has: ebpf_trace.wait_for(…, returned=True)", pending=True)
_CUT_OFF = Gap("the function had not returned when the window closed", "wait until it has, before the window closes")
_TOO_DEEP = Gap("the kernel tells of the returns of the outermost 64 calls of a thread only (recursion)")
_TOO_MANY = Gap(
    "the kernel tells of the returns of ten calls of a function of its own at once (kretprobe), or a few more"
)
_NOT_TYPED = Gap("what type it has is not known", "returns=… with a type: ebpf_trace.uprobe(…, returns='s32')")
_NOT_ASKED = Gap("returns were not asked for", "returns=True, or a type: ebpf_trace.uprobe(…, returns=…)")


class FunctionArguments(Mapping[str, Any]):
    """A call's arguments by their names, as of a mapping or as attributes, and by their places.

    Reading one that is not known, or not whole, raises `TraceIncomplete`; `FunctionCall.seen` does not.
    """

    __slots__ = ("_call",)

    def __init__(self, call: FunctionCall) -> None:
        self._call = call

    def __getitem__(self, name: str | int) -> Any:
        if isinstance(name, int):
            return self._call[name]
        if name not in self._call.group.types:
            raise KeyError(name)
        return self._call.whole(name)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._call.group.types:
            return self[name]
        raise AttributeError(f"{self._call.function}() has no argument {name!r}{_has(self._call.group)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._call.group.types)

    def __len__(self) -> int:
        return len(self._call.group.types)


def _has(group: Group) -> str:
    names = ", ".join(group.types)
    return f", only {names}" if names else ": none is read; say what to read, by names and types"


@quiet(
    "scope.history.session",
    but=("args", "function", "host_tid", "time_ns", "window", "returned", "duration", "address"),
)
class FunctionCall:
    """One call of one thread.

    Its arguments are attributes, unless they have the name of another one (`args` has them all), and items by their
    places: ``call[0]``.
    """

    __slots__ = ("_decoded", "definition", "group", "raw_call", "scope")

    def __init__(self, definition: Definition, group: Group, raw: RawFunctionCall, window: Window) -> None:
        """Take what was told; decoded as it is asked.

        Args:
            definition: Of the probe that told of it.
            group: Of its places.
            raw: What was told.
            window: From where it is seen.
        """
        self.definition = definition
        self.group = group
        self.raw_call = raw
        self.scope = window
        self._decoded: dict[bool, Mapping[str, Any]] = {}

    def _values(self, *, back: bool) -> Mapping[str, Any]:
        """Return what was read at the entry, or at the return."""
        hit = self.raw_call.back if back else self.raw_call.hit
        if hit is None:
            return {}
        if back not in self._decoded:
            self._decoded[back] = self.group.plan.decode(hit)
        return self._decoded[back]

    def raw(self, argument: str) -> Any:
        """Return an argument: its value, a `Gap` or a `Cut`. For this package's own."""
        values = self._values(back=False)
        if argument in values:
            return values[argument]
        if argument not in self.group.types:
            raise KeyError(argument)
        # Read when it returned, as what a pointer of the caller's was filled with.
        gap = self.no_return
        return gap if gap is not None else self._values(back=True).get(argument, Gap("it was not read"))

    @property
    def no_return(self) -> Gap | None:
        """Why nothing is known of its return; None: it is known. For this package's own."""
        if self.raw_call.returned:
            return None
        if not self.group.spec.returns:
            return _NOT_ASKED
        if self.raw_call.hit.no_frame:
            return _TOO_MANY if self.definition.kind == "kprobe" else _TOO_DEEP
        return _CUT_OFF if self.scope.closed else ENTERED

    def raw_result(self) -> Any:
        """Return what it returned: a value, a `Gap` or a `Cut`. For this package's own."""
        gap, back = self.no_return, self.raw_call.back
        if gap is not None or back is None:
            return gap
        return _NOT_TYPED if self.group.result is None else self.group.plan.result(back)

    def raw_duration(self) -> Any:
        """Return the seconds inside, or a `Gap`. For this package's own."""
        back = self.raw_call.back
        return self.no_return if back is None else (back.time_ns - back.entered_ns) / 1e9

    def whole(self, argument: str) -> Any:
        """Return an argument that is known whole, or that nobody could read (`UNREADABLE`).

        Raises:
            TraceIncomplete: It is not.
        """
        return _whole(self.raw(argument), f"{argument} of {self.function}()")

    def seen(self, argument: str) -> Any:
        """Return an argument as far as it was seen: cut where it was cut, None if nothing is known."""
        value = self.raw(argument)
        if isinstance(value, Cut):
            return value.value
        return None if isinstance(value, Gap) and not isinstance(value, Unreadable) else value

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self.group.types:
            return self.whole(name)
        raise AttributeError(f"{self.function}() has no argument {name!r}{_has(self.group)}")

    def __getitem__(self, place: int) -> Any:
        """Return an argument by its place, from 0."""
        names = list(self.group.types)
        if not -len(names) <= place < len(names):
            raise IndexError(f"{self.function}() has {len(names)} arguments that are read, and none at {place}")
        return self.whole(names[place])

    @property
    def args(self) -> FunctionArguments:
        """Its arguments."""
        return FunctionArguments(self)

    @property
    def function(self) -> str:
        """Which function: its name."""
        return self.group.functions[self.raw_call.place]

    @property
    def result(self) -> Any:
        """What it returned; None if it has not, or if nothing was asked of returns.

        Raises:
            TraceIncomplete: It is not known, or not whole.
        """
        if not self.raw_call.returned and not self.raw_call.hit.no_frame:
            return None
        return _whole(self.raw_result(), f"the result of {self.function}()")

    @property
    def returned(self) -> bool:
        """Whether it was seen to return."""
        return self.raw_call.returned

    @property
    def duration(self) -> float | None:
        """Seconds inside; None if it was not seen to return."""
        seconds = self.raw_duration()
        return None if isinstance(seconds, Gap) else float(seconds)

    @property
    def process(self) -> Process:
        """Who made it."""
        from pytest_ebpf.processes import Process  # noqa: PLC0415 - heavy

        self.scope.check_kept(calls=True)
        return Process(self.scope.history.life_of(self.raw_call.process), self.scope)

    @property
    def passed(self) -> Verdict:
        """Whether it is one that ``where=`` asks for. For this package's own."""
        return self.group.plan.passed(self.raw_call.hit) if self.group.spec.filters else Verdict.YES

    @property
    def host_tid(self) -> int:
        """The thread that made it, in the initial pid namespace."""
        return self.raw_call.host_tid

    @property
    def tid(self) -> int | None:
        """The same as the test sees it; 0 if it cannot; None: the record of the thread's birth was lost."""
        return self.process.life.tids.get(self.host_tid)

    @property
    def time_ns(self) -> int:
        """When it was entered (CLOCK_MONOTONIC)."""
        return self.raw_call.time_ns

    @property
    def told_ns(self) -> int:
        """When it was told of: when it returned, if that is known. For this package's own."""
        back = self.raw_call.back
        return self.time_ns if back is None else back.time_ns

    @property
    def window(self) -> int:
        """The window in which it was entered."""
        return self.raw_call.window

    @property
    def address(self) -> int:
        """Where in the process's memory the probe is that it ran into."""
        return self.raw_call.hit.ip

    @property
    def caller(self) -> Any:
        """The address that it returns to; None: it was not read. For this package's own."""
        return self._values(back=False).get(CALLER)

    @property
    def stack(self) -> tuple[Frame, ...]:
        """From where it was called, innermost first, as far as frame pointers lead; empty if that was not asked for."""
        from pytest_ebpf.functions.stacks import frames  # noqa: PLC0415 - reads binaries

        return frames(self)

    @property
    def python_stack(self) -> tuple[PythonFrame, ...]:
        """In which Python functions it was made, innermost first; empty if none is known, or nobody asked.

        Raises:
            TraceIncomplete: Records are missing.
        """
        from pytest_ebpf.functions.python_frames import python_stack  # noqa: PLC0415 - it reads what is defined here

        return python_stack(self)

    def __eq__(self, other: object) -> bool:
        return self.raw_call is other.raw_call if isinstance(other, FunctionCall) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.host_tid, self.time_ns))

    def __repr__(self) -> str:
        return f"<FunctionCall {self}>"

    def __str__(self) -> str:
        from pytest_ebpf.functions.text import line  # noqa: PLC0415 - it writes what is defined here

        return line(self)


def _whole(value: Any, what: str) -> Any:
    gap = value.gap if isinstance(value, Cut) else value
    if isinstance(gap, Gap) and not isinstance(gap, Unreadable):
        remedy = f"; try {gap.remedy}" if gap.remedy else ""
        raise TraceIncomplete(f"{what}: {gap.why}{remedy}")
    return value
