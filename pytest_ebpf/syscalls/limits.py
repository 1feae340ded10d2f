"""Deciding that nothing but some system calls was made, and that some were made no more often than allowed."""

from __future__ import annotations

import array
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_ebpf import failures
from pytest_ebpf._values import Verdict
from pytest_ebpf.errors import TraceIncomplete, UsageError
from pytest_ebpf.syscalls.asking import Asked, CallQuery
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.syscalls.claims import CallClaim, check_somebody
from pytest_ebpf.syscalls.groups import Family
from pytest_ebpf.syscalls.places import Places, calls_of, search
from pytest_ebpf.syscalls.scope import Scope
from pytest_ebpf.syscalls.sequence import call_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ebpf._values import Gap
    from pytest_ebpf.window import Window

__all__ = ["prove_budget", "prove_only"]

_GROUPS = 8


def prove_only(window: Window, allowed: Sequence[Any], criteria: Mapping[str, Any], *, allow_io_uring: bool) -> None:
    """Make sure that all calls are among those allowed.

    Args:
        window: Of which time.
        allowed: Names, patterns, groups, families, and what `call` made.
        criteria: ``process``, or nothing.
        allow_io_uring: Whether what is done through an io_uring is left aside.

    Raises:
        AssertionError: Others were made.
        TraceIncomplete: It cannot be told.
        UsageError: What is allowed cannot be.
    """
    __tracebackhide__ = True
    if isinstance(allowed, str | Family | Asked) or not isinstance(allowed, list | tuple | set | frozenset):
        raise UsageError(f"assert_only takes a list of what is allowed, such as ['read', 'write'], not {allowed!r}")
    base = CallQuery(window, None, criteria)
    queries = [CallQuery(window, each, {}, unrecorded=True) for each in allowed]
    whose = search(calls_of(window), base)
    others, doubtful = _others(window, whose.matched, queries)
    unsure, more = _others(window, whose.doubtful, queries)
    doubtful.extend([*unsure, *more])
    text = ", ".join(query.short for query in queries) or "none"
    about = f" ({base.who.asked})" if base.who else ""
    total = len(whose.matched)
    if others:
        headline = f"expected no system calls{about} but {text}   ({len(others):,} of {total:,} are others)"
        evidence = _grouped(Places(window, others), queries)
        raise AssertionError(failures.failure(headline, evidence, window))
    gaps = Scope(allow_io_uring=allow_io_uring).narrowed(base).gaps(window)
    if gaps or doubtful:
        headline = f"cannot tell whether no system calls{about} were made but {text}"
        _cannot_tell(headline, gaps, _doubts(Places(window, doubtful), queries, base), window)
    check_somebody(base.who)


def _others(
    window: Window, calls: Sequence[Syscall], queries: Sequence[CallQuery]
) -> tuple[array.array[int], array.array[int]]:
    """Return the places of those that are not allowed, and of those that may not be."""
    found = (array.array("I"), array.array("I"))
    places = calls.places if isinstance(calls, Places) else array.array("I")
    plain = [query for query in queries if query.plain]
    if any(query.numbers is None for query in plain):
        return found
    numbers = frozenset(pair for query in plain for pair in query.numbers or ())
    rest = [query for query in queries if not query.plain]
    for place in window.history.calls.narrow(places, numbers, unwanted=True):
        verdict = max((query.judge(Syscall(place, window)) for query in rest), default=Verdict.NO)
        if verdict is not Verdict.YES:
            found[verdict].append(place)
    return found


def _grouped(others: Places, queries: Sequence[CallQuery]) -> list[str]:
    """Show what was not allowed: each kind of call with its number and the first of them."""
    groups: dict[str, list[int]] = {}
    for index in range(len(others)):
        groups.setdefault(others[index].name, []).append(index)
    lines = []
    for name, indexes in sorted(groups.items(), key=lambda item: -len(item[1])):
        first = others[indexes[0]]
        lines.append(f"{name} x {len(indexes):,}: {call_row(first)}{_difference(first, queries)}")
    return failures.rows("others", lines, _GROUPS)


def _difference(call: Syscall, queries: Sequence[CallQuery]) -> str:
    """Say by what a call differs from what is allowed under its name."""
    near = [query.explain(call) for query in queries if query.numbers and (call.abi, call.number) in query.numbers]
    if not near:
        return ""
    fields = min(near, key=lambda each: each.distance).differences
    return f"   ← differs: {', '.join(dict.fromkeys(each.field for each in fields))}"


def _doubts(calls: Places, queries: Sequence[CallQuery], base: CallQuery) -> list[str]:
    lines = []
    for index in range(min(len(calls), _GROUPS)):
        lines.append(call_row(calls[index]))
        gaps = [gap for query in (base, *queries) for gap in query.explain(calls[index]).gaps]
        lines += [f"  {name}: not known: {gap.why}" for name, gap in dict.fromkeys(gaps)]
    return failures.rows("may be", lines, limit=len(lines))


def _cannot_tell(headline: str, gaps: Sequence[Gap], doubts: list[str], window: Window) -> NoReturn:
    __tracebackhide__ = True
    raise TraceIncomplete(failures.incomplete(headline, gaps, doubts, window))


def prove_budget(
    window: Window, limits: Mapping[Any, int], criteria: Mapping[str, Any], *, allow_io_uring: bool
) -> None:
    """Make sure that no call was made more often than allowed.

    Args:
        window: Of which time.
        limits: How often at most, by name, pattern, group, family or what `call` made.
        criteria: ``process``, or nothing.
        allow_io_uring: Whether what is done through an io_uring is left aside.

    Raises:
        AssertionError: One was.
        TraceIncomplete: It cannot be told.
        UsageError: What is asked cannot be.
    """
    __tracebackhide__ = True
    if not isinstance(limits, dict) or not limits:
        raise UsageError(
            f"a budget is a dict of calls and how often each at most, such as {{'fsync': 1}}, not {limits!r}"
        )
    over, text = [], []
    gaps: dict[Gap, None] = {}
    doubts: list[str] = []
    for subject, most in limits.items():
        if isinstance(most, bool) or not isinstance(most, int) or most < 0:
            raise UsageError(f"a budget has a number for each call, 0 or more, not {most!r}")
        claim = CallClaim(window, subject, criteria, allow_io_uring=allow_io_uring)
        text.append(f"{most} {claim.short}")
        found = claim.find()
        if len(found.matched) > most:
            over += [f"{claim.short}: {len(found.matched):,}, at most {most:,}", f"  {call_row(found.matched[most])}"]
            continue
        if len(found.matched) + len(found.doubtful) > most:
            doubts += failures.doubts(found.doubtful, claim.query, claim.row)
        gaps |= dict.fromkeys(claim.gaps(negative=True))
    if over:
        headline = f"expected at most {', '.join(text)} system calls"
        raise AssertionError(failures.failure(headline, failures.rows("over", over, limit=len(over)), window))
    if gaps or doubts:
        _cannot_tell(
            f"cannot tell whether at most {', '.join(text)} system calls were made", list(gaps), doubts, window
        )
