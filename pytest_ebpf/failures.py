"""What a failing assertion says: what was asked, what came nearest, the processes, what was lost."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeVar

from pytest_ebpf.report import cut_to, printable, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_ebpf._values import Gap
    from pytest_ebpf.explanations import Query
    from pytest_ebpf.window import Window

__all__ = ["closest", "counted", "doubts", "failure", "incomplete", "ledger", "matches", "rows"]

T = TypeVar("T")

_LABEL = 10
_INDENT = " " * _LABEL
_SHOWN = 3
_SHOWN_MATCHES = 8
_TREE_LINES = 40
_VALUE = 200
# A window may hold a million items that differ.
_EXPLAINED = 2000


def rows(label: str, lines: Iterable[str], limit: int = _SHOWN_MATCHES) -> list[str]:
    """Put a label before the first of some lines, and blanks before the others."""
    found = list(lines)
    if len(found) > limit:
        found[limit:] = [f"… and {len(found) - limit} more"]
    return [f"{label if index == 0 else '':<{_LABEL}}{line}".rstrip() for index, line in enumerate(found)]


def counted(matched: int, total: int) -> str:
    """Say how many of how many matched."""
    return f"({matched} of {total} matched)" if total else "(there was none at all)"


def matches(items: Sequence[T], row: Callable[[T], str], label: str = "matched") -> list[str]:
    """Show the items that matched."""
    lines = [row(item) for item in itertools.islice(items, _SHOWN_MATCHES)]
    if len(items) > _SHOWN_MATCHES:
        lines.append(f"… and {len(items) - _SHOWN_MATCHES:,} more")
    return rows(label, lines, limit=len(lines))


def closest(items: Sequence[T], query: Query[T], row: Callable[[T], str]) -> list[str]:
    """Show the items that came nearest to what was asked, and field by field what differed."""
    near = [(query.explain(item), item) for item in itertools.islice(items, _EXPLAINED)]
    explained = sorted(near, key=lambda pair: pair[0].distance)
    lines = []
    for explanation, item in explained[:_SHOWN]:
        fields = dict.fromkeys(each.field for each in explanation.differences)
        lines.append(f"{row(item)}   ← differs: {', '.join(fields)}")
        lines.extend(
            f"  {each.field}: {_value(each.actual)}, asked {_value(each.expected)}" for each in explanation.differences
        )
    return rows("closest", lines, limit=len(lines))


def _value(text: str) -> str:
    return cut_to(printable(text), _VALUE)


def doubts(items: Sequence[T], query: Query[T], row: Callable[[T], str]) -> list[str]:
    """Show the items of which it cannot be told whether they match, and why."""
    lines = []
    for item in items[:_SHOWN]:
        lines.append(row(item))
        gaps = query.explain(item).gaps
        lines.extend(f"  {name}: not known: {gap.why}" for name, gap in gaps)
        lines.extend(f"  try {remedy}" for remedy in _remedies(gap for _, gap in gaps))
    if len(items) > _SHOWN:
        lines.append(f"… and {len(items) - _SHOWN} more")
    return rows("may match", lines, limit=len(lines))


def _remedies(gaps: Iterable[Gap]) -> list[str]:
    return list(dict.fromkeys(gap.remedy for gap in gaps if gap.remedy))


def ledger(window: Window) -> str:
    """Say how much was seen, and how much not."""
    events = len(window.happenings())
    cuts = window.cuts()
    noun = "event" if events == 1 else "events"
    return (
        f"{'window':<{_LABEL}}{events} {noun}, {_calls(window)}{_functions(window)}{window.losses()}, {cuts} truncated"
    )


def _calls(window: Window) -> str:
    """Say how many system calls there were, where they are recorded."""
    if window.syscalls.none or not window.history.has_calls:
        return ""
    count = sum(each.calls for each in window.history.calls.count(window.first, window.last))
    return f"{count:,} {'call' if count == 1 else 'calls'}, "


def _functions(window: Window) -> str:
    """Say how many function calls there were, where any were asked for."""
    armings = window.history.functions.of(window)
    if not armings:
        return ""
    count = len({id(call) for arming in armings for _, call in arming.calls(window)})
    return f"{count:,} function {'call' if count == 1 else 'calls'}, "


def _end(window: Window) -> list[str]:
    lines = list(tree(window))
    if len(lines) > _TREE_LINES:
        hidden = len(lines) - _TREE_LINES
        lines[_TREE_LINES:] = [f"… and {hidden:,} more: print(ebpf_trace.tree())"]
    return [*rows("processes", lines, limit=len(lines)), ledger(window), *window.remarks()]


def failure(headline: str, evidence: list[str], window: Window) -> str:
    """Write the text of an assertion that does not hold."""
    return "\n".join([headline, *evidence, *_end(window)])


def incomplete(
    headline: str, gaps: Iterable[Gap], doubtful: list[str], window: Window, seen: Iterable[str] = ()
) -> str:
    """Write the text of an assertion of which it cannot be told whether it holds."""
    gaps = list(gaps)
    return "\n".join(
        [
            headline,
            *rows("because", [gap.why for gap in gaps]),
            *rows("try", _remedies(gaps)),
            *doubtful,
            *seen,
            *_end(window),
        ]
    )
