"""A probe that is on, in one window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ebpf.functions.definition import Definition, Group
    from pytest_ebpf.functions.store import RawFunctionCall
    from pytest_ebpf.protocols import AttachedProbe
    from pytest_ebpf.window import Window

__all__ = ["Arming", "Attached", "Missed"]


@dataclass(frozen=True, eq=False)
class Attached:
    """A probe that the broker has attached for this session."""

    probe: AttachedProbe
    returns: bool
    """Whether it tells of returns."""


class Missed(NamedTuple):
    """What was not recorded of a probe in a window."""

    left_out: int
    """Calls that were counted, and not told of: by `every` and `limit`."""
    lost: int
    """Records that were written and did not come."""


class Arming:
    """A probe in a window: since when it is on, and how often the kernel saw it fire."""

    def __init__(self, definition: Definition, attached: tuple[Attached, ...], window: Window) -> None:
        """Begin, before the kernel is told to.

        Args:
            definition: Of the probe.
            attached: By group.
            window: In which it is on until that closes.
        """
        self.definition = definition
        self.attached = attached
        self.window = window
        # The counters first: what is counted between is looked for, and not found, rather than the other way round.
        self._before = [(each.probe.hits, each.probe.told) for each in attached]
        self.since_ns = window.history.now()
        """When it was switched on (CLOCK_MONOTONIC)."""
        self.open = True
        self.until_ns: int | None = None
        self._after: list[tuple[int, int]] | None = None
        self._replaced = False

    def close(self) -> None:
        """Note what it was like at the window's end."""
        self._after = self._counters()
        self._replaced = self.definition.replaced
        self.until_ns = self.window.history.now()
        self.open = False

    def _counters(self) -> list[tuple[int, int]]:
        return [(each.probe.hits, each.probe.told) for each in self.attached]

    @property
    def replaced(self) -> bool:
        """Whether another file took the place of the one that it is on, before the window closed."""
        return self.definition.replaced if self.open else self._replaced

    def covers(self, window: Window) -> bool:
        """Whether it was on in all of a window; in its own, from when it was asked for."""
        if window is self.window:
            return True
        return self.since_ns < window.opened_ns and (
            self.until_ns is None or (window.closed_ns is not None and window.closed_ns <= self.until_ns)
        )

    def overlaps(self, window: Window) -> bool:
        """Whether it was on in a part of a window."""
        return self.window.first <= window.last and window.first <= self.window.last

    def calls(self, window: Window | None = None) -> Iterator[tuple[Group, RawFunctionCall]]:
        """Return what it told of in a window; None: in its own."""
        seen = self.window if window is None else window
        store = self.window.history.functions.store
        for group, attached in zip(self.definition.groups, self.attached, strict=True):
            for call in store.calls(
                attached.probe.id,
                max(seen.first, self.window.first),
                min(seen.last, self.window.last),
                self.since_ns,
            ):
                yield group, call

    def missed(self) -> Missed:
        """Compare what the kernel counted with what came; learns of what came before."""
        # In this order: what comes between is not taken for what was counted.
        after = self._counters() if self._after is None else self._after
        self.window.history.update()
        left_out = lost = 0
        store, at = self.window.history.functions.store, (self.window.first, self.window.last, self.since_ns)
        for index, (group, attached) in enumerate(zip(self.definition.groups, self.attached, strict=True)):
            hits, told = (now - then for now, then in zip(after[index], self._before[index], strict=True))
            if group.spec.every > 1 or group.spec.cap:
                left_out += max(hits - told, 0)
            else:
                told = hits
            lost += max(told - sum(1 for _ in store.calls(attached.probe.id, *at)), 0)
        return Missed(left_out, lost)
