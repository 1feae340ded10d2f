"""Whose calls are meant: from ``process=`` to processes and the time in which they count."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ebpf._values import Verdict
from pytest_ebpf.engine.calls import Span
from pytest_ebpf.errors import UsageError
from pytest_ebpf.matching import Glob, compare, equals_nothing, is_plain, is_predicate, show
from pytest_ebpf.names import compare_name
from pytest_ebpf.processes import Execution, Process
from pytest_ebpf.report import brief
from pytest_ebpf.sequences import Sequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_ebpf._values import Gap
    from pytest_ebpf.lives import Key, Life
    from pytest_ebpf.window import Window

__all__ = ["Who", "show_process", "who"]

_END = (1 << 64) - 1


class Who(NamedTuple):
    """Processes, and the time in which each counts."""

    asked: str
    sure: tuple[Span, ...]
    doubtful: tuple[Span, ...]
    """Those of which it cannot be told whether they are meant."""
    gaps: tuple[Gap, ...]
    """Why others may be meant too."""
    by_name: bool
    """Whether they were meant by what they are, and not by which they are: there may be none."""

    @property
    def spans(self) -> tuple[Span, ...]:
        """All of them."""
        return (*self.sure, *self.doubtful)

    def judge(self, process: Key, time_ns: int) -> Verdict:
        """Tell whether what a process did at that time counts."""
        for spans, verdict in ((self.sure, Verdict.YES), (self.doubtful, Verdict.UNKNOWN)):
            for span in spans:
                if span[:2] == process and span.from_ns <= time_ns < span.to_ns:
                    return verdict
        return Verdict.NO


def who(window: Window, expected: Any, *, of_calls: bool = True) -> Who:
    """Find the processes whose calls are meant.

    Args:
        window: From where they are seen.
        expected: A process, an execution of one (its calls from then on), a pid or what has one (a
            ``subprocess.Popen``), a name or a pattern (the calls made while it ran a program of that name), a predicate
            on the process, or several of these.
        of_calls: Whether system calls are meant, which the setting `children_only` may leave out.

    Raises:
        UsageError: There is no such process, several have the pid, or its calls are not recorded.
    """
    window.update()
    finder = _Finder(window)
    finder.add(expected)
    root = window.history.root
    if of_calls and window.children_only and root is not None:
        own = {span for span in finder.found if (span.host_pid, span.start_ns) == root.key}
        if finder.names_root or (own and len(own) == len(finder.found)):
            raise UsageError(
                f"process={show_process(expected)} is the test's own process, and children_only leaves its calls out"
            )
        for span in own:
            del finder.found[span]
    spans = finder.found.items()
    return Who(
        f"process={show_process(expected)}",
        tuple(span for span, verdict in spans if verdict is Verdict.YES),
        tuple(span for span, verdict in spans if verdict is Verdict.UNKNOWN),
        tuple(finder.gaps),
        finder.by_name,
    )


def show_process(expected: Any) -> str:
    """Write what was given for ``process=``, a process by its pid."""
    if isinstance(expected, Process):
        return repr(expected.raw("pid"))
    if isinstance(expected, Sequence | list | tuple):
        items = expected.evidence()[0].matched if isinstance(expected, Sequence) else expected
        return f"[{', '.join(show_process(each) for each in items)}]"
    pid = _pid_of(expected)
    return show(expected if pid is None else pid)


def _pid_of(expected: Any) -> int | None:
    """Return a pid, or that of what has one: a ``Popen`` of subprocess, a ``Process`` of multiprocessing or asyncio."""
    if isinstance(expected, bool) or callable(expected):
        return None
    pid = expected if isinstance(expected, int) else getattr(expected, "pid", None)
    return pid if isinstance(pid, int) else None


class _Finder:
    """Collects spans, each with the best verdict."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.found: dict[Span, Verdict] = {}
        self.gaps: list[Gap] = []
        self.by_name = False
        self.names_root = False

    def add(self, expected: Any, best: Verdict = Verdict.YES) -> None:
        """Add the processes that are meant."""
        if isinstance(expected, Sequence):
            found, gaps = expected.evidence()
            self.gaps += gaps
            self._add_all(found.matched, best)
            self._add_all(found.doubtful, min(best, Verdict.UNKNOWN))
        elif isinstance(expected, list | tuple | set | frozenset):
            if not expected:
                raise UsageError("process=[] means the calls of nobody: leave it out, or name one")
            self._add_all(expected, best)
        elif isinstance(expected, Execution):
            following = [image.time_ns for image in expected.life.executed if image.time_ns > expected.time_ns]
            self._note(expected.life, best, expected.time_ns, min(following, default=_END))
        elif isinstance(expected, Process):
            self._note_named(expected.life, best)
        elif isinstance(expected, str | bytes | os.PathLike | re.Pattern | Glob):
            self.by_name = True
            for life in self._lives():
                self._add_programs(life, expected)
        elif (pid := _pid_of(expected)) is not None:
            self._add_pid(pid, best)
        else:
            self._add_matching(expected, best)

    def _add_all(self, several: Iterable[Any], best: Verdict) -> None:
        for each in several:
            self.add(each, best)

    def _add_pid(self, pid: int, best: Verdict) -> None:
        window, found = self._window, {}
        for life in self._lives():
            if window.lived_here(life) and (verdict := compare(pid, Process(life, window).raw("pid"))):
                found[life] = verdict
        named = [life for life, verdict in found.items() if verdict is Verdict.YES]
        if not found:
            raise UsageError(f"process={pid}: no process with this pid is known to have lived in the window")
        if len(named) > 1:
            rows = "\n".join(
                f"  {brief(Process(life, window))}" for life in sorted(named, key=lambda each: each.birth_ns)
            )
            raise UsageError(
                f"process={pid}: {len(named)} processes had this pid in the window, one after the other:\n{rows}\n"
                f"  try     process=ebpf_trace.processes.where(pid={pid})[0], or another of them"
            )
        for life, verdict in found.items():
            self._note_named(life, min(best, verdict))

    def _add_matching(self, expected: Any, best: Verdict) -> None:
        nobody = not is_plain(expected) and not is_predicate(expected) and equals_nothing(expected)
        if expected is None or isinstance(expected, bool | float | dict) or nobody:
            raise UsageError(f"process is a process, a pid, a name or a predicate, not {expected!r}")
        for life in self._lives():
            self._note(life, min(best, compare(expected, Process(life, self._window))))
        self.by_name = True

    def _lives(self) -> Iterator[Life]:
        yield from list(self._window.history.lives.values())

    def _add_programs(self, life: Life, name: Any) -> None:
        images = [life.start(), *life.executed]
        ends = [*(image.time_ns for image in life.executed), _END]
        for image, from_ns, to_ns in zip(images, [0, *ends[:-1]], ends, strict=True):
            self._note(life, compare_name(name, image), from_ns, to_ns)

    def _note_named(self, life: Life, verdict: Verdict) -> None:
        self.names_root = self.names_root or life is self._window.history.root
        self._note(life, verdict)

    def _note(self, life: Life, verdict: Verdict, from_ns: int = 0, to_ns: int = _END) -> None:
        if verdict:
            span = Span(*life.key, from_ns, to_ns)
            self.found[span] = max(verdict, self.found.get(span, Verdict.NO))
