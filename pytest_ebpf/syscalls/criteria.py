"""What can be asked of a system call, beside which one it is and whose."""

from __future__ import annotations

import errno as errnos
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.explanations import show_actual
from pytest_ebpf.hints import did_you_mean, listed
from pytest_ebpf.matching import compare, is_plain, is_predicate
from pytest_ebpf.names import similarity_of
from pytest_ebpf.syscalls import facts
from pytest_ebpf.syscalls.addresses import SOCKET_FIELDS, address_judge
from pytest_ebpf.syscalls.comparing import (
    Judge,
    check,
    compare_value,
    descriptor_judge,
    field_judge,
    judge_for,
    path_judge,
)
from pytest_ebpf.syscalls.conditions import Expectation
from pytest_ebpf.syscalls.kinds import Path
from pytest_ebpf.syscalls.prototype import prototypes
from pytest_ebpf.syscalls.text import error_name
from pytest_ebpf.syscalls.values import Descriptor, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_ebpf.syscalls.call import Syscall
    from pytest_ebpf.syscalls.kinds import Kind

__all__ = ["Criterion", "SocketCriterion", "criterion"]


class Criterion(Expectation):
    """One field of a call, and what it is compared with."""

    def values(self, call: Syscall) -> list[Any]:
        """Return what is compared: values, gaps and cuts, of which one has to match."""
        raise NotImplementedError  # every kind of criterion has its own

    def judge(self, call: Syscall) -> Verdict:
        """Tell whether a call matches."""
        return max(
            (Verdict.NO if value is facts.ABSENT else self.compare(call, value) for value in self.values(call)),
            default=Verdict.NO,
        )

    def compare(self, call: Syscall, value: Any) -> Verdict:
        """Compare with one value."""
        raise NotImplementedError  # likewise

    def gap(self, call: Syscall) -> Gap:
        """Return why it cannot be told whether a call matches."""
        for value in self.values(call):
            gap = value.gap if isinstance(value, Cut) else value
            if isinstance(gap, Gap):
                return gap
        return Gap(f"{self.field} may be it through a symbolic link")

    def show(self, call: Syscall) -> str:
        """Write what a call has instead."""
        return " and ".join(dict.fromkeys(_shown(value) for value in self.values(call))) or "none"

    def similarity(self, call: Syscall) -> float:
        """Tell how near a call comes, 0 to 1."""
        texts = [value for value in self.values(call) if isinstance(value, str)]
        return similarity_of(str(self.expected), texts) if texts and is_plain(self.expected) else 0.0


class SocketCriterion(Criterion):
    """Of an address: all that is asked of it has to be so of the same one."""

    def __init__(self, wanted: Mapping[str, Any], judges: Mapping[str, Judge]) -> None:
        super().__init__(", ".join(wanted), next(iter(wanted.values())) if len(wanted) == 1 else dict(wanted))
        self._wanted, self._judges = wanted, judges

    def joined(self, other: SocketCriterion) -> SocketCriterion:
        """Return both as one."""
        return SocketCriterion({**self._wanted, **other._wanted}, {**self._judges, **other._judges})

    @property
    def late(self) -> bool:
        """Whether it is the author's code that judges."""
        return any(not is_plain(each) and is_predicate(each) for each in self._wanted.values())

    def values(self, call: Syscall) -> list[Any]:
        """Return the addresses of a call."""
        return list(facts.addresses(call))

    def compare(self, call: Syscall, value: Any) -> Verdict:
        """Compare with one."""
        del call
        if isinstance(value, Gap):
            return Verdict.UNKNOWN
        parts = ((getattr(value, name), judge) for name, judge in self._judges.items())
        return min(Verdict.NO if part is None else judge(part) for part, judge in parts)

    def show(self, call: Syscall) -> str:
        """Write the addresses that a call has."""
        return " and ".join(dict.fromkeys(map(written, self.values(call)))) or "none"


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, int | bytes) else show_actual(value)


class _Fact(Criterion):
    """Of every call."""

    def __init__(self, field: str, expected: Any, values: Callable[[Syscall], Iterable[Any]], judge: Judge) -> None:
        super().__init__(field, expected)
        self._values, self._judge = values, judge

    def values(self, call: Syscall) -> list[Any]:
        return list(self._values(call))

    def compare(self, call: Syscall, value: Any) -> Verdict:
        del call
        return self._judge(value)


class _Argument(Criterion):
    """Of those calls that have it."""

    def __init__(self, field: str, expected: Any) -> None:
        super().__init__(field, expected)
        self._judges: dict[int, Judge | UsageError] = {}

    def values(self, call: Syscall) -> list[Any]:
        return [facts.argument(call, self.field)]

    def judge(self, call: Syscall) -> Verdict:
        value = facts.argument(call, self.field)
        if value is facts.ABSENT:
            return Verdict.YES if self.expected is None else Verdict.NO
        return self.compare(call, value)

    def compare(self, call: Syscall, value: Any) -> Verdict:
        if isinstance(value, Gap):
            # What has no layout that is known here is not of the kind that was asked for either.
            return Verdict.UNKNOWN
        return max(
            (
                judge(value)
                for judge in (self.judge_of(kind) for kind in self.holders(facts.kinds(call)))
                if callable(judge)
            ),
            default=Verdict.NO,
        )

    def holders(self, kinds: Mapping[str, Kind]) -> list[Kind]:
        """Return the kinds that have a value of this field: the argument's own, or a structure's."""
        if self.field in kinds:
            return [kinds[self.field]]
        return [kind for kind in kinds.values() if self.field in kind.fields]

    def judge_of(self, kind: Kind) -> Judge | UsageError:
        """Return what compares a value of a kind; an error, if such a kind never has what was asked."""
        if id(kind) not in self._judges:
            try:
                own = self.field not in kind.fields
                self._judges[id(kind)] = (judge_for if own else field_judge)(self.field, self.expected, kind)
            except UsageError as error:
                self._judges[id(kind)] = error
        return self._judges[id(kind)]


def criterion(
    field: str, expected: Any, names: frozenset[str] | None, asked: str, *, argument: bool = False
) -> Criterion:
    """Check a criterion.

    Args:
        field: Of every call, or an argument of some.
        expected: What it is to be.
        names: Of the calls that are asked for; None: of all.
        asked: These, for messages.
        argument: It is an argument, whatever else has its name.

    Raises:
        UsageError: There is no such field, or it cannot have such a value.
    """
    calls = frozenset(prototypes()) if names is None else names
    if field in _FIELDS and not argument:
        return _FIELDS[field](field, expected, calls, asked)
    made = _Argument(field, expected)
    kinds = [kind for name in calls for kinds in facts.kinds_of(name) for kind in made.holders(kinds)]
    if not kinds:
        raise _unknown(field, calls, asked, () if argument else (*_FIELDS, "process"))
    found = [made.judge_of(kind) for kind in kinds]
    refusals = [each for each in found if isinstance(each, UsageError)]
    if len(refusals) == len(found):
        raise refusals[0]
    return made


def _unknown(field: str, calls: frozenset[str], asked: str, others: Iterable[str]) -> UsageError:
    arguments: dict[str, None] = {}
    for call in sorted(calls):
        for kinds in facts.kinds_of(call):
            for name, kind in kinds.items():
                arguments |= dict.fromkeys((name, *kind.fields))
    hint = did_you_mean(field, [*arguments, *others])
    has = f" (it has: {listed(field, arguments)})" if len(calls) == 1 and arguments else ""
    return UsageError(f"{asked} has no argument {field!r}{hint}{has}")


def _every_kind(calls: frozenset[str]) -> Iterator[Kind]:
    return (kind for name in calls for kinds in facts.kinds_of(name) for kind in kinds.values())


def _paths(field: str, expected: Any, calls: frozenset[str], asked: str) -> Criterion:
    some = any(isinstance(kind, Path) or facts.is_descriptor(kind) for kind in _every_kind(calls))
    if not some and not facts.make_descriptors(calls):
        raise UsageError(f"{asked} has no path, and no descriptor of a file that has one")
    return _Fact(field, expected, facts.paths, path_judge(field, _never_none(field, expected)))


def _descriptors(field: str, expected: Any, calls: frozenset[str], asked: str) -> Criterion:
    if not any(map(facts.is_descriptor, _every_kind(calls))):
        raise UsageError(f"{asked} is passed no descriptor")
    return _Fact(field, expected, facts.descriptors, descriptor_judge(field, _never_none(field, expected)))


def _never_none(field: str, expected: Any) -> Any:
    if expected is None:
        raise UsageError(f"{field} is never None")
    return expected


def _result(field: str, expected: Any, calls: frozenset[str], asked: str) -> Criterion:
    check(field, expected, text=facts.make_descriptors(calls))
    if isinstance(expected, str | bytes) and not facts.make_descriptors(calls):
        raise UsageError(f"{asked} returns a number, not {expected!r}")
    if is_plain(expected) and (
        isinstance(expected, bool | float) or not isinstance(expected, int | str | bytes | None)
    ):
        raise UsageError(f"result is a number, the path of a new descriptor, or None, not {expected!r}")
    return _Fact(field, expected, lambda call: [facts.result(call)], lambda value: _compare_result(expected, value))


def _compare_result(expected: Any, value: Any) -> Verdict:
    if isinstance(expected, str) and isinstance(value, int) and not isinstance(value, Descriptor):
        return Verdict.NO  # a path is meant
    return compare_value(expected, value)


def _error(field: str, expected: Any, calls: frozenset[str], asked: str) -> Criterion:
    del calls, asked
    check(field, expected, text=field == "error")
    wanted = expected
    if isinstance(expected, str):
        wanted = _error_number(field, expected)
    elif isinstance(expected, bool) or (is_plain(expected) and not isinstance(expected, int | None)):
        raise UsageError(f"{field} is an error's name or number, or None for success, not {expected!r}")
    elif isinstance(expected, int) and expected <= 0:
        raise UsageError(f"{field} is a positive number, not {expected!r}; None is success")
    by_name = field == "error" and not is_plain(expected)

    def judge(value: Any) -> Verdict:
        return compare(wanted, error_name(value) if by_name and isinstance(value, int) else value)

    return _Fact(field, expected, lambda call: [facts.errno(call)], judge)


_ERRNO_MAX = 134


def _error_number(field: str, name: str) -> int:
    numbers = {error_name(number): number for number in range(1, _ERRNO_MAX)}
    # Other names of the same, such as EWOULDBLOCK.
    numbers |= {each: number for each, number in vars(errnos).items() if each.startswith("E")}
    if name not in numbers:
        raise UsageError(f"{field}: there is no error {name!r}{did_you_mean(name, numbers)}")
    return numbers[name]


def _of_type(types: tuple[type, ...], noun: str, value: Callable[[Syscall], Any]) -> Any:
    def make(field: str, expected: Any, calls: frozenset[str], asked: str) -> Criterion:
        del calls, asked
        check(field, expected, text=str in types)
        mistaken = isinstance(expected, bool) and bool not in types
        if is_plain(expected) and (mistaken or not isinstance(expected, types)):
            raise UsageError(f"{field} is {noun}, not {expected!r}")
        return _Fact(field, expected, lambda call: [value(call)], lambda actual: compare(expected, actual))

    return make


def _abi(field: str, expected: Any, calls: frozenset[str], asked: str) -> Criterion:
    from pytest_ebpf.engine.calls import ABIS  # noqa: PLC0415 - heavy

    if isinstance(expected, str) and expected not in ABIS:
        raise UsageError(f"abi is one of {', '.join(ABIS)}, not {expected!r}")
    made: Criterion = _of_type((str,), "a text", lambda call: call.abi)(field, expected, calls, asked)
    return made


def _socket(field: str, expected: Any, calls: frozenset[str], asked: str) -> Criterion:
    if not any(facts.has_address(name) for name in calls):
        raise UsageError(f"{asked} has no socket address, and is passed no socket")
    check(field, expected, text=field == "address")
    return SocketCriterion({field: expected}, {field: address_judge(field, expected)})


_FIELDS: Mapping[str, Callable[[str, Any, frozenset[str], str], Criterion]] = {
    "path": _paths,
    **dict.fromkeys(SOCKET_FIELDS, _socket),
    "fd": _descriptors,
    "result": _result,
    "errno": _error,
    "error": _error,
    "duration": _of_type((int, float), "a number of seconds", facts.seconds),
    "unfinished": _of_type((bool,), "a bool", lambda call: call.unfinished),
    "in_progress": _of_type((bool,), "a bool", lambda call: call.in_progress),
    "denied": _of_type((bool,), "a bool", lambda call: call.denied),
    "abi": _abi,
    "number": _of_type((int,), "a number", lambda call: call.number),
    "tid": _of_type((int,), "a number", facts.tid),
    "host_tid": _of_type((int,), "a number", lambda call: call.host_tid),
    "time_ns": _of_type((int,), "a number", lambda call: call.time_ns),
    "window": _of_type((int,), "a number", lambda call: call.window),
}
