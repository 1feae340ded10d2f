"""The functions of the running kernel, as it lists them to everybody (``/proc/kallsyms``)."""

from __future__ import annotations

import functools
import re
from collections import Counter
from pathlib import Path

__all__ = ["copies_of", "functions"]

_LINE = re.compile(rb"^\S+ [tTwW] (\S+)", re.MULTILINE)
_COPY = re.compile(r"\.(part|constprop|isra)\.")
"""What gcc calls the copies that it makes of a function; the ``.cold`` part of one is reached through it alone."""


@functools.cache
def functions(path: str = "/proc/kallsyms") -> Counter[str]:
    """Return how many there are of each name; of none, if the kernel does not say."""
    try:
        text = Path(path).read_bytes()
    except OSError:
        return Counter()
    return Counter(name.decode(errors="replace") for name in _LINE.findall(text))


def copies_of(name: str, known: Counter[str]) -> tuple[str, ...]:
    """Return the copies of a function that the compiler made, and calls in its stead."""
    return tuple(sorted(each for each in known if each.startswith(f"{name}.") and _COPY.match(each, len(name))))
