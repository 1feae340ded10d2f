"""Who has an io_uring: what it does through one is no system call, and shows nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf import procfs
from pytest_ebpf._values import Gap

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pytest_ebpf.engine.calls import Span
    from pytest_ebpf.history import History
    from pytest_ebpf.lives import Key, Life
    from pytest_ebpf.protocols import Record
    from pytest_ebpf.window import Window

__all__ = ["Urings"]

_ABIS = ("native", "compat", "x32")
# The same numbers in every ABI, as of all calls added since Linux 5.1.
_SETUP = tuple((abi, 425) for abi in _ABIS)
_ENTER = tuple((abi, 426) for abi in _ABIS)

REMEDY = "allow_io_uring=True, if what it does there is of no matter"


class Urings:
    """The rings that members of a session set up, in a window or not."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._made: dict[tuple[Key, int], Life] = {}
        self._adopted: dict[Key, Life] = {}

    def note(self) -> None:
        """Learn of those that were set up until now, before the store forgets the calls."""
        history = self._history
        if not history.has_calls or len(self._made) == self._counted():
            return
        for index in history.calls.select(0, history.number, _SETUP):
            call = history.calls.call(index)
            if call.result >= 0 and not call.in_progress and not call.unfinished:
                key = (call.host_pid, call.start_ns)
                self._made[key, call.time_ns] = history.life_of(key)

    def _counted(self) -> int:
        return self._history.session.counters().get("urings", 0)

    def adopt(self, records: Iterable[Record]) -> None:
        """Look whether those that lived before the session have one: nobody saw it set up."""
        history = self._history
        if not history.has_calls:
            return
        for key in {(fields["host_pid"], fields["start_ns"]) for name, fields in records if name == "adopted"}:
            life = history.life_of(key)
            pid = history.pid_in_proc(life)
            if pid and procfs.has_uring(pid):
                self._adopted[key] = life

    def users(self, window: Window) -> list[tuple[Life, int]]:
        """Return who may have made calls of a window through one instead, and since when (CLOCK_MONOTONIC ns)."""
        if not self._history.has_calls:
            return []
        found: dict[Key, tuple[Life, int]] = {key: (life, 0) for key, life in self._adopted.items()}
        for (key, time_ns), life in self._made.items():
            if window.closed_ns is None or time_ns < window.closed_ns:
                found.setdefault(key, (life, time_ns))
        calls = self._history.calls
        # Of a ring that was handed on, or inherited.
        for index in calls.select(window.first, window.last, _ENTER):
            call = calls.call(index)
            key = (call.host_pid, call.start_ns)
            found.setdefault(key, (self._history.life_of(key), call.entered_ns))
        return [(life, since) for life, since in found.values() if _lived(life, window)]

    def gaps(self, window: Window, whose: Collection[Span] | None) -> tuple[Gap, ...]:
        """Say what calls of a window may have been made through one instead.

        Args:
            window: In which time.
            whose: Of which processes, and entered when; None: of all.
        """
        gaps = [
            Gap(f"{_name(life, window)} has an io_uring, and what is done through it is no system call", REMEDY)
            for life, since in self.users(window)
            if whose is None or any(span[:2] == life.key and since < span.to_ns for span in whose)
        ]
        unseen = self._counted() - len(self._made)
        if unseen > 0:
            gaps.append(Gap(f"{unseen} io_uring were set up by processes of which that record was lost", REMEDY))
        return tuple(gaps)


def _lived(life: Life, window: Window) -> bool:
    return life.exit is None or life.exit["window"] in window or life.exit["time_ns"] > window.opened_ns


def _name(life: Life, window: Window) -> str:
    from pytest_ebpf.processes import Process  # noqa: PLC0415 - it needs the history, which needs this
    from pytest_ebpf.report import brief  # noqa: PLC0415 - likewise

    return f"process {brief(Process(life, window))}"
