"""What is known, half known and not known: the three values that matching works with."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

__all__ = ["Cut", "Gap", "Verdict", "known"]


class Verdict(enum.IntEnum):
    """The outcome of a comparison, ordered so that "and" is `min` and "or" is `max` (Kleene)."""

    NO = 0
    UNKNOWN = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class Gap:
    """A piece of evidence that is not there."""

    why: str
    """One clause, to follow "because"."""
    remedy: str = ""
    """What the author of the test can do about it."""
    pending: bool = False
    """True where waiting fills it: the exit code of a process that still runs."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A value of which a part is missing."""

    value: Any
    """What is there. In a tuple or a dict that lacks its end, the last item may be a part itself."""
    gap: Gap
    total: int | None = None
    """Items of the whole tuple, where the kernel counted them."""
    start_missing: bool = False
    """The beginning is missing, not the end: a path that was followed from its leaf to the root."""
    may_be_whole: bool = False
    """Nothing may be missing after all: the last argument before a cut."""


def known(value: object) -> bool:
    """Whether `value` is a whole one."""
    return not isinstance(value, Gap | Cut)
