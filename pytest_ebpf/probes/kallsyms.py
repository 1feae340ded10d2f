"""The functions of the running kernel, as it lists them to everybody (``/proc/kallsyms``)."""

from __future__ import annotations

import bisect
import functools
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf.probes import modules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["Listed", "Place", "addresses", "copies_among", "copies_of", "functions", "symbol_at"]

_LIST = "/proc/kallsyms"
_LINE = re.compile(rb"^(\S+) [tTwW] (?!__(?:pfx|cfi)_)(\S+)(?:\t\[(?!bpf\]|__builtin__)(\S+)\])?$", re.MULTILINE)
"""Without BPF programs, trampolines, and what the compiler puts before functions (``FUNCTION_PADDING_CFI``)."""
_INITIAL = re.compile(rb"^\S+ \S __init_begin\n.*?^\S+ \S __init_end\n", re.MULTILINE | re.DOTALL)
"""Functions that are gone since the kernel has started, and are listed all the same."""
_COPY = re.compile(r"\.(part|constprop|isra)\.")
"""What gcc calls the copies that it makes of a function; the ``.cold`` part of one is reached through it alone."""


class Place(NamedTuple):
    """Where a function is."""

    address: int
    name: str
    module: str
    """Empty: in the kernel proper."""


class Listed(NamedTuple):
    """The functions that there are."""

    times: Counter[str]
    """How many of each name."""
    modules: Mapping[str, str]
    """In which module one is; those of the kernel proper are not there."""


def functions(path: str = _LIST) -> Listed:
    """Return the functions of the kernel and of the modules that are loaded now; none, if the kernel does not say."""
    return _listed(path, frozenset(modules.loaded().items()))


@functools.lru_cache(maxsize=2)
def _listed(path: str, _loaded: frozenset[tuple[str, int]]) -> Listed:
    names = [(name.decode(errors="replace"), module.decode()) for _, name, module in _LINE.findall(_text(path))]
    return Listed(Counter(name for name, _ in names), {name: module for name, module in names if module})


def _text(path: str) -> bytes:
    try:
        return _INITIAL.sub(b"", Path(path).read_bytes(), count=1)
    except OSError:
        return b""


def addresses(path: str = _LIST) -> dict[str, int]:
    """Return where each function is; nothing, if the kernel hides that (``kernel.kptr_restrict``)."""
    found = {name.decode(errors="replace"): int(address, 16) for address, name, _ in _LINE.findall(_text(path))}
    return found if any(found.values()) else {}


def symbol_at(address: int, path: str = _LIST) -> Place | None:
    """Return the function that an address of the kernel's is in; None: it is in none, or the kernel hides where."""
    places = _places(path, frozenset(modules.loaded().items()))
    index = bisect.bisect(places, address, key=lambda place: place.address) - 1
    return places[index] if index >= 0 and places[index].address else None


@functools.lru_cache(maxsize=2)
def _places(path: str, _loaded: frozenset[tuple[str, int]]) -> list[Place]:
    found = _LINE.findall(_text(path))
    return sorted(Place(int(at, 16), name.decode(errors="replace"), module.decode()) for at, name, module in found)


def copies_of(name: str, known: Mapping[str, object]) -> tuple[str, ...]:
    """Return the copies of a function that the compiler made, and calls in its stead."""
    return tuple(sorted(each for each in known if each.startswith(f"{name}.") and _COPY.match(each, len(name))))


def copies_among(names: Collection[str], known: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the same of many functions, of those that have some which are not among them."""
    found: dict[str, list[str]] = {}
    for each in set(known).difference(names):
        for match in _COPY.finditer(each):
            if each[: match.start()] in names:
                found.setdefault(each[: match.start()], []).append(each)
    return {name: tuple(sorted(copies)) for name, copies in found.items()}
