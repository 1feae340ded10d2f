"""The calls that a session's probes told of: each an entry and, where it was told, its return."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ebpf.lives import Key
    from pytest_ebpf.probes.spec import ProbeHit

__all__ = ["FunctionStore", "RawFunctionCall"]


class RawFunctionCall:
    """One call of one thread, as it was told."""

    __slots__ = ("back", "hit", "process", "window")

    def __init__(self, hit: ProbeHit, window: int, process: Key) -> None:
        self.hit = hit
        """Its entry."""
        self.back: ProbeHit | None = None
        """Its return."""
        self.window = window
        """In which it was entered."""
        self.process = process
        """Who made it."""


class FunctionStore:
    """Calls by the probe that told of them, in the order of their entries."""

    def __init__(self) -> None:
        self._calls: dict[int, list[RawFunctionCall]] = {}
        self._inside: dict[tuple[int, int, int], RawFunctionCall] = {}
        self.taken = 0
        """Records that came."""

    def take(self, hit: ProbeHit, window: int, process: Key, *, returns: bool) -> None:
        """Take in an entry or a return; a return whose entry is not there is dropped.

        Args:
            hit: What was told.
            window: In which it happened.
            process: Who did it.
            returns: Whether the probe tells of returns.
        """
        self.taken += 1
        key = (hit.spec, hit.host_tid, hit.entered_ns)
        if hit.is_return:
            call = self._inside.pop(key, None)
            if call is not None:
                call.back = hit
            return
        call = RawFunctionCall(hit, window, process)
        if returns and not hit.no_frame:
            self._inside[key] = call
        self._calls.setdefault(hit.spec, []).append(call)

    def calls(self, probe: int, first: int, last: int, from_ns: int = 0) -> Iterable[RawFunctionCall]:
        """Return a probe's calls that were entered in these windows, and not before that time."""
        return (
            call for call in self._calls.get(probe, ()) if first <= call.window <= last and call.hit.time_ns >= from_ns
        )

    def forget(self, floor: int) -> None:
        """Drop the calls of windows before this one."""
        self._calls = {
            probe: kept
            for probe, calls in self._calls.items()
            if (kept := [call for call in calls if call.window >= floor])
        }
        self._inside = {key: call for key, call in self._inside.items() if call.window >= floor}
