"""Refusing what an argument never is: it would never match, and an assertion of absence always pass.

What an argument is, an example tells: a value such as it has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pytest_ebpf.errors import UsageError
from pytest_ebpf.matching import is_plain
from pytest_ebpf.syscalls import flag_names
from pytest_ebpf.syscalls.flags import Named
from pytest_ebpf.syscalls.values import Descriptor, Fields

__all__ = ["may_be_text", "refuse_misfit", "sort_of"]

_SORTS: tuple[tuple[type, tuple[type, ...], str], ...] = (
    (Fields, (Mapping,), "a structure: ask for its fields by a dict"),
    (frozenset, (set, frozenset), "a set"),
    (tuple, (list, tuple), "a list"),
    (bytes, (str, bytes), "bytes"),
    (str, (str, bytes, os.PathLike), "a text"),
    (Descriptor, (int, str, bytes, os.PathLike), "a descriptor: its number, or the path of the file behind it"),
    (bool, (bool,), "a bool"),
    (int, (int,), "a number"),
)
"""Of an example: what has to be compared with it."""


def sort_of(value: Any) -> tuple[tuple[type, ...], str]:
    """Return the types of what can be compared with a value, and what it is, for messages."""
    return next((types, noun) for sort, types, noun in _SORTS if isinstance(value, sort))


def _may_be_named(example: Any, *, names: bool) -> bool:
    if isinstance(example, Named):
        return True
    return names and isinstance(example, int) and not isinstance(example, bool | Descriptor)


def may_be_text(example: Any) -> bool:
    """Whether a pattern may match a value such as an example, which is None if nothing is known."""
    return example is None or isinstance(example, str | bytes) or (isinstance(example, tuple) and "" in example)


def refuse_misfit(field: str, expected: Any, example: Any, *, names: bool = False) -> None:
    """Check what a value is compared with.

    Args:
        field: Whose value it is, for messages.
        expected: What was asked.
        example: A value such as it has; None: nothing is known of it.
        names: Whether a number may be asked for by a constant's name, as well.

    Raises:
        UsageError: It is a plain value of a type that the value never has.
    """
    if example is None or expected is None or not is_plain(expected):
        return
    if _may_be_named(example, names=names) and isinstance(expected, str | set | frozenset):
        flag_names.check_names(field, expected)
        if isinstance(example, Named) and not isinstance(expected, str):
            raise UsageError(f"{field} is one of several values: a number or a name, not {expected!r}")
        return
    types, noun = sort_of(example)
    if isinstance(expected, bool) is not isinstance(example, bool) or not isinstance(expected, types):
        raise UsageError(f"{field} is {noun}, not {'for ' * isinstance(example, Fields)}{expected!r}")
    _refuse_parts(field, expected, example)


def _refuse_parts(field: str, expected: Any, example: Any) -> None:
    if isinstance(example, frozenset):
        flag_names.members(field, expected, getattr(example, "flagset", ""))
    elif isinstance(example, Fields):
        for name in expected.keys() & example.keys():
            refuse_misfit(f"{field}: {name}", expected[name], example.raw(name), names=True)
    elif isinstance(example, tuple) and example:
        for each in expected:
            if each is not ...:
                refuse_misfit(f"an item of {field}", each, example[0], names=True)
