"""What is asked of function calls, and how each one answers."""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Gap, Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.explanations import Difference, Explanation
from pytest_ebpf.functions.criteria import criterion
from pytest_ebpf.matching import Glob, compare, glob, is_plain, is_predicate, is_wildcard, show
from pytest_ebpf.names import similarity_of
from pytest_ebpf.syscalls.conditions import Conditions
from pytest_ebpf.syscalls.who import Who, show_process, who

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_ebpf.functions.arming import Arming
    from pytest_ebpf.functions.call import FunctionCall
    from pytest_ebpf.window import Window

__all__ = ["FunctionQuery", "named"]


def named(name: Any) -> Callable[[str], bool]:
    """Return what tells whether a function goes by a name or a pattern."""
    if isinstance(name, bytes | os.PathLike):
        name = os.fsdecode(name)
    pattern = glob(name) if isinstance(name, str) and is_wildcard(name) else name
    return lambda function: bool(compare(pattern, function))


class FunctionQuery:
    """Asks of function calls: of which function, whose, and criteria."""

    def __init__(self, window: Window, armings: Iterable[Arming], subject: Any, criteria: Mapping[str, Any]) -> None:
        """Check what is asked.

        Args:
            window: In which time.
            armings: The probes that told of the calls.
            subject: A function's name, a pattern, a regular expression, a predicate on the call, or None.
            criteria: What of them.

        Raises:
            UsageError: What is asked cannot be.
        """
        predicate: Callable[[FunctionCall], object] | None = None
        self._named: Callable[[str], bool] | None = None
        self._wanted = ""
        texts = [
            f"{name}={show_process(value) if name == 'process' else show(value)}" for name, value in criteria.items()
        ]
        groups = [group for arming in armings for group in arming.definition.groups]
        if subject is not None:
            texts.insert(0, subject if isinstance(subject, str) else show(subject))
            if isinstance(subject, str | bytes | os.PathLike | re.Pattern | Glob):
                self._named = functools.cache(named(subject))
                self._wanted = texts[0]
                groups = [group for group in groups if any(map(self._named, group.functions))]
            elif not is_plain(subject) and is_predicate(subject):
                predicate = subject
            else:
                raise UsageError(f"functions are asked for by a name, a pattern or a predicate, not {subject!r}")
        self.asked = ", ".join(texts)
        rest = dict(criteria)
        self.who: Who | None = who(window, rest.pop("process"), of_calls=False) if "process" in rest else None
        arguments = rest.pop("args", {})
        if not isinstance(arguments, dict):
            raise UsageError(f"args is a dict of arguments by name, not {arguments!r}")
        about = self._wanted or ", ".join(dict.fromkeys(name for group in groups for name in group.functions)) or "it"
        made = [criterion(name, value, groups, about) for name, value in rest.items()]
        made += [criterion(name, value, groups, about, argument=True) for name, value in arguments.items()]
        self._conditions = Conditions(self.who, made, predicate)

    def goes_by(self, function: str) -> bool:
        """Whether a function is among those that are asked for by their names."""
        return self._named is None or self._named(function)

    def is_about(self, arming: Arming) -> bool:
        """Whether calls that a probe tells of may match."""
        return any(map(self.goes_by, arming.definition.functions))

    def judge(self, item: FunctionCall) -> Verdict:
        """Tell whether a call matches, asking predicates only of what the rest let through."""
        if self._named is not None and not self._named(item.function):
            return Verdict.NO
        return self._conditions.judge(item, min(self.judge_process(item), item.passed))

    def judge_process(self, item: FunctionCall) -> Verdict:
        """Tell whether a call is of the processes that are asked for."""
        raw = item.raw_call
        return self._conditions.judge_who(raw.process, raw.time_ns)

    def explain(self, item: FunctionCall) -> Explanation:
        """Tell by what a call differs."""
        result = Explanation()
        if self._named is not None and not self._named(item.function):
            result.differences.append(Difference("function", self._wanted, item.function))
            result.similarity += similarity_of(self._wanted, [item.function])
        if item.passed is Verdict.UNKNOWN:
            result.gaps.append(("where", Gap("the kernel could not read what it compares")))
        self._conditions.explain(item, self.judge_process(item), result)
        return result
