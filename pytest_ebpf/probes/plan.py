"""From what is asked to what the kernel programs read, and back from what they read to values.

As few reads as possible: a value in a register is one, a structure behind a pointer is one, whatever its fields.
What those point to is read as well, those nearest to the arguments first, in the order of the fields: at most four
pointers deep, each structure once on its way, until `MAX_FETCHES` reads or `MOST_BYTES` are taken. A pointer that is
not followed any more is known as an address.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Verdict
from pytest_ebpf.probes.arguments import Nowhere
from pytest_ebpf.probes.machines import Machine, machine
from pytest_ebpf.probes.planner import Argument, Asked, Planner, is_late
from pytest_ebpf.probes.spec import ProbeHit, Spec
from pytest_ebpf.probes.where import filters_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.probes.readers import Reader
    from pytest_ebpf.probes.types import Type

__all__ = ["Argument", "Asked", "Plan", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a probe reads, and what that means."""

    spec: Spec
    entry: Mapping[str, Reader]
    """Of what is read when the function is entered, by name."""
    exit: Mapping[str, Reader]
    """Of what is read when it returns, by name."""
    result_reader: Reader | None
    refused: Mapping[str, str]
    """What no probe can read, by name: why, a clause to follow "because"."""
    types: Mapping[str, Type] = field(default_factory=dict)
    """Of all, by name."""

    def decode(self, hit: ProbeHit) -> dict[str, Any]:
        """Return the values that this hit tells, by name: those of the entry, or those of the return.

        Each is a value, or a `Gap` (`Unreadable` among them) or a `Cut`.
        """
        return {name: reader.read(hit) for name, reader in (self.exit if hit.is_return else self.entry).items()}

    def result(self, hit: ProbeHit) -> Any:
        """Return what the function returned, of the hit of a return; None if that is not asked for."""
        return None if self.result_reader is None else self.result_reader.read(hit)

    def passed(self, hit: ProbeHit) -> Verdict:
        """Return whether an entry is one that ``where=`` asks for: not known if it could not be read."""
        pieces = [hit.pieces.get(each.fetch) for each in self.spec.filters]
        known = all(piece is not None and not piece.unreadable for piece in pieces)
        return Verdict.YES if known else Verdict.UNKNOWN


def plan(  # noqa: PLR0913 - what a probe can be asked for
    asked: Mapping[str, Asked],
    *,
    on: Machine | None = None,
    result: Asked | None = None,
    returns: bool = False,
    where: str = "",
    every: int = 1,
    cap: int = 0,
    stack: int = 0,
    kernel: bool = False,
    follow: int = 4,
) -> Plan:
    """Decide what to read.

    Args:
        asked: The values, by name.
        on: Whose registers; by default this machine's.
        result: What the function returns, if that is wanted.
        returns: Whether returns are told even if nothing is read there.
        where: Comparisons that must hold when the function is entered: ``"size > 1_000_000 and flags & 4"``.
        every: One hit in so many is told.
        cap: Hits told in a window; 0: all.
        stack: Frames of the user's stack; 0: none.
        kernel: Whether pointers lead to the kernel's memory.
        follow: Pointers followed, one after the other, at most.

    Raises:
        UsageError: More is asked than a probe can read, or something that is not there.
    """
    planner = Planner(asked, result, on or machine(), kernel=kernel, depth=follow)
    filters = filters_of(where, planner)
    planner.follow()
    late = {name for name, each in asked.items() if is_late(each)}
    spec = Spec(
        fetches=tuple(planner.fetches),
        filters=filters,
        returns=returns or result is not None or bool(late),
        every=every,
        cap=cap,
        stack=stack,
    )
    return Plan(
        spec,
        {name: reader for name, reader in planner.readers.items() if name not in late},
        {name: reader for name, reader in planner.readers.items() if name in late},
        planner.result,
        _refused(asked),
        {name: each.type for name, each in asked.items()},
    )


def _refused(asked: Mapping[str, Asked]) -> dict[str, str]:
    placements = {name: each.placement for name, each in asked.items() if isinstance(each, Argument)}
    return {name: placement.why for name, placement in placements.items() if isinstance(placement, Nowhere)}
