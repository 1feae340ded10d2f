"""A BPF program of the test's own, loaded and attached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from pytest_ebpf import verdicts
from pytest_ebpf._values import Gap, Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.quiet import quiet
from pytest_ebpf.user_programs.buffered import Buffered
from pytest_ebpf.user_programs.claims import ProgramClaim, sequence_of
from pytest_ebpf.user_programs.event import ProgramEvent, emitted
from pytest_ebpf.user_programs.maps import ProgramMap, Variables
from pytest_ebpf.user_programs.object_types import nearest
from pytest_ebpf.user_programs.query import ProgramQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from pytest_ebpf.history import History
    from pytest_ebpf.probes.types import Type
    from pytest_ebpf.sequences import Sequence
    from pytest_ebpf.user_programs.hosting import Hosted
    from pytest_ebpf.user_programs.registry import EventType
    from pytest_ebpf.user_programs.types import TypeSource
    from pytest_ebpf.window import Window

__all__ = ["Program"]


@quiet("_history.session")
class Program:
    """A program that runs in the kernel until the test's window closes, or until `detach`."""

    def __init__(  # noqa: PLR0913 - each has its name
        self,
        history: History,
        hosted: Hosted,
        types: TypeSource,
        window: Window,
        name: str,
        *,
        since_ns: int = 0,
        samples: Collection[str] = (),
    ) -> None:
        """Made by `Trace.program` and `Trace.bcc` only.

        Args:
            history: Of the session.
            hosted: What the host holds.
            types: Tells what its maps, variables and events are.
            window: In which it runs.
            name: What messages call it.
            since_ns: From when on its events are meant (CLOCK_MONOTONIC): one that is shared ran before.
            samples: Where it is attached to samples.
        """
        self._samples = samples
        self._since_ns = since_ns
        self._history = history
        self.hosted = hosted
        """For this package's own."""
        self.types = types
        """For this package's own."""
        self.window = window
        """For this package's own."""
        self.name = name
        """The file's."""
        self._buffered = Buffered(history, hosted, types, name)
        self._detached_ns: int | None = None

    # --- what it holds ---

    def __getitem__(self, name: str) -> ProgramMap:
        self._check_there()
        if name not in self.hosted.maps:
            raise UsageError(f"{self.name} has no map {name!r}{nearest(name, self.hosted.maps)}")
        return ProgramMap(self.hosted, name, self.types.of_map(name))

    @property
    def variables(self) -> Variables:
        """The global variables by name: what they are at the moment; those that are not constant can be set."""
        self._check_there()
        return Variables(self.hosted, self.types, self.name)

    def _check_there(self) -> None:
        if not self.hosted.open:
            raise UsageError(
                f"{self.name} is gone: it was let go of when its window closed, and its maps with it; ask them earlier"
            )

    # --- what it told of ---

    @property
    def events(self) -> Sequence[ProgramEvent]:
        """What it has written until now, by time: to its perf buffers and rings, and by ``ebpf_emit()``.

        Raises:
            UsageError: Nothing tells what its records mean.
        """
        return sequence_of(self, self.found())

    @overload
    def assert_event(
        self, output: Any = None, /, *, count: None = None, fields: Mapping[str, Any] = ..., **criteria: Any
    ) -> ProgramEvent: ...
    @overload
    def assert_event(
        self, output: Any = None, /, *, count: Any, fields: Mapping[str, Any] = ..., **criteria: Any
    ) -> Sequence[ProgramEvent]: ...
    def assert_event(
        self, output: Any = None, /, *, count: Any = None, **criteria: Any
    ) -> ProgramEvent | Sequence[ProgramEvent]:
        """Assert that it wrote an event.

        Args:
            output: To which perf buffer or ring, or, by ``ebpf_emit()``, which structure; or a predicate on the event.
            count: How many there are to be: exactly a number, or what a predicate or a matcher accepts.
            **criteria: Fields of what was written, and what they are to be; ``value``, all of it; ``process``, who
                acted; ``time_ns``. In ``fields``, a dict, those that have another meaning here.

        Returns:
            The first that matches; with `count`, all of them.

        Raises:
            AssertionError: It did not.
            TraceIncomplete: It cannot be told.
            UsageError: There is no such output or field, or it cannot have such a value.
        """
        __tracebackhide__ = True
        claim = ProgramClaim(self, self.query(output, criteria))
        if count is None:
            return verdicts.prove(claim)
        return sequence_of(self, verdicts.prove_count(claim, count), proved=True)

    def assert_no_event(self, output: Any = None, /, **criteria: Any) -> None:
        """Assert that it wrote no such event, from when it was asked for to this moment, or to the window's end.

        Args:
            output: As of `assert_event`.
            **criteria: As of `assert_event`.

        Raises:
            AssertionError: It did.
            TraceIncomplete: It cannot be told.
            UsageError: As of `assert_event`.
        """
        __tracebackhide__ = True
        verdicts.refute(ProgramClaim(self, self.query(output, criteria)))

    def query(self, subject: Any, criteria: Mapping[str, Any]) -> ProgramQuery:
        """Make what is asked of its events; for this package's own."""
        return ProgramQuery(self.window, self._outputs(), self.name, subject, criteria)

    def _outputs(self) -> dict[str, Type]:
        return {**self.types.emitted(), **self._buffered.outputs()}

    def awaited(self, criteria: Mapping[str, Any]) -> tuple[Callable[[], Any], Callable[[str], Any]]:
        """Return what looks once for an event, and what fails when the time is over; for `Trace.wait_for`."""
        query = self.query(None, criteria)

        def attempt() -> ProgramEvent | None:
            return next((event for event in self.found() if query.judge(event) is Verdict.YES), None)

        return attempt, lambda prefix: verdicts.prove(ProgramClaim(self, query, prefix))

    def found(self) -> list[ProgramEvent]:
        """Return what it has written, by time; learns of it first. For this package's own."""
        window = self.window
        window.update()
        self.update()
        number, until_ns = self.hosted.number, self._detached_ns
        written = [
            emitted(each, window, self)
            for each in window.happenings()
            if each.kind == "program"
            and each.record["program"] == number
            and self._since_ns <= each.record["time_ns"]
            and (until_ns is None or each.record["time_ns"] <= until_ns)
        ]
        return sorted([*written, *self._buffered.events(window, strict=True)], key=lambda event: event.moment)

    def buffered(self, window: Window) -> list[ProgramEvent]:
        """Return what it wrote to its own buffers in a window; for this package's own."""
        return list(self._buffered.events(window, strict=False))

    def event_type(self, number: int, /) -> EventType:
        """Return what ``ebpf_emit()`` wrote, by the number that it gave to its type; for this package's own."""
        return self.types.of_event(number)

    def gaps(self, window: Window, /) -> tuple[Gap, ...]:
        """Say what is missing of what this program alone had to tell in a window; for this package's own."""
        self.update()
        found = list(self._buffered.gaps())
        if not self.hosted.loaded["attached"]:
            found.append(Gap(f"none of the programs of {self.name} is attached", "attach= says where"))
        if self._samples:
            found.append(
                Gap(
                    f"{self.name} runs at samples ({', '.join(self._samples)}): what is between them, it does not see",
                    "attach it to a function or a tracepoint, which it sees each time",
                )
            )
        if self._detached_ns is not None and (window.closed_ns is None or window.closed_ns > self._detached_ns):
            found.append(
                Gap(
                    f"{self.name} was detached before the window's end: what came after, it did not see",
                    "assert before detach(), or within the `with` block that ends it",
                )
            )
        return tuple(found)

    # --- its life ---

    def detach(self) -> None:
        """Detach it; its maps, variables and events can be asked further. Safe to call again.

        It takes a tenth of a second: the kernel waits until no CPU runs it.
        """
        if self.hosted.open and self._detached_ns is None:
            try:
                self.hosted.ask("detach")
                self.update()
            finally:  # also if it is not known whether it is
                self._detached_ns = self._history.now()

    def update(self) -> None:
        """Take in what it has written until now; for this package's own."""
        self._buffered.update()

    def end(self) -> None:
        """Take in the last of it, and let go of it; for this package's own. Safe to call again."""
        if self.hosted.open:
            self.update()
            self.hosted.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.detach()

    def __repr__(self) -> str:
        state = "gone" if not self.hosted.open else "detached" if self._detached_ns is not None else "running"
        return f"<Program {self.name}, {state}>"
