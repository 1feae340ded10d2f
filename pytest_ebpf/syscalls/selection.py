"""Which system calls a test asks for, and which a setting has recorded: names, and numbers by ABI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ebpf.errors import UsageError
from pytest_ebpf.matching import show
from pytest_ebpf.syscalls.groups import Family, expand
from pytest_ebpf.syscalls.numbers import all_names, names, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Chosen", "Recorded", "chosen", "parse_recorded", "show_calls"]

_ABIS = ("native", "compat", "x32")
_NUMBERS = 1024  # more than any ABI has
_UNNAMED = re.compile(r"syscall_0x([0-9a-f]{1,3})")


class Chosen(NamedTuple):
    """System calls that the author of a test asks for."""

    text: str
    """As they were asked for."""
    names: frozenset[str]
    numbers: frozenset[tuple[str, int]]
    """ABI and number of each."""
    exact: bool
    """Whether each was named by its own name: none is meant by the way."""


def chosen(what: Any) -> Chosen | None:
    """Return the system calls that are meant; None: all, also those without a name.

    Args:
        what: As of `pytest_ebpf.syscalls.groups.expand`; or ``syscall_0x1ff`` for what has no name.

    Raises:
        UsageError: There is no such call; with the nearest.
    """
    text = show_calls(what)
    words = list(_words(what))
    unnamed = [int(match[1], 16) for word in words if (match := _UNNAMED.fullmatch(str(word)))]
    if unnamed and len(unnamed) == len(words):
        pairs = frozenset((abi, number) for abi in _ABIS for number in unnamed if number not in names(abi))
        if pairs:
            return Chosen(text, frozenset(), pairs, exact=False)
    if not any(str(word).startswith("!") for word in words) and {"*", "all"} & set(map(str, words)):
        return None
    found = expand(what)
    if not found:
        raise UsageError(f"{text!r} means no system call at all")
    return Chosen(text, found, _numbers(found), exact=all_names().issuperset(map(str, words)))


def show_calls(what: Any) -> str:
    """Write which calls were asked for."""
    if isinstance(what, str):
        return what
    if isinstance(what, list | tuple | set | frozenset) and not isinstance(what, Family):
        return f"[{', '.join(map(show_calls, what))}]"
    return repr(what) if isinstance(what, Family) else show(what)


def _words(what: Any) -> Iterator[Any]:
    if isinstance(what, str):
        yield from (word.strip() for word in what.split(","))
    elif isinstance(what, list | tuple | set | frozenset) and not isinstance(what, Family):
        for each in what:
            yield from _words(each)
    else:
        yield what


def _numbers(of: frozenset[str]) -> frozenset[tuple[str, int]]:
    return frozenset((abi, number) for abi in _ABIS for name in of if (number := number_of(abi, name)) is not None)


class Recorded(NamedTuple):
    """The system calls that a setting has recorded."""

    text: str
    """As the setting says."""
    names: frozenset[str]
    unnamed: bool
    """Whether those without a name are too."""
    source: str
    """Where it is set."""

    def numbers(self) -> dict[str, list[int]] | None:
        """Return what `pytest_ebpf.engine.session.Session.want_calls` takes."""
        pairs = set(_numbers(self.names))
        if self.unnamed:
            if not self.lacks(None):
                return None
            pairs |= {(abi, number) for abi in _ABIS for number in range(_NUMBERS) if number not in names(abi)}
        wanted: dict[str, list[int]] = {}
        for abi, number in sorted(pairs):
            wanted.setdefault(abi, []).append(number)
        return wanted

    def lacks(self, asked: Chosen | None) -> frozenset[str]:
        """Return the names that are asked for and not recorded; None asks for all."""
        return (all_names() if asked is None else asked.names) - self.names

    @property
    def said(self) -> str:
        """Where it says what, for messages."""
        return f"{self.source or 'the setting syscalls'} says {self.text!r}"


def parse_recorded(value: Any, what: str) -> Recorded:
    """Read the setting.

    Args:
        value: As of `pytest_ebpf.syscalls.groups.expand`.
        what: Where it stands, for messages.

    Raises:
        UsageError: It is none; with the nearest.
    """
    words = list(map(str, _words(value)))
    try:
        found = expand(value)
    except UsageError as error:
        raise UsageError(f"{what}: {error} (write all, none, or names, patterns and groups such as %file)") from None
    # With nothing but exceptions they are from all.
    more = {word for word in words if not word.startswith("!")}
    return Recorded(",".join(words), found, unnamed=not more or bool(more & {"all", "*"}), source=what)
