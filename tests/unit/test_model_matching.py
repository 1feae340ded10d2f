"""What matches what, in three values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from dirty_equals import Contains, IsInt, IsList
from hypothesis import given
from hypothesis import strategies as st

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.images import ExecText
from pytest_ebpf.matching import compare, glob, show

YES, NO, UNKNOWN = Verdict.YES, Verdict.NO, Verdict.UNKNOWN
GAP = Gap("it was lost")


def raises_incomplete(_value: object) -> bool:
    raise TraceIncomplete("not known")


@pytest.mark.parametrize(
    ("expected", "actual", "verdict"),
    [
        ("sh", "sh", YES),
        ("sh", "bash", NO),
        ("*.py", "foo.py", NO),
        (glob("*.py"), "foo.py", YES),
        (glob("*.PY"), "foo.py", NO),
        (glob("/usr/*"), "/usr/bin/sh", YES),
        (re.compile("^b.*h$"), "bash", YES),
        (re.compile("as"), "bash", YES),
        (re.compile("^as"), "bash", NO),
        (re.compile(b"\xff"), "\udcff", YES),
        (b"caf\xe9", "caf\udce9", YES),
        (Path("/tmp/x"), "/tmp/x", YES),
        (Path("/tmp/x"), "/tmp/y", NO),
        (lambda text: text.startswith("b"), "bash", YES),
        (lambda text: text.startswith("c"), "bash", NO),
        ("bash".__eq__, "bash", YES),
        (raises_incomplete, "bash", UNKNOWN),
        (ANY, "bash", YES),
        (IsInt, 5, YES),
        (IsInt(gt=5), 5, NO),
        (5, 5, YES),
        (None, None, YES),
        (None, 5, NO),
        (["a", "b"], ("a", "b"), YES),
        (("a", "b"), ("a", "b"), YES),
        (["a"], ("a", "b"), NO),
        ([], (), YES),
        ([], ("a",), NO),
        ([...], (), YES),
        ([...], ("a", "b"), YES),
        (["a", ...], ("a",), YES),
        (["a", ...], ("b", "a"), NO),
        ([..., "b"], ("a", "b"), YES),
        ([..., "b"], ("b", "a"), NO),
        ([..., "b", ...], ("a", "b", "c"), YES),
        ([..., "x", ...], ("a", "b", "c"), NO),
        ([..., "a", "b"], ("a", "a", "b"), YES),
        (["cc", ..., "-o", glob("*.o"), ...], ("cc", "-c", "-o", "x", "-o", "a.o", "a.c"), YES),
        (["cc", ..., "-o", glob("*.o")], ("cc", "-o", "a.o", "a.c"), NO),
        (["find", "-name", "*.py"], ("find", "-name", "foo.py"), NO),
        (["find", "-name", "*.py"], ("find", "-name", "*.py"), YES),
        ([ANY, Contains("x")], ("a", "x-ray"), YES),
        (IsList("a", "b"), ("a", "b"), YES),
        (Contains("b"), ("a", "b"), YES),
        (re.compile("-o .*o$"), ("cc", "-o", "a.o"), YES),
        ({"net"}, frozenset({"net", "pid"}), YES),
        ({"net", "mnt"}, frozenset({"net", "pid"}), NO),
        (set(), frozenset({"net"}), NO),
        (set(), frozenset(), YES),
        ({"A": "1"}, {"A": "1", "B": "2"}, YES),
        ({"A": "2"}, {"A": "1", "B": "2"}, NO),
        ({"C": ANY}, {"A": "1"}, NO),
        ({b"A": glob("?")}, {"A": "1"}, YES),
        ({}, {"A": "1"}, NO),
        ({}, {}, YES),
        # What is not known matches nothing for sure, and nothing surely not.
        ("sh", GAP, UNKNOWN),
        (ANY, GAP, UNKNOWN),
        (lambda _: False, GAP, UNKNOWN),
        # A text without its end.
        ("abcd", Cut("abc", GAP), UNKNOWN),
        ("abc", Cut("abc", GAP), NO),
        ("abd", Cut("abc", GAP), NO),
        ("ab", Cut("abc", GAP), NO),
        (glob("ab*"), Cut("abc", GAP), YES),
        (glob("*d"), Cut("abc", GAP), UNKNOWN),
        (re.compile("b"), Cut("abc", GAP), UNKNOWN),
        (lambda _: True, Cut("abc", GAP), UNKNOWN),
        ("abc", Cut("abc", GAP, may_be_whole=True), UNKNOWN),
        # A path without its beginning.
        ("/a/b/c", Cut("…/b/c", GAP, start_missing=True), UNKNOWN),
        ("/a/b/d", Cut("…/b/c", GAP, start_missing=True), NO),
        (glob("*/c"), Cut("…/b/c", GAP, start_missing=True), UNKNOWN),
        # Arguments without their end, counted or not.
        (["a", "b"], Cut(("a", "b"), GAP), UNKNOWN),
        (["a", "b", "c"], Cut(("a", "b"), GAP, 3), UNKNOWN),
        (["a", "b"], Cut(("a", "b"), GAP, 3), NO),
        (["x", ...], Cut(("a", "b"), GAP, 3), NO),
        (["a", ...], Cut(("a", "b"), GAP, 3), YES),
        (["a", ...], Cut(("a", "b"), GAP), YES),
        ([..., "z"], Cut(("a", "b"), GAP), UNKNOWN),
        ([..., "z"], Cut(("a", "b"), GAP, 2), NO),
        ([..., "bz"], Cut(("a", "b"), GAP, 2), UNKNOWN),
        ([], Cut((), GAP), UNKNOWN),
        (re.compile("a"), Cut(("a", "b"), GAP), UNKNOWN),
        # An environment without its end.
        ({"A": "1"}, Cut({"A": "1", "B": "2"}, GAP), YES),
        ({"A": "2"}, Cut({"A": "1", "B": "2"}, GAP), NO),
        ({"B": "2"}, Cut({"A": "1", "B": "2"}, GAP), UNKNOWN),
        ({"C": "2"}, Cut({"A": "1", "B": "2"}, GAP), UNKNOWN),
        ({}, Cut({"A": "1"}, GAP), NO),
    ],
)
def test_a_criterion_matches_a_value_or_does_not_or_nobody_knows(
    expected: Any, actual: object, verdict: Verdict
) -> None:
    assert compare(expected, actual) is verdict


argument = st.binary(max_size=3).map(lambda data: data.replace(b"\0", b"x"))
arguments = st.lists(argument, max_size=5)


def record_of(argv: list[bytes], limit: int | None = None, **changes: Any) -> dict[str, Any]:
    data = b"".join(item + b"\0" for item in argv)
    cut = limit is not None and len(data) > limit
    return {
        "argv": data[:limit] if cut else data,
        "argc": len(argv),
        "truncated": 16 if cut else 0,
        "unreadable": 0,
        **changes,
    }


@given(arguments)
def test_argument_bytes_survive_the_way_from_the_record(argv: list[bytes]) -> None:
    value = ExecText(record_of(argv)).get("argv")

    assert isinstance(value, tuple)
    assert [item.encode("utf-8", "surrogateescape") for item in value] == argv


@given(arguments)
def test_the_last_nul_may_be_missing(argv: list[bytes]) -> None:
    record = record_of(argv)
    record["argv"] = record["argv"][:-1]

    assert compare(argv, ExecText(record).get("argv")) is YES


@st.composite
def patterns(draw: st.DrawFn) -> tuple[list[bytes], list[Any]]:
    """Draw arguments and a pattern that is near them."""
    argv = draw(arguments)
    pattern: list[Any] = []
    for item in argv:
        kind = draw(st.sampled_from(["same", "same", "ellipsis", "glob", "other", "left out"]))
        kinds: dict[str, list[Any]] = {"same": [item], "ellipsis": [...], "glob": [glob("*")], "other": [b"q"]}
        pattern += kinds.get(kind, [])
    return argv, pattern + draw(st.sampled_from([[], [], [...], [b"q"]]))


def regex_of(pattern: list[Any]) -> re.Pattern[bytes]:
    parts = {id(...): rb"(?:[^\x00]*\x00)*"}
    return re.compile(
        b"".join(
            parts[id(...)] if item is ... else (re.escape(item) if isinstance(item, bytes) else rb"[^\x00]*") + rb"\x00"
            for item in pattern
        ),
        re.DOTALL,
    )


@given(patterns())
def test_a_pattern_with_ellipses_matches_what_the_same_regular_expression_does(
    drawn: tuple[list[bytes], list[Any]],
) -> None:
    argv, pattern = drawn
    matches = regex_of(pattern).fullmatch(b"".join(item + b"\0" for item in argv)) is not None

    assert compare(pattern, ExecText(record_of(argv)).get("argv")) is (YES if matches else NO)


@given(patterns(), st.integers(0, 20), st.booleans())
def test_cutting_arguments_never_turns_a_yes_into_a_no_or_back(
    drawn: tuple[list[bytes], list[Any]],
    limit: int,
    counted: bool,
) -> None:
    argv, pattern = drawn
    whole = compare(pattern, ExecText(record_of(argv)).get("argv"))
    record = record_of(argv, limit) if counted else record_of(argv, limit, argc=0)
    cut = compare(pattern, ExecText(record).get("argv")) if counted or record["truncated"] else whole

    assert cut in {whole, UNKNOWN}


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("sh", "'sh'"),
        (["cc", ..., glob("*.c")], "['cc', ..., glob('*.c')]"),
        (re.compile("x+"), "re.compile('x+')"),
        ({"pid", "net"}, "{'net', 'pid'}"),
        (set(), "set()"),
        ({"A": glob("?")}, "{'A': glob('?')}"),
        (Path("/etc"), "'/etc'"),
        (raises_incomplete, "raises_incomplete"),
        (ANY, "<ANY>"),
        (..., "..."),
    ],
)
def test_a_criterion_is_shown_as_it_was_written(expected: object, text: str) -> None:
    assert show(expected) == text
