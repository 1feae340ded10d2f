"""The steps of a sequence: system calls, and calls of functions that have probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions.call import FunctionCall
from pytest_ebpf.functions.evidence import Scope as FunctionScope
from pytest_ebpf.functions.probe import FunctionSequence, calls_of
from pytest_ebpf.functions.query import FunctionQuery
from pytest_ebpf.functions.text import function_row
from pytest_ebpf.syscalls.asking import Asked, CallQuery
from pytest_ebpf.syscalls.sequence import call_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_ebpf._values import Gap
    from pytest_ebpf.syscalls.call import Syscall
    from pytest_ebpf.window import Window

__all__ = ["CallStep", "FunctionStep", "Functions", "check_by", "row", "step_of"]


class CallStep:
    """A system call of the sequence."""

    def __init__(self, window: Window, subject: Any) -> None:
        asked = subject if isinstance(subject, Asked) else Asked(subject, {}, "file")
        self.of_directory = asked.of == "directory"
        self.query = CallQuery(window, asked, {})
        self.text = self.query.short + (" (of its directory)" if self.of_directory else "")
        # A call that failed is no step, unless it is to fail.
        self._may_fail = bool(asked.criteria.keys() & {"errno", "error", "result"})

    def judge(self, call: Syscall | FunctionCall) -> Verdict:
        """Tell whether a call is this step."""
        if isinstance(call, FunctionCall) or (call.errno is not None and not self._may_fail):
            return Verdict.NO
        return self.query.judge(call)


class FunctionStep:
    """A function call of the sequence: one of those that a probe told of."""

    of_directory = False

    def __init__(self, calls: FunctionSequence) -> None:
        self.calls = calls
        self.text = calls.described
        found, self.gaps = calls.evidence()
        """What they lack."""
        self._verdicts = {id(call.raw_call): Verdict.UNKNOWN for call in found.doubtful}
        self._verdicts |= {id(call.raw_call): Verdict.YES for call in found.matched}

    def judge(self, call: Syscall | FunctionCall) -> Verdict:
        """Tell whether a call is this step."""
        return self._verdicts.get(id(call.raw_call), Verdict.NO)

    def nearest(self) -> list[str]:
        """Show the calls of these functions that come nearest."""
        return self.calls.nearest()


def step_of(window: Window, subject: Any) -> CallStep | FunctionStep:
    """Return the step that is asked for.

    Raises:
        UsageError: There is no such call.
    """
    return FunctionStep(subject) if isinstance(subject, FunctionSequence) else CallStep(window, subject)


class Functions:
    """The calls of all functions that are steps, in a window."""

    def __init__(self, window: Window, steps: Sequence[FunctionStep], criteria: Mapping[str, Any]) -> None:
        """Take them.

        Args:
            window: Of which time.
            steps: Whose probes told of them.
            criteria: ``process``, or nothing.

        Raises:
            UsageError: There is no such process.
        """
        self._window = window
        self._steps = steps
        self._armings = tuple(dict.fromkeys(arming for step in steps for arming in step.calls.armings))
        self._query = FunctionQuery(window, self._armings, None, criteria)
        verdicts = [(call, self._query.judge_process(call)) for call in calls_of(self._armings, window)]
        self.calls = [call for call, verdict in verdicts if verdict is Verdict.YES]
        """Of the processes that are asked for."""
        self.doubtful = sum(verdict is Verdict.UNKNOWN for _, verdict in verdicts)
        """How many may be of these."""
        self.asked = self._query.asked

    def gaps(self, *, negative: bool) -> tuple[Gap, ...]:
        """Say what the evidence lacks.

        Args:
            negative: Whether that there are no more of any of them is the question.
        """
        found = [gap for step in self._steps for gap in step.gaps]
        found += self._query.who.gaps if self._query.who else ()
        if negative:
            found += FunctionScope(self._armings).gaps(self._window)
        return tuple(dict.fromkeys(found))


def check_by(steps: Sequence[CallStep | FunctionStep], by: str | None) -> None:
    """Refuse what no step can have in common with the others.

    Raises:
        UsageError: It cannot.
    """
    if by != "file" and any(step.of_directory for step in steps):
        raise UsageError("of='directory' is of use in a sequence by='file' only")
    function = next((step for step in steps if isinstance(step, FunctionStep)), None)
    if by == "file" and function is not None:
        raise UsageError(f"a {function.text} is on no file: say by='thread' or by='process' instead of by='file'")


def row(call: Syscall | FunctionCall) -> str:
    """Write a call as a line of a message."""
    return function_row(call) if isinstance(call, FunctionCall) else call_row(call)
