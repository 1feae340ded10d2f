"""What arguments are compared with, kind by kind: a check of what was asked, and the comparison.

A plain value of a type that such an argument never has is refused: it would never match, and an assertion of
absence always pass.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.hints import listed
from pytest_ebpf.matching import Glob, compare, compare_items, equals_nothing, is_plain, is_predicate
from pytest_ebpf.syscalls import flag_names
from pytest_ebpf.syscalls.fitting import may_be_text, refuse_misfit
from pytest_ebpf.syscalls.kinds import FileDescriptor, Kind, Path
from pytest_ebpf.syscalls.values import Descriptor, Fields, PathName

__all__ = ["Judge", "compare_path", "compare_value", "descriptor_judge", "field_judge", "judge_for", "path_judge"]

Judge: TypeAlias = Callable[[Any], Verdict]
"""Compares a value, which may be a `Gap` or a `Cut`, with what was asked."""

_TEXTS = (str, bytes, os.PathLike)


def check(field: str, expected: Any, *, text: bool = True) -> None:
    """Refuse what cannot be a criterion at all.

    Args:
        field: Of which, for messages.
        expected: What was asked.
        text: Whether it can be a text.

    Raises:
        UsageError: It is ``...``, or a class, or an object that equals no value, or matches texts where there is none.
    """
    if isinstance(expected, re.Pattern | Glob) and not text:
        raise UsageError(f"{field} is no text: {expected!r} cannot match it")
    if expected is ...:
        raise UsageError(f"{field}=...: leave it out instead; `...` stands for items in a list")
    if isinstance(expected, type) and type(expected).__eq__ is type.__eq__:
        raise UsageError(
            f"{field}={expected.__name__}: a class matches nothing by itself; give a value, a predicate"
            " or an instance of a matcher"
        )
    if is_plain(expected) or is_predicate(expected) or isinstance(expected, re.Pattern | Glob):
        return
    # A Process has its own ==, with others of its kind.
    if hasattr(expected, "pid") or equals_nothing(expected):
        hint = "; of a process, give its pid" if hasattr(expected, "pid") else ""
        raise UsageError(f"{field} is never {expected!r}, which equals no value of a call{hint}")


def judge_for(field: str, expected: Any, kind: Kind) -> Judge:
    """Check what an argument is compared with, and return what compares.

    Args:
        field: The argument's name, for messages.
        expected: What was asked.
        kind: What the argument is.

    Raises:
        UsageError: Such an argument never has such a value.
    """
    check(field, expected, text=not kind.flagset and not kind.fields and may_be_text(kind.example))
    if isinstance(kind, FileDescriptor):
        return descriptor_judge(field, expected)
    if isinstance(kind, Path):
        return path_judge(field, expected)
    if expected is None or not is_plain(expected):
        return lambda actual: compare_value(expected, actual)
    if kind.flagset:
        return flag_names.judge(field, expected, kind.flagset)
    if kind.fields:
        return _structure_judge(field, expected, kind)
    refuse_misfit(field, expected, kind.example)
    return lambda actual: compare_value(expected, actual)


def field_judge(field: str, expected: Any, holder: Kind) -> Judge:
    """Do the same for a field of a structure."""
    flagset, example = holder.flagset_of(field), holder.example_of(field)
    check(field, expected, text=not flagset and may_be_text(example))
    if flagset and expected is not None and is_plain(expected):
        return flag_names.judge(field, expected, flagset)
    refuse_misfit(field, expected, example, names=True)
    return lambda actual: compare_value(expected, actual)


def _structure_judge(field: str, expected: Any, kind: Kind) -> Judge:
    if not isinstance(expected, Mapping):
        raise UsageError(f"{field} is a structure: ask for its fields by a dict, not for {expected!r}")
    judges = {}
    for name, value in expected.items():
        if name not in kind.fields:
            raise UsageError(f"{field} has no field {name!r} (there are: {listed(name, kind.fields)})")
        judges[name] = field_judge(name, value, kind)

    def judge(actual: Any) -> Verdict:
        if isinstance(actual, Gap | Cut):
            return Verdict.UNKNOWN
        if not isinstance(actual, Fields):
            return Verdict.NO
        found = (judges[name](actual.raw(name)) if name in actual else Verdict.NO for name in judges)
        return min(found, default=Verdict.YES)

    return judge


def path_judge(field: str, expected: Any) -> Judge:
    """Check what a path is compared with, and return what compares.

    Raises:
        UsageError: It is no text.
    """
    check(field, expected)
    if expected is None or not is_plain(expected):
        return lambda actual: compare_value(expected, actual)
    if not isinstance(expected, _TEXTS) or not os.fspath(expected):
        raise UsageError(f"{field} is a path, not {expected!r}")
    wanted = os.fsdecode(expected)
    if not wanted.startswith("/") and ".." in wanted.split("/"):
        raise UsageError(f"{field}={wanted!r}: a relative path means the last parts of one, so '..' leads nowhere")
    return lambda actual: compare_path(wanted, actual)


def descriptor_judge(field: str, expected: Any) -> Judge:
    """Check what a descriptor is compared with, and return what compares.

    Raises:
        UsageError: It is neither a number nor a path.
    """
    check(field, expected)
    if isinstance(expected, bool) or (is_plain(expected) and not isinstance(expected, int | str | bytes | os.PathLike)):
        raise UsageError(f"{field} is a descriptor: its number, or the path of the file behind it, not {expected!r}")
    return lambda actual: _compare_descriptor(expected, actual)


def _compare_descriptor(expected: Any, actual: Any) -> Verdict:
    if isinstance(actual, Descriptor) and isinstance(expected, str | bytes | os.PathLike | re.Pattern | Glob):
        if expected == "AT_FDCWD":
            return Verdict.YES if str(actual) == expected else Verdict.NO
        if actual.file is None:
            return Verdict.NO
        file = actual.file
        gap = Gap("the file lies deeper than the folders that are copied")
        path = PathName(file.path, file.path)
        return compare_value(expected, Cut(path, gap, start_missing=True) if file.cut else path)
    return compare(expected, actual)


def compare_value(expected: Any, actual: Any) -> Verdict:  # noqa: PLR0911 - a table of types
    """Compare what was asked with a value of any kind."""
    if isinstance(actual, Gap):
        return Verdict.UNKNOWN
    if isinstance(actual, Cut):
        return _compare_cut(expected, actual)
    if isinstance(actual, Fields):
        return _compare_fields(expected, actual)
    if isinstance(actual, tuple) and isinstance(expected, list | tuple):
        return compare_items(expected, actual, judge=compare_value)
    if isinstance(actual, Descriptor):
        return _compare_descriptor(expected, actual)
    if isinstance(actual, PathName) and isinstance(expected, _TEXTS):
        return compare_path(os.fsdecode(expected), actual)
    if isinstance(actual, bytes) and isinstance(expected, str | re.Pattern | Glob):
        return compare(expected, os.fsdecode(actual))
    if isinstance(actual, frozenset) and isinstance(expected, set | frozenset):
        return flag_names.compare_members(expected, actual)
    if isinstance(actual, int) and not isinstance(actual, bool) and isinstance(expected, str | set | frozenset):
        return flag_names.compare_unnamed(expected, actual)
    return compare(expected, actual)


def _compare_cut(expected: Any, cut: Cut) -> Verdict:
    seen: Any = cut.value
    if isinstance(seen, bytes):
        cut = Cut(os.fsdecode(seen), cut.gap)
    if isinstance(cut.value, tuple) and isinstance(expected, list | tuple):
        return compare_items(expected, cut.value, open_end=True, judge=compare_value)
    if isinstance(cut.value, str) and cut.start_missing and isinstance(expected, _TEXTS):
        return compare_path(os.fsdecode(expected), cut)
    return compare(expected, cut)


def _compare_fields(expected: Any, actual: Fields) -> Verdict:
    if isinstance(expected, Mapping):
        items = expected.items()
        found = (compare_value(value, actual.raw(name)) if name in actual else Verdict.NO for name, value in items)
        return min(found, default=Verdict.YES)
    verdict = compare(expected, actual)
    if verdict is Verdict.NO and not is_predicate(expected):
        # Matchers of dicts want a dict (dirty-equals' IsDict).
        return compare(expected, {name: actual.raw(name) for name in actual})
    return verdict


def compare_path(wanted: str, actual: Any) -> Verdict:
    """Compare a path: an absolute one as a whole, a relative one with as many of the last components."""
    if isinstance(actual, Gap):
        return Verdict.UNKNOWN
    if isinstance(actual, Cut):
        return _compare_cut_path(wanted, actual)
    if not isinstance(actual, str):
        return Verdict.NO
    tidy = os.path.normpath(wanted)
    if _fits(tidy, actual) or _fits(wanted, actual):
        return Verdict.YES
    if ".." in actual.split("/") and _fits(tidy, os.path.normpath(actual)):
        return Verdict.UNKNOWN
    return Verdict.NO


def _fits(wanted: str, path: str) -> bool:
    return path == wanted or (not wanted.startswith("/") and path.endswith(f"/{wanted}"))


def _compare_cut_path(wanted: str, cut: Cut) -> Verdict:
    seen = str(cut.value)
    if not cut.start_missing:
        if wanted.startswith("/"):
            return compare(wanted, cut)
        return Verdict.UNKNOWN
    seen = seen.removeprefix("…")
    if not wanted.startswith("/") and _fits(wanted, seen):
        return Verdict.YES
    # Folders are missing as wholes.
    return Verdict.UNKNOWN if f"/{wanted}".endswith(seen) else Verdict.NO
