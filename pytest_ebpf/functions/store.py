"""The calls that a session's probes told of: each an entry and, where it was told, its return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ebpf.engine.records import ProbeHead
    from pytest_ebpf.lives import Key
    from pytest_ebpf.probes.spec import ProbeHit

__all__ = ["FunctionStore", "RawFunctionCall", "Told"]


class Told(Protocol):
    """A record that came (`pytest_ebpf.engine.records.ProbeFields`)."""

    def head(self) -> ProbeHead:
        """Return what tells which call it is of."""

    def hit(self) -> ProbeHit:
        """Return all of it: that takes longer."""


class RawFunctionCall:
    """One call of one thread, as it was told; what was read is looked at when it is asked for."""

    __slots__ = ("_back", "_hit", "_told", "_told_back", "host_tid", "place", "process", "time_ns", "window")

    def __init__(self, told: Told, head: ProbeHead) -> None:
        self._told: Told | None = told
        self._told_back: Told | None = None
        self._hit: ProbeHit | None = None
        self._back: ProbeHit | None = None
        self.place = head.place
        """Which of the probe's."""
        self.host_tid = head.host_tid
        """The thread."""
        self.time_ns = head.time_ns
        """When it was entered."""
        self.window = head.window
        """In which it was entered."""
        self.process: Key = (head.host_pid, head.start_ns)
        """Who made it."""

    @property
    def hit(self) -> ProbeHit:
        """Its entry."""
        if self._hit is None:
            assert self._told is not None  # noqa: S101 - it is dropped when it was read
            self._hit, self._told = self._told.hit(), None
        return self._hit

    @property
    def returned(self) -> bool:
        """Whether its return was told."""
        return self._told_back is not None or self._back is not None

    @property
    def back(self) -> ProbeHit | None:
        """Its return."""
        if self._told_back is not None:
            self._back, self._told_back = self._told_back.hit(), None
        return self._back

    def come_back(self, told: Told) -> None:
        """Take in its return."""
        self._told_back = told


class FunctionStore:
    """Calls by the probe that told of them, in the order of their entries."""

    def __init__(self) -> None:
        self._calls: dict[int, list[RawFunctionCall]] = {}
        self._inside: dict[tuple[int, int, int], RawFunctionCall] = {}
        self.taken = 0
        """Records that came."""

    def take(self, told: Told, head: ProbeHead, *, returns: bool) -> None:
        """Take in an entry or a return; a return whose entry is not there is dropped.

        Args:
            told: The record.
            head: Of which call it is.
            returns: Whether the probe tells of returns.
        """
        self.taken += 1
        key = (head.spec, head.host_tid, head.entered_ns)
        if head.is_return:
            call = self._inside.pop(key, None)
            if call is not None:
                call.come_back(told)
            return
        call = RawFunctionCall(told, head)
        if returns and not head.no_frame:
            self._inside[key] = call
        self._calls.setdefault(head.spec, []).append(call)

    def calls(self, probe: int, first: int, last: int, from_ns: int = 0) -> Iterable[RawFunctionCall]:
        """Return a probe's calls that were entered in these windows, and not before that time."""
        return (call for call in self._calls.get(probe, ()) if first <= call.window <= last and call.time_ns >= from_ns)

    def forget(self, floor: int) -> None:
        """Drop the calls of windows before this one."""
        self._calls = {
            probe: kept
            for probe, calls in self._calls.items()
            if (kept := [call for call in calls if call.window >= floor])
        }
        self._inside = {key: call for key, call in self._inside.items() if call.window >= floor}
