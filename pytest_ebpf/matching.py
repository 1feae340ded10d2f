"""Comparing what was asked with what was seen, in three values: yes, no, and not known.

Not known is what keeps a negative assertion honest: a command line that was cut may hold the argument
that must not be there.
"""

from __future__ import annotations

import fnmatch
import functools
import inspect
import os
import re
import shlex
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.errors import TraceIncomplete

__all__ = [
    "Glob",
    "compare",
    "compare_items",
    "equals_nothing",
    "glob",
    "is_plain",
    "is_predicate",
    "is_wildcard",
    "show",
]


@dataclass(frozen=True, slots=True)
class Glob:
    """A shell pattern (`glob`)."""

    pattern: str

    def __repr__(self) -> str:
        return f"glob({self.pattern!r})"

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` matches; ``*`` matches ``/`` too."""
        return fnmatch.fnmatchcase(text, self.pattern)

    def matches_whatever_follows(self, text: str) -> bool:
        """Whether every text that begins with `text` matches."""
        return self.pattern.endswith("*") and self.matches(text)


def glob(pattern: str) -> Glob:
    """Match a text by a shell pattern: ``*``, ``?``, ``[a-z]``; case counts.

    A plain string is compared as it is, wherever it stands in for a value, so that
    ``argv=["find", "-name", "*.py"]`` means just that. Only the name given first to an assertion is
    taken for a pattern by itself.
    """
    return Glob(pattern)


def is_wildcard(text: str) -> bool:
    """Whether a name is a shell pattern."""
    return any(letter in text for letter in "*?[")


def is_plain(expected: object) -> bool:
    """Whether `expected` stands for its own value, and so must have the type of what it meets."""
    return expected is None or isinstance(
        expected, str | bytes | int | float | list | tuple | set | frozenset | dict | os.PathLike
    )


def equals_nothing(expected: object) -> bool:
    """Whether an object equals only itself, and so no value that the kernel told of."""
    return not any("__eq__" in vars(each) for each in type(expected).__mro__ if each is not object)


def is_predicate(expected: object) -> bool:
    """Whether `expected` is to be called with the value."""
    # A method-wrapper, such as "x".__eq__, is a routine since Python 3.11 only.
    if inspect.isroutine(expected) or isinstance(expected, functools.partial | types.MethodWrapperType):
        return True
    # A class of matchers (dirty-equals allows IsInt for IsInt()) has a metaclass with its own ==.
    return callable(expected) and type(expected).__eq__ in {object.__eq__, type.__eq__}


def compare(expected: Any, actual: object) -> Verdict:
    """Compare a criterion with a value, which may be a `Gap` or `Cut`."""
    if isinstance(actual, Gap):
        return Verdict.UNKNOWN
    if isinstance(actual, Cut):
        return _compare_cut(expected, actual)
    if isinstance(expected, list | tuple) and isinstance(actual, tuple):
        return compare_items(expected, actual)
    if isinstance(expected, set | frozenset) and isinstance(actual, frozenset):
        return _of(expected <= actual if expected else not actual)
    if isinstance(expected, dict) and isinstance(actual, Mapping):
        return _compare_mapping(expected, actual)
    return _compare_whole(expected, actual)


def _of(outcome: object) -> Verdict:
    return Verdict.YES if outcome else Verdict.NO


def _compare_pattern(expected: re.Pattern[Any] | Glob, actual: object) -> Verdict:
    text = shlex.join(actual) if isinstance(actual, tuple) else actual
    if not isinstance(text, str):
        return Verdict.NO
    if isinstance(expected, Glob):
        return _of(expected.matches(text))
    subject = os.fsencode(text) if isinstance(expected.pattern, bytes) else text
    return _of(expected.search(subject))


def _compare_whole(expected: Any, actual: object) -> Verdict:
    if isinstance(expected, re.Pattern | Glob):
        return _compare_pattern(expected, actual)
    if isinstance(actual, str) and isinstance(expected, bytes | os.PathLike):
        return _of(os.fsdecode(expected) == actual)
    if not is_plain(expected) and is_predicate(expected):
        try:
            return _of(expected(actual))
        except TraceIncomplete:
            return Verdict.UNKNOWN
    try:
        # Matchers of lists (dirty-equals' IsList) refuse tuples.
        return _of(expected == actual or (isinstance(actual, tuple) and bool(expected == list(actual))))
    except TraceIncomplete:
        return Verdict.UNKNOWN


def _compare_mapping(expected: Mapping[Any, Any], actual: Mapping[str, str]) -> Verdict:
    """Compare the keys asked for; asking for none asks for an empty one."""
    if not expected:
        return _of(not actual)
    verdicts = []
    for key, value in expected.items():
        name = os.fsdecode(key)
        verdicts.append(compare(value, actual[name]) if name in actual else Verdict.NO)
    return min(verdicts)


def _compare_cut(expected: Any, cut: Cut) -> Verdict:
    if isinstance(cut.value, str):
        return _compare_cut_text(expected, cut.value, cut)
    if isinstance(cut.value, dict):
        return _compare_cut_mapping(expected, cut)
    if not isinstance(expected, list | tuple):
        return Verdict.UNKNOWN
    items: list[object] = [*cut.value[:-1]]
    if cut.value:
        items.append(Cut(cut.value[-1], cut.gap, may_be_whole=True))
    if cut.total is None or cut.total < len(items):
        return compare_items(expected, items, open_end=True)
    items.extend(cut.gap for _ in range(cut.total - len(items)))
    return compare_items(expected, items)


def _compare_cut_text(expected: Any, seen: str, cut: Cut) -> Verdict:
    if cut.start_missing:
        # What is there begins with "…", which stands for any number of folders.
        seen = seen.removeprefix("…")
    if isinstance(expected, str | bytes | os.PathLike):
        whole, part = os.fsencode(expected), os.fsencode(seen)
        fits = whole.endswith(part) if cut.start_missing else whole.startswith(part)
        # Something is missing, so the whole is longer than what is there.
        longer = len(whole) > len(part) or cut.may_be_whole
        return Verdict.UNKNOWN if fits and longer else Verdict.NO
    if isinstance(expected, Glob) and not cut.start_missing and expected.matches_whatever_follows(seen):
        return Verdict.YES
    return Verdict.UNKNOWN


def _compare_cut_mapping(expected: Any, cut: Cut) -> Verdict:
    if not isinstance(expected, dict) or not isinstance(cut.value, dict):
        return Verdict.UNKNOWN
    if not expected:
        return Verdict.UNKNOWN if not cut.value else Verdict.NO
    names = list(cut.value)
    whole = set(names[:-1])  # the last one may be a part
    verdicts = []
    for key, value in expected.items():
        name = os.fsdecode(key)
        verdicts.append(compare(value, cut.value[name]) if name in whole else Verdict.UNKNOWN)
    return min(verdicts)


def compare_items(
    pattern: Sequence[Any],
    items: Sequence[object],
    *,
    open_end: bool = False,
    judge: Callable[[Any, object], Verdict] = compare,
) -> Verdict:
    """Compare a list in which ``...`` stands for any further items, also none.

    A simulation of the automaton that the pattern is: `reached` holds the best verdict with which each
    place in the pattern can be reached after the items so far.

    Args:
        pattern: What was asked.
        items: What was seen.
        open_end: More items may follow.
        judge: Compares one with one.
    """
    reached = _skip_ellipses(pattern, {0: Verdict.YES})
    for item in items:
        after: dict[int, Verdict] = {}
        for place, verdict in reached.items():
            if place == len(pattern):
                continue
            if pattern[place] is ...:
                after[place] = max(after.get(place, Verdict.NO), verdict)
            elif outcome := min(verdict, judge(pattern[place], item)):
                after[place + 1] = max(after.get(place + 1, Verdict.NO), outcome)
        reached = _skip_ellipses(pattern, after)
        if not reached:
            return Verdict.NO
    done = reached.get(len(pattern), Verdict.NO)
    if not open_end:
        return done
    if pattern and pattern[-1] is ... and done:
        return done
    return Verdict.UNKNOWN


def _skip_ellipses(pattern: Sequence[Any], reached: dict[int, Verdict]) -> dict[int, Verdict]:
    for place in range(len(pattern)):
        if place in reached and pattern[place] is ...:
            reached[place + 1] = max(reached.get(place + 1, Verdict.NO), reached[place])
    return reached


def show(expected: object) -> str:  # noqa: PLR0911 - a table of types
    """Write a criterion as the author of the test wrote it, or nearly."""
    if expected is ...:
        return "..."
    if isinstance(expected, re.Pattern):
        return f"re.compile({expected.pattern!r})"
    if isinstance(expected, list | tuple):
        return "[" + ", ".join(show(item) for item in expected) + "]"
    if isinstance(expected, set | frozenset):
        return "{" + ", ".join(sorted(map(show, expected))) + "}" if expected else "set()"
    if isinstance(expected, dict):
        return "{" + ", ".join(f"{key!r}: {show(value)}" for key, value in expected.items()) + "}"
    if isinstance(expected, os.PathLike):
        return repr(os.fspath(expected))
    if not is_plain(expected) and is_predicate(expected):
        return _name_of(expected)
    return repr(expected)


def _name_of(predicate: Callable[..., object] | object) -> str:
    name = getattr(predicate, "__qualname__", None)
    if name is None:
        return repr(predicate)
    return str(name).rpartition("<locals>.")[2]
