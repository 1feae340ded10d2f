"""What a message says of names, when one is asked for that there is not."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["did_you_mean", "listed"]

_FEW = 40
"""Names that are all listed: as many as the fields of a process. A structure of the kernel's has hundreds."""
_NEAREST = 5
"""Of more, how many are."""


def did_you_mean(name: str, names: Collection[str], *, cutoff: float = 0.5) -> str:
    """Return which name was meant, as the end of a message; empty if none is near.

    Args:
        name: That there is not.
        names: That there are.
        cutoff: How near it has to be, 0 to 1.
    """
    near = difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""


def listed(name: str, names: Collection[str]) -> str:
    """Write which names there are: all, if they are few; else those nearest to one, and how many others there are."""
    if len(names) <= _FEW:
        return ", ".join(names)
    near = difflib.get_close_matches(name, names, n=_NEAREST, cutoff=0)
    return f"{', '.join(near)} and {len(names) - len(near)} others"
