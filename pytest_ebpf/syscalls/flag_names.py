"""Flags and other named numbers, as a test writes them: a number, ``"O_RDWR|O_CLOEXEC"``, or a set of flags."""

from __future__ import annotations

import functools
import operator
import re
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.hints import did_you_mean
from pytest_ebpf.matching import compare
from pytest_ebpf.syscalls.flags import EnumSet, set_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf.syscalls.flags import FlagSet

__all__ = ["check_names", "compare_members", "compare_unnamed", "judge", "members"]

_NAME = re.compile("[A-Z][A-Z0-9_]+")


def _set(name: str) -> FlagSet | EnumSet:
    from pytest_ebpf.syscalls.flagsets import FLAGSETS  # noqa: PLC0415 - many names, of which few tests ask for any

    return FLAGSETS[name]


def judge(field: str, expected: Any, set_name: str) -> Callable[[Any], Verdict]:
    """Check what flags are compared with, and return what compares.

    Args:
        field: The argument's name, for messages.
        expected: A number or a text: all of them; a set or list: at least these.
        set_name: Of the flags there are (`pytest_ebpf.syscalls.flagsets`).

    Raises:
        UsageError: It is neither, or has a name that these flags do not.
    """
    return _judge(field, expected, _set(set_name))


def _judge(field: str, expected: Any, names: FlagSet | EnumSet) -> Callable[[Any], Verdict]:
    if isinstance(expected, int | str) and not isinstance(expected, bool):
        whole = expected if isinstance(expected, int) else _number(field, expected, names)
        return lambda actual: compare(whole, actual)
    if isinstance(names, EnumSet):
        raise UsageError(
            f"{field} is one of several values: a number, or a name such as {next(iter(names.values))!r},"
            f" not {expected!r}"
        )
    if not isinstance(expected, set | frozenset | list | tuple):
        raise UsageError(
            f"{field} is flags: a number, a text such as 'A|B', or a set of those that are to be there,"
            f" not {expected!r}"
        )
    if not expected:
        return lambda actual: compare(0, actual)
    bits = tuple(_bits(field, each, names) for each in expected)
    return lambda actual: _has(bits, actual)


def _has(bits: tuple[tuple[int, int], ...], actual: Any) -> Verdict:
    if not isinstance(actual, int):
        return compare(0, actual)  # a gap, or what is no number
    return Verdict.YES if all(actual & mask == value for mask, value in bits) else Verdict.NO


def _number(field: str, text: str, names: FlagSet | EnumSet) -> int:
    found = 0
    for name in text.split("|"):
        found |= _value(field, name.strip(), names)
    return found


def _value(field: str, name: str, names: FlagSet | EnumSet) -> int:
    if name in names.values:
        return names.values[name]
    try:
        return int(name, 0)
    except ValueError:
        raise UsageError(f"{field} has no {name!r}{did_you_mean(name, names.values)}") from None


def _bits(field: str, flag: Any, names: FlagSet) -> tuple[int, int]:
    """Return a mask, and what a number that has the flag has there."""
    if isinstance(flag, int) and not isinstance(flag, bool):
        return (int(flag), int(flag)) if flag else (-1, 0)
    if not isinstance(flag, str):
        raise UsageError(f"{field} has flags by name or number, not {flag!r}")
    value = _value(field, flag, names)
    for mask, enum in (*names.first.items(), *names.last.items()):
        if flag in enum.values:
            return mask, value
    # A name for nothing, such as PROT_NONE: there is nothing else.
    return (value, value) if value else (-1, 0)


def compare_unnamed(expected: Any, actual: int) -> Verdict:
    """Compare names with a number that may know its own, where its kind does not say which there are.

    Raises:
        UsageError: There is no such name at all.
    """
    wanted = expected.split("|") if isinstance(expected, str) else expected
    if not all(isinstance(each, int) or _NAME.fullmatch(each.strip()) for each in wanted):
        return Verdict.NO
    bits = [_constant(each) for each in wanted]
    own = set_of(actual)
    if own is not None:
        try:
            return _judge("it", expected, own)(actual)
        except UsageError:
            return Verdict.NO  # a name of another set, as that of an option of another level
    if isinstance(expected, str):
        return compare(functools.reduce(operator.or_, bits, 0), actual)
    if not bits:
        return compare(0, actual)
    return Verdict.YES if all(actual & bit == bit if bit else not actual for bit in bits) else Verdict.NO


def check_names(field: str, expected: Any) -> None:
    """Check names that `compare_unnamed` is to compare with the number that a field is.

    Raises:
        UsageError: They are none, or there is no such name.
    """
    for each in expected.split("|") if isinstance(expected, str) else expected:
        name = isinstance(each, str) and _NAME.fullmatch(each.strip())
        if isinstance(each, bool) or not (name or isinstance(each, int)):
            raise UsageError(f"{field} is a number, or the names of some, not {expected!r}")
        _constant(each)


def members(field: str, expected: Any, set_name: str) -> frozenset[int]:
    """Return the numbers that a set of numbers or names stands for.

    Args:
        field: The argument's name, for messages.
        expected: The set.
        set_name: Of the names that there are; empty: there are only numbers.

    Raises:
        UsageError: There is something else in it.
    """
    found = set()
    for each in expected:
        if isinstance(each, str) and set_name:
            found.add(_value(field, each, _set(set_name)))
        elif isinstance(each, int) and not isinstance(each, bool):
            found.add(int(each))
        else:
            raise UsageError(f"{field} is a set of numbers{' or names' * bool(set_name)}, and {each!r} is none")
    return frozenset(found)


def compare_members(expected: Any, actual: frozenset[int]) -> Verdict:
    """Compare a set of numbers and names with a set whose numbers may have names: it has at least these."""
    wanted = members("it", expected, getattr(actual, "flagset", ""))
    return Verdict.YES if (wanted <= actual if wanted else not actual) else Verdict.NO


def _constant(name: Any) -> int:
    from pytest_ebpf.syscalls.constants import value  # noqa: PLC0415 - many names, of which few tests ask for any

    if not isinstance(name, str):
        return int(name)
    return value(name.strip())
