"""What strace and we write differently though it is the same: each a cause of docs/strace.md.

Each takes a line of either and returns it in the form that they have in common.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from strace_lines import Line

__all__ = ["CAUSES", "NEWER_THAN_STRACE"]

NEWER_THAN_STRACE = 451
"""The first number that strace 6.1 has no name for (in all architectures: calls added since Linux 6.2)."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_OUTSIDE = re.compile(rf"({_STRING})|(?P<outside>[^\"]+)", re.DOTALL)
_FLAGS = re.compile(r"\b[A-Z][A-Z0-9_]*(?:\|[A-Z0-9x_a-f<]+)+")
_COMMENT = re.compile(r" /\* (?!\d+ entries)[^*]* \*/")
_EITHER = re.compile(r"\b[A-Z_0-9]+ or ([A-Z_0-9]+)\b")

_HUGE = re.compile(r"\b(M[A-Z]+_HUGE_)(\d+[KMG]B)")
_HUGE_SIZES = {"16KB": 14, "64KB": 16, "512KB": 19, "1MB": 20, "2MB": 21, "8MB": 23, "16MB": 24, "32MB": 25}
_HUGE_SIZES |= {"256MB": 28, "512MB": 29, "1GB": 30, "2GB": 31, "16GB": 34}
_NAME = re.compile(r"\b[A-Z][A-Z0-9_]+\b")
_UNNAMED = {"F_GET_RW_HINT": "0x40b", "F_SET_RW_HINT": "0x40c"}
STRUCTURE = 4096
"""CALL_STRUCT of ``bpf/pieces.h``."""


def _outside_strings(change: Callable[[str], str]) -> Callable[[Line], Line]:
    """Change what is no quoted string."""

    def text(old: str) -> str:
        return _OUTSIDE.sub(lambda found: change(found["outside"]) if found["outside"] else found[0], old)

    return lambda line: line._replace(arguments=text(line.arguments), result=text(line.result))


def _order_of_flags(text: str) -> str:
    return _FLAGS.sub(lambda found: "|".join(sorted(found[0].split("|"))), text)


def _comments(text: str) -> str:
    return _COMMENT.sub("", text)


def _names_of_one_request(text: str) -> str:
    return _EITHER.sub(r"\1", text)


def _sizes_of_huge_pages(text: str) -> str:
    return _HUGE.sub(lambda found: f"{_HUGE_SIZES[found[2]]}<<{found[1]}SHIFT", text)


def _unnamed(text: str) -> str:
    return _NAME.sub(lambda found: _UNNAMED.get(found[0], found[0]), text)


def _in(*names: str) -> Callable[[Callable[[str], str]], Callable[[Line], Line]]:
    """Change the arguments of some calls only."""

    def limit(change: Callable[[str], str]) -> Callable[[Line], Line]:
        return lambda line: line._replace(arguments=change(line.arguments)) if line.name in names else line

    return limit


@_in("name_to_handle_at")
def _size_of_a_handle(text: str) -> str:
    return re.sub(r"(\{handle_bytes=\d+) => \d+\}", r"\1}", text)


@_in("setxattr", "lsetxattr", "fsetxattr", "getxattr", "lgetxattr", "fgetxattr")
def _end_of_an_attribute(text: str) -> str:
    return re.sub(r'\\0", (\d+)', r'", \1', text)


@_in("mincore")
def _pages_in_core(text: str) -> str:
    return re.sub(r", (\[[0-9, ]+\]|0x[0-9a-f]+)$", ", VEC", text)


@_in("getdents", "getdents64")
def _entries_that_are_not_copied(text: str) -> str:
    return re.sub(r" /\* \d+ entries \*/(\.\.\.)?", "", text)


def _long_directory(line: Line) -> Line:
    return _entries_that_are_not_copied(line) if line.result.isdigit() and int(line.result) > STRUCTURE else line


@_in("ioctl")
def _terminal(text: str) -> str:
    return re.sub(r"\b(TC[GS]ETS[WF]?), (\{.*\}|0x[0-9a-f]+)$", r"\1, TERMIOS", text)


CAUSES: tuple[Callable[[Line], Line], ...] = (
    _outside_strings(_comments),
    _outside_strings(_names_of_one_request),
    _outside_strings(_order_of_flags),
    _outside_strings(_sizes_of_huge_pages),
    _outside_strings(_unnamed),
    _size_of_a_handle,
    _end_of_an_attribute,
    _pages_in_core,
    _long_directory,
    _terminal,
)
