"""What is asked of the events of a program of the test's own, and how each one answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Gap, Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.explanations import Explanation, Found, search
from pytest_ebpf.functions.criteria import judge_for
from pytest_ebpf.hints import did_you_mean, listed
from pytest_ebpf.matching import is_plain, is_predicate, show
from pytest_ebpf.probes.types import Structure
from pytest_ebpf.syscalls.comparing import compare_value
from pytest_ebpf.syscalls.conditions import ABSENT, Conditions, ValueCriterion
from pytest_ebpf.syscalls.values import Fields
from pytest_ebpf.syscalls.who import Who, show_process, who

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pytest_ebpf.functions.criteria import Judge
    from pytest_ebpf.probes.types import Type
    from pytest_ebpf.user_programs.event import ProgramEvent
    from pytest_ebpf.window import Window

__all__ = ["ProgramQuery"]

_WHOLE = "value"
_NO_TIME = Gap("a ring does not tell when its records were written", "ebpf_emit(), or the time as a field")
_NOBODY = Gap("a ring does not tell who wrote its records", "ebpf_emit(), or the pid as a field")


class _Criterion(ValueCriterion["ProgramEvent"]):
    """One field, and what it is compared with."""

    def __init__(self, field: str, expected: Any, judges: Mapping[int, Judge]) -> None:
        """Take it.

        Args:
            field: Of what was written, all of it, or when.
            expected: What it is to be.
            judges: By what the type of an event is (`id`); none: it is the time.
        """
        super().__init__(field, expected)
        self._judges = judges

    def value(self, item: ProgramEvent) -> Any:
        """Return what is compared: a value, a `Gap`, a `Cut` or `ABSENT`."""
        if not self._judges:
            return _NO_TIME if item.time_ns is None else item.time_ns
        value = item.raw_value()
        if isinstance(value, Gap) or (self.field == _WHOLE and id(item.type) in self._judges):
            return value
        return value.raw(self.field) if isinstance(value, Fields) and self.field in value else ABSENT

    def compare(self, item: ProgramEvent, value: Any) -> Verdict:
        """Compare with what is there."""
        # Two structures can have one name, and this one be the other: what it has is compared as it is.
        judge = self._judges.get(id(item.type))
        return compare_value(self.expected, value) if judge is None else judge(value)


class ProgramQuery:
    """Asks of a program's events: where they were written, whose they are, and criteria."""

    def __init__(
        self, window: Window, types: Mapping[str, Type], shown: str, subject: Any, criteria: Mapping[str, Any]
    ) -> None:
        """Check what is asked.

        Args:
            window: In which time.
            types: What can be written, by the name of the output.
            shown: What messages call the program.
            subject: An output's name, a predicate on the event, or None.
            criteria: Fields and what they are to be.

        Raises:
            UsageError: There is no such output or field, or it cannot have such a value.
        """
        self.output: str | None = None
        """Of which output."""
        predicate: Callable[[ProgramEvent], object] | None = None
        texts = [
            f"{name}={show_process(value) if name == 'process' else show(value)}" for name, value in criteria.items()
        ]
        if isinstance(subject, str):
            if subject not in types:
                raise UsageError(f"{shown} has no output {subject!r}{_instead(subject, types)}")
            self.output = subject
            types = {subject: types[subject]}
            texts.insert(0, subject)
        elif subject is not None and not is_plain(subject) and is_predicate(subject):
            predicate = subject
            texts.insert(0, show(subject))
        elif subject is not None:
            raise UsageError(f"the events of {shown} are asked for by an output's name or a predicate, not {subject!r}")
        self.asked = ", ".join(texts)
        rest = dict(criteria)
        self.who: Who | None = who(window, rest.pop("process"), of_calls=False) if "process" in rest else None
        fields = rest.pop("fields", {})
        if not isinstance(fields, dict):
            raise UsageError(f"fields is a dict of fields by name, not {fields!r}")
        made = [_criterion(name, value, types, self.output or shown) for name, value in rest.items()]
        made += [_criterion(name, value, types, self.output or shown, field=True) for name, value in fields.items()]
        self._conditions = Conditions(self.who, made, predicate)

    def search(self, items: Sequence[ProgramEvent]) -> Found[ProgramEvent]:
        """Judge all events of the output that is asked for."""
        looked_at = items if self.output is None else [item for item in items if item.output == self.output]
        found = search(looked_at, self)
        found.others = len(items) - len(looked_at)
        return found

    def judge(self, item: ProgramEvent) -> Verdict:
        """Tell whether an event matches."""
        if self.output is not None and item.output != self.output:
            return Verdict.NO
        return self._conditions.judge(item, self._judge_process(item))

    def _judge_process(self, item: ProgramEvent) -> Verdict:
        if self.who is None:
            return Verdict.YES
        if item.process is None or item.time_ns is None:
            return Verdict.NO if item.outsider else Verdict.UNKNOWN
        return self._conditions.judge_who(item.process.life.key, item.time_ns)

    def explain(self, item: ProgramEvent) -> Explanation:
        """Tell by what an event of the output that is asked for differs."""
        result = Explanation()
        whose = self._judge_process(item)
        if item.process is None:
            self._conditions.explain(item, whose, result, _NOBODY)
        else:
            self._conditions.explain(item, whose, result)
        return result


def _criterion(name: str, expected: Any, types: Mapping[str, Type], shown: str, *, field: bool = False) -> _Criterion:
    if name == "time_ns" and not field:
        return _Criterion(name, expected, {})
    judges: dict[int, Judge] = {}
    refusals: list[UsageError] = []
    known: dict[str, None] = {}
    for kind in types.values():
        fields = {each.name: each.type for each in kind.fields} if isinstance(kind, Structure) else {}
        known |= dict.fromkeys(fields)
        if name not in fields and (name != _WHOLE or field):
            continue
        try:
            judges[id(kind)] = judge_for(name, expected, fields.get(name, kind))
        except UsageError as error:
            refusals.append(error)
    if judges:
        return _Criterion(name, expected, judges)
    if refusals:
        raise refusals[0]
    there = [*known, _WHOLE, "process", "time_ns"]
    raise UsageError(f"the events of {shown} have no field {name!r}{_instead(name, there)}")


def _instead(name: str, names: Collection[str]) -> str:
    there = f" (there are: {listed(name, sorted(names))})" if names else " (there is none)"
    return f"{did_you_mean(name, names)}{there}"
