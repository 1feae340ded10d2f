"""What can be asked of a function call, beside which function it is and whose call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.hints import did_you_mean, listed
from pytest_ebpf.matching import compare, compare_items, is_plain
from pytest_ebpf.probes.types import (
    Array,
    Boolean,
    Bytes,
    Character,
    Chars,
    Enumeration,
    Float,
    Integer,
    PointerTo,
    Slice,
    Structure,
)
from pytest_ebpf.syscalls.comparing import check, compare_value
from pytest_ebpf.syscalls.conditions import ABSENT, ValueCriterion
from pytest_ebpf.syscalls.values import Fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ebpf.functions.call import FunctionCall
    from pytest_ebpf.functions.definition import Group
    from pytest_ebpf.probes.types import Type

__all__ = ["FACTS", "Criterion", "criterion"]

Judge = Callable[[Any], Verdict]


class _Place(NamedTuple):
    """Where in a group's arguments a field is, and what compares its value."""

    path: tuple[str, ...]
    judge: Judge


class Criterion(ValueCriterion["FunctionCall"]):
    """One field, and what it is compared with."""

    def __init__(self, field: str, expected: Any, groups: Mapping[int, _Place], fact: _Fact | None = None) -> None:
        super().__init__(field, expected)
        self._groups = groups
        self._fact = fact

    def value(self, item: FunctionCall) -> Any:
        """Return what is compared: a value, a `Gap`, a `Cut` or `ABSENT`."""
        if self._fact is not None:
            return self._fact.value(item)
        place = self._groups.get(id(item.group))
        return ABSENT if place is None else _follow(item, place.path)

    def compare(self, item: FunctionCall, value: Any) -> Verdict:
        """Compare with what is there."""
        place = self._groups.get(id(item.group))
        return compare_value(self.expected, value) if place is None else place.judge(value)


def _follow(call: FunctionCall, path: tuple[str, ...]) -> Any:
    value = call.raw(path[0])
    for name in path[1:]:
        if isinstance(value, Cut):
            value = value.value
        if isinstance(value, Gap):
            return value
        if not isinstance(value, Fields) or name not in value:
            return ABSENT
        value = value.raw(name)
    return value


class _Fact(NamedTuple):
    """What every call has."""

    value: Callable[[FunctionCall], Any]
    check: Callable[[str, Any], None]


def _of_type(types: tuple[type, ...], noun: str) -> Callable[[str, Any], None]:
    def check_type(field: str, expected: Any) -> None:
        check(field, expected, text=str in types)
        mistaken = isinstance(expected, bool) and bool not in types
        if is_plain(expected) and (mistaken or not isinstance(expected, types)):
            raise UsageError(f"{field} is {noun}, not {expected!r}")

    return check_type


def _tid(call: FunctionCall) -> Any:
    found = call.tid
    return Gap("the record of the thread's birth was lost") if found is None else found


def _returned(call: FunctionCall) -> Any:
    gap = call.no_return
    # That it was not seen, where nobody looked, says nothing.
    return gap if gap is not None and (not call.group.spec.returns or call.raw_call.hit.no_frame) else call.returned


FACTS: Mapping[str, _Fact] = {
    "duration": _Fact(lambda call: call.raw_duration(), _of_type((int, float), "a number of seconds")),
    "returned": _Fact(_returned, _of_type((bool,), "a bool")),
    "tid": _Fact(_tid, _of_type((int,), "a number")),
    "host_tid": _Fact(lambda call: call.host_tid, _of_type((int,), "a number")),
    "time_ns": _Fact(lambda call: call.time_ns, _of_type((int,), "a number")),
    "window": _Fact(lambda call: call.window, _of_type((int,), "a number")),
}
"""Fields of every call, beside `process`, `result` and `args`."""


def criterion(field: str, expected: Any, groups: Iterable[Group], asked: str, *, argument: bool = False) -> Criterion:
    """Check a criterion.

    Args:
        field: Of every call, an argument, a field of a structure that an argument is or points to, or the way to
            one further in: ``t__name``.
        expected: What it is to be.
        groups: Of the functions that are asked for.
        asked: These, for messages.
        argument: It is an argument, whatever else has its name.

    Raises:
        UsageError: There is no such field, or it cannot have such a value.
    """
    groups = list(groups)
    if field in FACTS and not argument:
        FACTS[field].check(field, expected)
        return Criterion(field, expected, {}, FACTS[field])
    if field == "result" and not argument:
        return _result(expected, groups, asked)
    places: dict[int, _Place] = {}
    refusals: list[UsageError] = []
    for group in groups:
        found = _resolve(field, group.types)
        if found is None:
            continue
        path, kind = found
        try:
            places[id(group)] = _Place(path, judge_for(field, expected, kind))
        except UsageError as error:
            refusals.append(error)
    if not places:
        raise refusals[0] if refusals else _unknown(field, groups, asked, argument=argument)
    return Criterion(field, expected, places)


def _result(expected: Any, groups: list[Group], asked: str) -> Criterion:
    told = [group for group in groups if group.spec.returns]
    if groups and not told:
        raise UsageError(
            f"what {asked} returns is not recorded; ask for it: ebpf_trace.uprobe(…, returns=…), with a type or True"
        )
    kinds = {id(group): group.result for group in told}
    judges = {key: judge_for("result", expected, kind) for key, kind in kinds.items()}
    return Criterion(
        "result",
        expected,
        {key: _Place(("result",), judge) for key, judge in judges.items()},
        _Fact(lambda call: call.raw_result(), lambda _field, _expected: None),
    )


def _unknown(field: str, groups: list[Group], asked: str, *, argument: bool) -> UsageError:
    names: dict[str, None] = {}
    for group in groups:
        for name, kind in group.types.items():
            names |= dict.fromkeys((name, *_fields(kind)))
    if not names:
        undecoded = next(filter(None, (group.find_undecoded() for group in groups)), None)
        reason = f" ({undecoded.why})" if undecoded is not None else ""
        return UsageError(
            f"of {asked} no argument is read{reason}, and so none is called {field!r}; say what to read, by name and"
            f" type: {field}='s32@arg0', {field}=ctypes.c_int"
        )
    others = () if argument else (*FACTS, "process", "result", "args")
    hint = did_you_mean(field, [*names, *others])
    return UsageError(f"{asked} has no argument {field!r}{hint} (it has: {listed(field, names)})")


def _fields(kind: Type | None) -> Mapping[str, Type]:
    """Return the fields of a structure, or of what a pointer leads to."""
    if isinstance(kind, PointerTo):
        kind = kind.target()
    return {each.name: each.type for each in kind.fields} if isinstance(kind, Structure) else {}


def _resolve(field: str, types: Mapping[str, Type | None]) -> tuple[tuple[str, ...], Type | None] | None:
    """Return the way to a field from a call's arguments, or from a structure's fields; and what it is.

    Raises:
        UsageError: Several have a field of this name.
    """
    if field in types:
        return (field,), types[field]
    holders = [name for name, kind in types.items() if field in _fields(kind)]
    if len(holders) > 1:
        ways = " or ".join(f"{name}__{field}" for name in holders)
        raise UsageError(f"{field!r} is a field of several arguments: say {ways}")
    if holders:
        return (holders[0], field), _fields(types[holders[0]])[field]
    for name in sorted(types, key=len, reverse=True):
        if field.startswith(f"{name}__"):
            found = _resolve(field[len(name) + 2 :], _fields(types[name]))
            if found is not None:
                return (name, *found[0]), found[1]
    return None


def judge_for(field: str, expected: Any, kind: Type | None) -> Judge:
    """Check what a value is compared with, and return what compares.

    Args:
        field: The value's name, for messages.
        expected: What was asked.
        kind: What the value is; None: a number.

    Raises:
        UsageError: Such a value never is that.
    """
    check(field, expected, text=_may_be_text(kind))
    if expected is None or not is_plain(expected):
        if expected is None and not isinstance(kind, PointerTo):
            raise UsageError(f"{field} is never None")
        return lambda actual: compare_value(expected, actual)
    if isinstance(kind, PointerTo):
        return _pointer(field, expected, kind)
    if isinstance(kind, Enumeration):
        return _enumeration(field, expected, kind)
    _refuse_misfit(field, expected, kind)
    if isinstance(kind, Structure):
        return _structure(field, expected, kind)
    if isinstance(kind, Array) and not _is_characters(kind):
        return _items(field, expected, kind.item)
    return lambda actual: compare_value(expected, actual)


def _structure(field: str, expected: Mapping[str, Any], kind: Structure) -> Judge:
    known = _fields(kind)
    for name in expected:
        if name not in known:
            raise UsageError(f"{field} has no field {name!r} (there are: {listed(name, known)})")
    judges = {name: judge_for(f"{field}: {name}", value, known[name]) for name, value in expected.items()}

    def judge(actual: Any) -> Verdict:
        if isinstance(actual, Gap | Cut):
            return Verdict.UNKNOWN
        if not isinstance(actual, Fields):
            return Verdict.NO  # behind a NULL pointer
        return min((judges[name](actual.raw(name)) for name in judges), default=Verdict.YES)

    return judge


def _items(field: str, expected: Any, item: Type) -> Judge:
    judges = {
        index: judge_for(f"an item of {field}", each, item) for index, each in enumerate(expected) if each is not ...
    }
    pattern = [each if each is ... else index for index, each in enumerate(expected)]

    def judge(actual: Any) -> Verdict:
        cut = isinstance(actual, Cut)
        seen = actual.value if isinstance(actual, Cut) else actual
        if isinstance(seen, Gap):
            return Verdict.UNKNOWN
        if not isinstance(seen, list | tuple):
            return Verdict.NO
        return compare_items(pattern, seen, open_end=cut, judge=lambda index, value: judges[index](value))

    return judge


def _pointer(field: str, expected: Any, kind: PointerTo) -> Judge:
    target = kind.target()
    if target is None or (isinstance(expected, int) and not isinstance(expected, bool) and _is_far(target)):
        _refuse_misfit(field, expected, None)  # the address is meant
        return lambda actual: compare_value(expected, actual)
    return judge_for(field, expected, target)


def _is_far(target: Type) -> bool:
    return isinstance(target, Structure | Chars | Bytes | Array)


def _enumeration(field: str, expected: Any, kind: Enumeration) -> Judge:
    if isinstance(expected, int) and not isinstance(expected, bool):
        return lambda actual: compare(expected, actual)
    names = kind.names()
    if not isinstance(expected, str) or expected not in names:
        hint = did_you_mean(str(expected), names) or f" (such as {next(iter(names), '0')!r})"
        raise UsageError(f"{field} is a number or one of the names of {kind.name}, not {expected!r}{hint}")
    number = names[expected]
    return lambda actual: compare(number, actual)


def _is_characters(kind: Type | None) -> bool:
    return isinstance(kind, Chars | Bytes | Slice | Character) or (
        isinstance(kind, Array) and isinstance(kind.item, Character)
    )


def _may_be_text(kind: Type | None) -> bool:
    if isinstance(kind, PointerTo):
        kind = kind.target()
    return _is_characters(kind)


def _refuse_misfit(field: str, expected: Any, kind: Type | None) -> None:
    types: tuple[type, ...]
    noun: str
    if _is_characters(kind):
        types, noun = (str, bytes), "text or bytes"
    elif isinstance(kind, Structure):
        types, noun = (Mapping,), f"a {kind.name.partition(' ')[0]}: ask for its fields, by a dict or by their names"
    elif isinstance(kind, Array):
        types, noun = (list, tuple), "several values: a list"
    elif isinstance(kind, Float):
        types, noun = (int, float), "a number"
    elif isinstance(kind, Boolean):
        types, noun = (bool,), "a bool"
    elif isinstance(kind, Integer) or kind is None:
        types, noun = (int,), "a number"
    else:
        return
    fits = isinstance(expected, types)
    if isinstance(expected, bool) is not (types == (bool,)) or not fits:
        raise UsageError(f"{field} is {noun}, not {expected!r}")
    if isinstance(kind, Integer):
        low = -(1 << kind.size * 8 - 1) if kind.signed else 0
        high = (1 << kind.size * 8 - kind.signed) - 1
        if not low <= expected <= high:
            raise UsageError(f"{field} is a number from {low} to {high}, and never {expected}")
