"""Judging events by criteria."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Gap, Verdict
from pytest_ebpf.criteria import EVENT_FIELDS, OF_IMAGE, Criterion, prepare
from pytest_ebpf.errors import UsageError
from pytest_ebpf.events import Event, Exec
from pytest_ebpf.explanations import Difference, Explanation, guarded, show_actual
from pytest_ebpf.matching import compare, is_predicate, show
from pytest_ebpf.names import compare_parent
from pytest_ebpf.processes import Process
from pytest_ebpf.user_programs.event import ProgramEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["EventQuery"]


def _raw(event: Event, field: str) -> object:
    """Return a field, which may be a `Gap` or a `Cut`."""
    if isinstance(event, Exec) and field in OF_IMAGE:
        return event.execution.raw(field)
    if isinstance(event, ProgramEvent) and getattr(event, field) is None:
        return Gap(f"its buffer does not tell the {field}", "ebpf_emit(), which does")
    if isinstance(event, ProgramEvent) and field == "value":
        return event.raw_value()
    value: object = getattr(event, field)
    return value


class EventQuery:
    """Asks of events: a class or a predicate, and criteria."""

    def __init__(self, subject: Any, criteria: Mapping[str, Any]) -> None:
        """Check what is asked.

        Raises:
            UsageError: What is asked cannot be.
        """
        self._class: type[Event] = Event
        self._predicate: Callable[[Event], object] | None = None
        texts = [f"{name}={show(value)}" for name, value in criteria.items()]
        if isinstance(subject, type) and issubclass(subject, Event):
            self._class = subject
            texts.insert(0, subject.__name__)
        elif subject is not None and is_predicate(subject) and not isinstance(subject, type):
            self._predicate = subject
            texts.insert(0, show(subject))
        elif subject is not None:
            raise UsageError(f"events are asked for by their class, such as Exec, not {subject!r}")
        self.asked = ", ".join(texts)
        self._criteria = prepare(criteria, EVENT_FIELDS, "an event")
        for each in self._criteria:
            if self._class is not Event and not hasattr(self._class, each.field):
                raise UsageError(f"{self._class.__name__} has no field {each.field!r}")

    @property
    def tells_programs_apart(self) -> bool:
        """Whether it is known beforehand which programs of the test's own have such events."""
        return self._class is not Event or any(each.field == "program" for each in self._criteria)

    def is_about_program(self, name: str) -> bool:
        """Whether events of a program of the test's own may match."""
        named = [each for each in self._criteria if each.field == "program" and not each.late]
        return issubclass(ProgramEvent, self._class) and all(compare(each.expected, name) for each in named)

    def judge(self, event: Event) -> Verdict:
        """Tell whether an event matches."""
        verdict = Verdict.YES if isinstance(event, self._class) else Verdict.NO
        for each in self._criteria:
            if not verdict:
                return verdict
            verdict = min(verdict, self._one(each, event))
        if verdict and self._predicate is not None:
            verdict = min(verdict, compare(self._predicate, event))
        return verdict

    @staticmethod
    def _one(criterion: Criterion, event: Event) -> Verdict:
        if not hasattr(type(event), criterion.field):
            return Verdict.NO
        actual = _raw(event, criterion.field)
        if isinstance(actual, Process):
            return compare_parent(criterion.expected, actual)
        return compare(criterion.expected, actual)

    def explain(self, event: Event) -> Explanation:
        """Tell by what an event differs."""
        result = Explanation()
        if not isinstance(event, self._class):
            result.differences.append(Difference("kind", self._class.__name__, event.kind))
        for each in self._criteria:
            verdict = guarded(self._one, each, event)
            if verdict is Verdict.UNKNOWN:
                result.gaps.append((each.field, Gap(f"{each.field} is not known")))
            elif verdict is Verdict.NO:
                has = hasattr(type(event), each.field)
                actual = show_actual(_raw(event, each.field)) if has else "no such field"
                result.differences.append(Difference(each.field, show(each.expected), actual))
        if self._predicate is not None and not guarded(compare, self._predicate, event):
            result.differences.append(Difference(show(self._predicate), "true", "false"))
        return result
