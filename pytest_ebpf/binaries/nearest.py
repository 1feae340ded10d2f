"""Which of many thousand names come nearest to the one that was asked for."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from pytest_ebpf.names import similarity_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["nearest_names"]

_CANDIDATES = 60
_NEAR = 0.6
"""Less alike is not worth a mention."""


def nearest_names(wanted: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Return the nearest names, the nearest first.

    Comparing takes a tenth of a millisecond a name, so only those are compared that share most of their
    pairs of letters with what is wanted.
    """
    wanted = wanted[:200]
    folded = wanted.casefold()
    pairs = {folded[at : at + 2] for at in range(len(folded) - 1)} or {folded}

    def shared(name: str) -> float:
        lower = name.casefold()
        return sum(pair in lower for pair in pairs) / (len(pairs) + abs(len(name) - len(wanted)))

    candidates = heapq.nlargest(_CANDIDATES, set(names), key=lambda name: (shared(name), name))
    scored = sorted((-similarity_of(wanted, [name]), name) for name in candidates)
    return [name for score, name in scored if -score >= _NEAR][:count]
