"""What is asked of the events of a program of the test's own, and how each one answers."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.explanations import Difference, Explanation, guarded, show_actual
from pytest_ebpf.functions.criteria import judge_for
from pytest_ebpf.matching import compare, is_plain, is_predicate, show
from pytest_ebpf.names import similarity_of
from pytest_ebpf.probes.types import Structure
from pytest_ebpf.syscalls.comparing import compare_value
from pytest_ebpf.syscalls.values import Fields, written
from pytest_ebpf.syscalls.who import Who, show_process, who

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ebpf.functions.criteria import Judge
    from pytest_ebpf.probes.types import Type
    from pytest_ebpf.user_programs.event import ProgramEvent
    from pytest_ebpf.window import Window

__all__ = ["ProgramQuery"]

_WHOLE = "value"
_NO_TIME = Gap("a ring does not tell when its records were written", "ebpf_emit(), or the time as a field")
_NOBODY = Gap("a ring does not tell who wrote its records", "ebpf_emit(), or the pid as a field")


class _Absent:
    def __repr__(self) -> str:
        return "no such field"


_ABSENT = _Absent()


class _Criterion(NamedTuple):
    field: str
    expected: Any
    judges: Mapping[int, Judge]
    """By what the type of an event is (`id`)."""

    @property
    def late(self) -> bool:
        """Whether it is the author's code that judges."""
        return not is_plain(self.expected) and is_predicate(self.expected)

    def value(self, event: ProgramEvent) -> Any:
        if self.field == "time_ns" and not self.judges:
            return _NO_TIME if event.time_ns is None else event.time_ns
        value = event.raw_value()
        if self.field == _WHOLE and id(event.type) in self.judges:
            return value
        if isinstance(value, Gap):
            return value
        return value.raw(self.field) if isinstance(value, Fields) and self.field in value else _ABSENT

    def judge(self, event: ProgramEvent) -> Verdict:
        value = self.value(event)
        if value is _ABSENT:
            return Verdict.NO
        if not self.judges:
            return compare_value(self.expected, value)
        judge = self.judges.get(id(event.type))
        return Verdict.NO if judge is None else judge(value)


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
        self._predicate: Callable[[ProgramEvent], object] | None = None
        texts = [
            f"{name}={show_process(value) if name == 'process' else show(value)}" for name, value in criteria.items()
        ]
        if isinstance(subject, str):
            if subject not in types:
                raise UsageError(f"{shown} has no output {subject!r}{_near(subject, types)}")
            self.output = subject
            types = {subject: types[subject]}
            texts.insert(0, subject)
        elif subject is not None and not is_plain(subject) and is_predicate(subject):
            self._predicate = subject
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
        # The author's code should see only what the rest lets through.
        self._criteria = sorted(made, key=lambda each: each.late)

    def judge(self, item: ProgramEvent) -> Verdict:
        """Tell whether an event matches."""
        if self.output is not None and item.output != self.output:
            return Verdict.NO
        verdict = self._judge_process(item)
        for each in self._criteria:
            if not verdict:
                return verdict
            verdict = min(verdict, each.judge(item))
        if verdict and self._predicate is not None:
            verdict = min(verdict, compare(self._predicate, item))
        return verdict

    def _judge_process(self, item: ProgramEvent) -> Verdict:
        if self.who is None:
            return Verdict.YES
        if item.process is None or item.time_ns is None:
            return Verdict.NO if item.outsider else Verdict.UNKNOWN
        for spans, verdict in ((self.who.sure, Verdict.YES), (self.who.doubtful, Verdict.UNKNOWN)):
            if any(span[:2] == item.process.life.key and span.from_ns <= item.time_ns < span.to_ns for span in spans):
                return verdict
        return Verdict.NO

    def explain(self, item: ProgramEvent) -> Explanation:
        """Tell by what an event differs."""
        result = Explanation()
        if self.output is not None and item.output != self.output:
            result.differences.append(Difference("output", self.output, item.output))
            result.similarity += similarity_of(self.output, [item.output])
        whose = self._judge_process(item)
        if whose is Verdict.NO and self.who is not None:
            actual = "no process of the test's" if item.process is None else f"pid {item.process.raw('pid')}"
            result.differences.append(Difference("process", self.who.asked.partition("=")[2], actual))
        elif whose is Verdict.UNKNOWN:
            known = Gap("whether it goes by that name is not known")
            result.gaps.append(("process", _NOBODY if item.process is None else known))
        for each in self._criteria:
            self._explain(result, each, item)
        if self._predicate is not None and not guarded(compare, self._predicate, item):
            result.differences.append(Difference(show(self._predicate), "true", "false"))
        return result

    @staticmethod
    def _explain(result: Explanation, each: _Criterion, item: ProgramEvent) -> None:
        verdict, value = guarded(each.judge, item), each.value(item)
        if verdict is Verdict.UNKNOWN:
            gap = value.gap if isinstance(value, Cut) else value
            result.gaps.append((each.field, gap if isinstance(gap, Gap) else Gap(f"{each.field} is not whole")))
        elif verdict is Verdict.NO:
            shown = show_actual(value) if isinstance(value, Gap | Cut | _Absent) else written(value)
            result.differences.append(Difference(each.field, show(each.expected), shown))


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
    raise UsageError(
        f"the events of {shown} have no field {name!r}{_near(name, [*known, _WHOLE, 'process', 'time_ns'])}"
    )


def _near(name: str, names: Any) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    there = ", ".join(sorted(names))
    return (f"; did you mean {near[0]!r}?" if near else "") + (
        f" (there are: {there})" if there else " (there is none)"
    )
