"""Which files something was compiled of, out of the rule for make(1) that a C compiler writes (``-MD``)."""

from __future__ import annotations

import re

__all__ = ["prerequisites"]


def prerequisites(rule: str) -> list[str]:
    """Return the names of the files in a rule of one target."""
    _, _, names = rule.replace("\\\n", " ").partition(": ")
    found = re.findall(r"(?:\\.|[^\s\\])+", names)
    return [re.sub(r"\\(.)", r"\1", name).replace("$$", "$") for name in found]
