"""Judging processes and events by criteria, and saying by what the nearest ones differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap, Verdict
from pytest_ebpf.credentials import Capabilities
from pytest_ebpf.criteria import OF_IMAGE, PROCESS_FIELDS, Criterion, prepare
from pytest_ebpf.errors import UsageError
from pytest_ebpf.explanations import (
    Difference,
    Explanation,
    argv_differences,
    guarded,
    show_actual,
)
from pytest_ebpf.matching import compare, is_plain, is_predicate, show
from pytest_ebpf.names import compare_name, compare_parent, names_of, nearest_name, similarity_of
from pytest_ebpf.namespaces import NamespaceIds, Namespaces, namespaces_of
from pytest_ebpf.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ebpf.images import Image
    from pytest_ebpf.window import Window

__all__ = ["ProcessQuery"]


class ProcessQuery:
    """Asks of processes: a name or another subject, and criteria."""

    def __init__(
        self,
        window: Window,
        subject: Any,
        criteria: Mapping[str, Any],
        *,
        spawned: bool = False,
        ended: bool = False,
    ) -> None:
        """Check what is asked.

        Args:
            window: In which time.
            subject: A name, a pattern, a process, a pid, a predicate on the process, or None.
            criteria: See `pytest_ebpf.criteria.ProcessCriteria`.
            spawned: Only what was born or executed in the window counts.
            ended: Only what ended in the window counts.

        Raises:
            UsageError: What is asked cannot be.
        """
        self._window = window
        self._spawned = spawned
        self._ended = ended
        self._predicate: Callable[[Process], object] | None = None
        wanted: dict[str, Any] = {}
        texts = [f"{name}={show(value)}" for name, value in criteria.items()]
        if subject is not None:
            texts.insert(0, self._take_subject(subject, wanted))
        for name, value in criteria.items():
            if name in wanted:
                raise UsageError(f"{name} is given twice: first, and as {name}=")
            wanted[name] = value
        self.asked = ", ".join(texts)
        if "in_namespaces_of" in wanted:
            wanted["in_namespaces_of"] = self._ids(wanted["in_namespaces_of"])
        prepared = prepare(wanted, PROCESS_FIELDS, "a process")
        self._of_life = [each for each in prepared if each.field not in OF_IMAGE]
        self._of_image = [each for each in prepared if each.field in OF_IMAGE]

    def _take_subject(self, subject: Any, wanted: dict[str, Any]) -> str:
        if isinstance(subject, Process):
            # Identity, and not the pid alone: that is reused.
            wanted["start_ns"], wanted["host_pid"] = subject.start_ns, subject.host_pid
            return f"pid={subject.raw('pid')!r}"
        if isinstance(subject, int) and not isinstance(subject, bool):
            wanted["pid"] = subject
            return f"pid={subject}"
        if not is_plain(subject) and is_predicate(subject) and not isinstance(subject, type):
            self._predicate = subject
            return show(subject)
        wanted["name"] = subject
        return f"name={show(subject)}"

    def _ids(self, whose: Any) -> NamespaceIds:
        if isinstance(whose, int) and not isinstance(whose, bool):
            # Another user's process may not be looked at in /proc, but the trace knows it.
            life = self._window.history.find_pid(whose)
            if life is not None:
                whose = Process(life, self._window)
        return namespaces_of(whose)

    def images(self, process: Process) -> list[Image]:
        """Return the programs that count."""
        images = self._window.images(process.life)
        return images or ([] if self._spawned else [process.life.image])

    def judge(self, process: Process) -> Verdict:
        """Tell whether a process matches, asking predicates only of what the rest let through."""
        images = self.images(process)
        verdict = min(self._judge_end(process), Verdict.YES if images else Verdict.NO)
        plain = [each for each in self._of_life if not each.late]
        verdict = self._all(plain, verdict, lambda each: self._of_process(each, process))
        if not verdict:
            return verdict
        verdict = min(verdict, max(self._judge_image(image, process) for image in images))
        late = [each for each in self._of_life if each.late]
        verdict = self._all(late, verdict, lambda each: self._of_process(each, process))
        if verdict and self._predicate is not None:
            verdict = min(verdict, compare(self._predicate, process))
        return verdict

    def _judge_image(self, image: Image, process: Process) -> Verdict:
        return self._all(self._of_image, Verdict.YES, lambda each: self._of_one(each, image, process))

    @staticmethod
    def _all(criteria: list[Criterion], verdict: Verdict, judge: Callable[[Criterion], Verdict]) -> Verdict:
        for each in criteria:
            if not verdict:
                break
            verdict = min(verdict, judge(each))
        return verdict

    def _judge_end(self, process: Process) -> Verdict:
        if not self._ended or self._window.ended_here(process.life):
            return Verdict.YES
        # A process that still runs did not end: that is known. It may have, if its end was not seen.
        ending = process.raw("exit_code")
        unseen = isinstance(ending, Gap) and not ending.pending
        return Verdict.UNKNOWN if unseen else Verdict.NO

    def _of_process(self, criterion: Criterion, process: Process) -> Verdict:
        actual = process.raw(criterion.field)
        if criterion.field != "parent" or not isinstance(actual, Process):
            return compare(criterion.expected, actual)
        return compare_parent(criterion.expected, actual)

    def _of_one(self, criterion: Criterion, image: Image, process: Process) -> Verdict:
        if criterion.field == "name":
            return compare_name(criterion.expected, image)
        if criterion.field == "comm":
            actual = image.get("comm")
            found = [compare(criterion.expected, comm) for comm in image.comms]
            return max(found, default=compare(criterion.expected, actual))
        return compare(*self._pair(criterion, image, process))

    @staticmethod
    def _pair(criterion: Criterion, image: Image, process: Process) -> tuple[Any, object]:
        """Return what to compare with what."""
        expected, name = criterion.expected, criterion.field
        if name == "in_namespaces_of":
            actual = image.get("namespaces")
            if not isinstance(actual, Namespaces):
                return expected, actual
            ids = dict(expected.ids)
            return ids, {kind: getattr(actual, kind) for kind in ids}
        if name == "new_namespaces":
            # An exact `set() = nothing new` and a predicate mean the process's own.
            named = isinstance(expected, frozenset) and bool(expected)
            return expected, process.new_namespaces_of(image, of_children=named)
        actual = image.get(name)
        if isinstance(actual, Capabilities) and isinstance(expected, frozenset):
            return expected, actual.effective
        return expected, actual

    def explain(self, process: Process) -> Explanation:
        """Tell by what a process differs, as its best program does."""
        images = self.images(process) or [process.life.image]
        return min((self._explain(image, process) for image in images), key=lambda each: each.distance)

    def _explain(self, image: Image, process: Process) -> Explanation:
        result = Explanation()
        ending = process.raw("exit_code")
        if self._ended and not self._window.ended_here(process.life):
            if isinstance(ending, Gap) and not ending.pending:
                result.gaps.append(("end", ending))
            else:
                when = "still running" if isinstance(ending, Gap) else "ended outside this window"
                result.differences.append(Difference("end", "exited", when))
        for each in self._of_image:
            self._add(result, each, guarded(self._of_one, each, image, process), image, process)
        for each in self._of_life:
            self._add(result, each, guarded(self._of_process, each, process), image, process)
        if self._predicate is not None and not guarded(compare, self._predicate, process):
            result.differences.append(Difference(show(self._predicate), "true", "false"))
        return result

    def _add(
        self,
        result: Explanation,
        criterion: Criterion,
        verdict: Verdict,
        image: Image,
        process: Process,
    ) -> None:
        name = criterion.field
        if name in OF_IMAGE and name != "name":
            actual: object = self._pair(criterion, image, process)[1]
        elif name == "name":
            names, gaps = names_of(image)
            actual = gaps[0] if gaps else nearest_name(names, criterion.expected)
            result.similarity += similarity_of(criterion.expected, list(names.values()))
        else:
            actual = process.raw(name)
        if verdict is Verdict.YES:
            return
        if verdict is Verdict.UNKNOWN:
            gap = actual.gap if isinstance(actual, Cut) else actual
            result.gaps.append((name, gap if isinstance(gap, Gap) else Gap(f"{name} is not known")))
            return
        if isinstance(criterion.expected, list) and isinstance(actual, tuple):
            result.differences.extend(argv_differences(name, criterion.expected, actual))
            result.similarity += similarity_of(show(criterion.expected), [show(actual)])
            return
        if name == "in_namespaces_of" and isinstance(actual, dict):
            ids = criterion.expected.ids
            others = sorted(kind for kind in ids if actual[kind] != ids[kind])
            actual_text = f"in another {', '.join(others)}"
            result.differences.append(Difference(name, show(criterion.expected), actual_text))
            return
        result.differences.append(Difference(name, show(criterion.expected), show_actual(actual)))
