"""What is asked of system calls, and how each one answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Gap, Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.explanations import Difference, Explanation
from pytest_ebpf.matching import is_plain, is_predicate, show
from pytest_ebpf.names import similarity_of
from pytest_ebpf.syscalls.conditions import Conditions
from pytest_ebpf.syscalls.criteria import SocketCriterion, criterion
from pytest_ebpf.syscalls.groups import Family
from pytest_ebpf.syscalls.multiplexed import behind, multiplexers
from pytest_ebpf.syscalls.selection import Chosen, chosen, show_calls
from pytest_ebpf.syscalls.who import Who, show_process, who

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_ebpf.syscalls.call import Syscall
    from pytest_ebpf.syscalls.criteria import Criterion
    from pytest_ebpf.window import Window

__all__ = ["Asked", "CallQuery", "call"]


class Asked:
    """A system call as it is asked for: which, and what of it; made by `call`."""

    __slots__ = ("criteria", "of", "subject")

    def __init__(self, subject: Any, criteria: Mapping[str, Any], of: str) -> None:
        self.subject = subject
        self.criteria = criteria
        self.of = of

    def __repr__(self) -> str:
        of = [f"of={self.of!r}"] if self.of != "file" else []
        return f"call({', '.join([*_texts(self.subject, self.criteria), *of])})"


def call(name: Any = None, /, *, of: str = "file", **criteria: Any) -> Asked:
    """Ask for system calls, where several are asked for at once: in `assert_sequence`, `assert_only`, `wait_for`.

    Args:
        name: As in `assert_syscall`.
        of: In a sequence by file, ``"directory"``: the call is on the directory that has the file.
        **criteria: As in `assert_syscall`.
    """
    if of not in {"file", "directory"}:
        raise UsageError(f"of is 'file' or 'directory', not {of!r}")
    return Asked(name, criteria, of)


def _texts(subject: Any, criteria: Mapping[str, Any]) -> list[str]:
    texts = [f"{name}={show_process(value) if name == 'process' else show(value)}" for name, value in criteria.items()]
    if subject is None:
        return texts
    return [show_calls(subject), *texts]


def _joined(criteria: list[Criterion]) -> Iterator[Criterion]:
    """Make one of those that are about an address: it has to be the same."""
    socket: SocketCriterion | None = None
    for each in criteria:
        if isinstance(each, SocketCriterion):
            socket = each if socket is None else socket.joined(each)
        else:
            yield each
    if socket is not None:
        yield socket


class CallQuery:
    """Asks of system calls: which, whose, and criteria."""

    def __init__(self, window: Window, subject: Any, criteria: Mapping[str, Any], *, unrecorded: bool = False) -> None:
        """Check what is asked.

        Args:
            window: In which time.
            subject: Which calls (`pytest_ebpf.syscalls.selection.chosen`), what `call` returned, a predicate on
                the call, or None.
            criteria: What of them.
            unrecorded: Whether to take calls that the setting leaves out.

        Raises:
            UsageError: What is asked cannot be, or is not recorded.
        """
        if isinstance(subject, Asked):
            twice = sorted(subject.criteria.keys() & criteria.keys())
            if twice:
                raise UsageError(f"{twice[0]} is given twice: in {subject!r}, and as {twice[0]}=")
            subject, criteria = subject.subject, {**subject.criteria, **criteria}
        self.asked = ", ".join(_texts(subject, criteria))
        self.short = f"call({self.asked})" if criteria else self.asked
        """The same, as one of several."""
        self.window = window
        predicate: Callable[[Syscall], object] | None = None
        self.chosen: Chosen | None = None
        if subject is not None and not isinstance(subject, Family) and not is_plain(subject) and is_predicate(subject):
            predicate = subject
        elif subject is not None:
            self.chosen = chosen(subject)
            if not unrecorded:
                self._check_recorded()
        self.numbers = None if self.chosen is None else self.chosen.numbers
        self._standing = frozenset() if self.chosen is None else multiplexers(self.chosen.names)
        self.hidden = self._standing - (self.numbers or frozenset())
        """ABI and number of calls that may stand for those that are asked for, and are not asked for themselves."""
        rest = dict(criteria)
        self.who: Who | None = who(window, rest.pop("process")) if "process" in rest else None
        arguments = rest.pop("args", {})
        if not isinstance(arguments, dict):
            raise UsageError(f"args is a dict of arguments by name, not {arguments!r}")
        names = None if self.chosen is None else self.chosen.names
        made = [criterion(name, value, names, self._named()) for name, value in rest.items()]
        made += [criterion(name, value, names, self._named(), argument=True) for name, value in arguments.items()]
        self._conditions = Conditions(self.who, _joined(made), predicate)

    @property
    def plain(self) -> bool:
        """Whether nothing is asked but which calls, and whose."""
        return self._conditions.only_whose

    def _named(self) -> str:
        return "a system call" if self.chosen is None else self.chosen.text

    def _check_recorded(self) -> None:
        asked, recorded = self.chosen, self.window.recorded
        missing = recorded.lacks(asked)
        if asked is not None and missing and (asked.exact or missing == asked.names):
            names = ", ".join(sorted(missing)[:4]) + (", …" if len(missing) > 4 else "")  # noqa: PLR2004 - as `[:4]`
            raise UsageError(f"{names} is not recorded: {recorded.said}; record it, or ask for others")

    def judge(self, item: Syscall) -> Verdict:
        """Tell whether a call matches, asking predicates only of what the rest lets through."""
        if self.numbers is not None and (item.abi, item.number) not in self.numbers:
            return min(self._judge_who(item), Verdict.UNKNOWN) if self.stands_for_it(item) else Verdict.NO
        return self.judge_rest(item, self._judge_who(item))

    def stands_for_it(self, item: Syscall) -> bool:
        """Tell whether a call stands for one that is asked for; of that one's arguments nothing is known."""
        if self.chosen is None or (item.abi, item.number) not in self._standing:
            return False
        return behind(item) in self.chosen.names

    def judge_rest(self, item: Syscall, verdict: Verdict = Verdict.YES) -> Verdict:
        """Tell the same of a call of which it is known that it is one of these, by one of those."""
        found = self._conditions.judge(item, verdict)
        return min(verdict, Verdict.UNKNOWN) if not found and self.stands_for_it(item) else found

    def _judge_who(self, item: Syscall) -> Verdict:
        raw = item.raw_call
        return self._conditions.judge_who((raw.host_pid, raw.start_ns), raw.entered_ns)

    def explain(self, item: Syscall) -> Explanation:
        """Tell by what a call differs."""
        result = Explanation()
        if self.stands_for_it(item) and self._judge_who(item):
            result.gaps.append(("name", Gap(f"it stands for {behind(item)}, and with what arguments is not followed")))
            return result
        if self.numbers is not None and (item.abi, item.number) not in self.numbers:
            assert self.chosen is not None  # noqa: S101 - the numbers are of it
            result.differences.append(Difference("name", self.chosen.text, item.name))
            result.similarity += similarity_of(self.chosen.text, [item.name])
        else:
            result.similarity += 1
        self._conditions.explain(item, self._judge_who(item), result)
        return result
