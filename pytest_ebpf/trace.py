"""The trace of a window: what a test asks, and what it asserts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pytest_ebpf import report, verdicts
from pytest_ebpf._values import Gap
from pytest_ebpf.domains import events_of, process_row, processes_of
from pytest_ebpf.errors import TraceIncomplete, UsageError
from pytest_ebpf.event_queries import EventQuery
from pytest_ebpf.events import Event
from pytest_ebpf.explanations import search
from pytest_ebpf.functions.assertions import FunctionAssertions
from pytest_ebpf.functions.probe import FunctionSequence
from pytest_ebpf.matching import is_predicate
from pytest_ebpf.processes import Process
from pytest_ebpf.queries import ProcessQuery
from pytest_ebpf.quiet import quiet
from pytest_ebpf.syscalls.asking import Asked
from pytest_ebpf.syscalls.assertions import SyscallAssertions
from pytest_ebpf.user_programs.asking import ProgramRequests
from pytest_ebpf.user_programs.program import Program
from pytest_ebpf.verdicts import ProcessClaim
from pytest_ebpf.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from pytest_ebpf.criteria import ProcessCriteria
    from pytest_ebpf.functions.call import FunctionCall
    from pytest_ebpf.history import History
    from pytest_ebpf.losses import Losses
    from pytest_ebpf.sequences import Sequence
    from pytest_ebpf.syscalls.call import Syscall
    from pytest_ebpf.user_programs.event import ProgramEvent

__all__ = ["Trace"]

T = TypeVar("T")
E = TypeVar("E", bound=Event)


@quiet("_history.session")
class Trace(SyscallAssertions, FunctionAssertions, ProgramRequests):
    """What the kernel saw of the test's process and all that descends from it, in one window.

    Everything a process did before the test's ``wait(2)`` for it returned is there when it is asked for.
    """

    def __init__(
        self,
        history: History,
        *,
        name: str = "",
        remarks: Callable[[Trace], Iterable[str]] | None = None,
        probes: Iterable[Any] = (),
    ) -> None:
        """Prepare it; the window opens with `open` or ``with``.

        Args:
            history: Of the session.
            name: Of the section; of a whole test empty.
            remarks: Gives lines to add to the text of a failure.
            probes: That are on from the beginning.
        """
        self.name = name
        self._history = history
        self._remarks = remarks
        self._probes = probes
        self._window: Window | None = None

    def open(self) -> Self:
        """Open the window: what happens from now on belongs to it.

        Raises:
            UsageError: A probe cannot be; the window is closed again.
        """
        if self._window is not None:
            raise UsageError("a trace's window opens once")
        self._window = Window(self._history)
        if self._remarks is not None:
            remarks = self._remarks
            self._window.remarks = lambda: remarks(self)
        try:
            for wanted in self._probes:
                self.probe(wanted)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close the window; the trace can be asked until the next test's opens. Safe to call again."""
        if self._window is not None:
            self._window.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def window(self) -> Window:
        """The window; for this package's own."""
        if self._window is None:
            raise UsageError("the window of this section is not open: use `with ebpf_trace.section():`")
        return self._window

    def section(self, name: str) -> Trace:
        """Return a window within this one, to be used with ``with``; it answers the same questions."""
        if self.window.closed:
            raise UsageError(f"the section {name!r} lies in a window that is closed")
        return Trace(self._history, name=name, remarks=self._remarks)

    @property
    def processes(self) -> Sequence[Process]:
        """The processes born in the window, and older ones that executed, changed or ended in it."""
        window = self.window
        return processes_of(window.lives(), window, window.gaps)

    @property
    def events(self) -> Sequence[Event]:
        """All events of the window, by time."""
        return events_of(self.window)

    @property
    def root(self) -> Process:
        """The test's own process."""
        self.window.update()
        if self._history.root is None:
            raise TraceIncomplete("the record of the test's own process was lost")
        return Process(self._history.root, self.window)

    @property
    def leftovers(self) -> Sequence[Process]:
        """The processes that were born in the window and still lived at its end, or live now."""
        window = self.window
        alive, doubtful = [], []
        for life in window.lives():
            if life is self._history.root or not window.was_born_here(life):
                continue
            # What ended later lived at the window's end.
            state = Process(life, window).raw("alive")
            if state is True or (life.exit is not None and not window.ended_here(life)):
                alive.append(life)
            elif isinstance(state, Gap):
                doubtful.append(life)
        return processes_of(alive, window, window.gaps, "left over", doubtful)

    @property
    def losses(self) -> Losses:
        """What the evidence of this window lacks."""
        self.window.update()
        return self.window.losses()

    def tree(self) -> str:
        """Draw the processes of the window, each under the one that forked it."""
        return "\n".join(report.tree(self.window))

    @overload
    def assert_spawned(
        self, name: Any = None, /, *, count: None = None, **criteria: Unpack[ProcessCriteria]
    ) -> Process: ...
    @overload
    def assert_spawned(
        self, name: Any = None, /, *, count: Any, **criteria: Unpack[ProcessCriteria]
    ) -> Sequence[Process]: ...
    def assert_spawned(
        self, name: Any = None, /, *, count: Any = None, **criteria: Unpack[ProcessCriteria]
    ) -> Process | Sequence[Process]:
        """Assert that a process was born in the window, or executed a program in it.

        Args:
            name: What it goes by: the last part of the path it executed, of the file that runs or of its
                first argument, or its ``comm``. ``*``, ``?`` and ``[`` make it a pattern, ``/`` a whole
                path. Or a regular expression, a predicate on the process, a process, a pid.
            count: How many there are to be: exactly a number, or what a predicate or a matcher accepts.
            **criteria: Fields of the process and what they are to be.

        Returns:
            The first that matches (one that executed the program before one that is merely a fork);
            with `count`, all of them.

        Raises:
            AssertionError: It was not.
            TraceIncomplete: It cannot be told.
            UsageError: There is no such field, or it cannot have such a value.
        """
        __tracebackhide__ = True
        return self._assert(self._claim("spawned", name, criteria), count)

    def assert_not_spawned(self, name: Any = None, /, **criteria: Unpack[ProcessCriteria]) -> None:
        """Assert that no such process was born in the window, or executed a program in it.

        Raises:
            AssertionError: One was.
            TraceIncomplete: It cannot be told.
            UsageError: There is no such field, or it cannot have such a value.
        """
        __tracebackhide__ = True
        verdicts.refute(self._claim("spawned", name, criteria))

    @overload
    def assert_exited(
        self, name: Any = None, /, *, count: None = None, **criteria: Unpack[ProcessCriteria]
    ) -> Process: ...
    @overload
    def assert_exited(
        self, name: Any = None, /, *, count: Any, **criteria: Unpack[ProcessCriteria]
    ) -> Sequence[Process]: ...
    def assert_exited(
        self, name: Any = None, /, *, count: Any = None, **criteria: Unpack[ProcessCriteria]
    ) -> Process | Sequence[Process]:
        """Assert that a process ended in the window; otherwise as `assert_spawned`."""
        __tracebackhide__ = True
        return self._assert(self._claim("exited", name, criteria), count)

    @overload
    def wait_for(self, wanted: Asked, /, timeout: float = ..., **criteria: Any) -> Syscall: ...
    @overload
    def wait_for(self, wanted: FunctionSequence, /, timeout: float = ..., **criteria: Any) -> FunctionCall: ...
    @overload
    def wait_for(self, wanted: Program, /, timeout: float = ..., **criteria: Any) -> ProgramEvent: ...
    @overload
    def wait_for(self, wanted: type[E], /, timeout: float = ..., **criteria: Any) -> E: ...
    @overload
    def wait_for(self, wanted: Callable[[Trace], T], /, timeout: float = ...) -> T: ...
    @overload
    def wait_for(self, wanted: Any = None, /, timeout: float = ..., **criteria: Unpack[ProcessCriteria]) -> Process: ...
    def wait_for(self, wanted: Any = None, /, timeout: float = 5.0, **criteria: Any) -> Any:
        """Wait until something has happened in the window, or return at once if it has.

        The kernel wakes the test at every event; nothing polls.

        Args:
            wanted: A process, named as in `assert_spawned`; a class of events; a system call, as `call`
                made it; a probe; a program of your own; or a function that takes the trace, which is called
                after every event until it returns something true.
            timeout: Seconds.
            **criteria: Fields of the process or event and what they are to be.

        Returns:
            The first process, event, system call or function call that matches; what the function returned.

        Raises:
            AssertionError: It did not happen in time.
            TraceIncomplete: It may have, but evidence is missing.
            UsageError: There is no such field, or it cannot have such a value.
        """
        __tracebackhide__ = True
        _check_timeout(timeout)
        attempt, fail = self._waiting(wanted, criteria)
        started = time.monotonic()
        while True:
            # First, so that what comes while we look ends the wait.
            wakers = self._history.programs.wakers()
            self.window.update()
            taken = self._history.taken
            if result := attempt():
                return result
            if self._history.taken != taken:
                # Looking took in more, which nobody will be woken for.
                continue
            left = timeout - (time.monotonic() - started)
            if left <= 0:
                break
            self._history.session.wait(left, *wakers)
        return fail(f"waited {timeout:.3f} s: ")

    def _waiting(self, wanted: Any, criteria: dict[str, Any]) -> tuple[Callable[[], Any], Callable[[str], Any]]:
        """Return what tries once, and what fails when the time is over."""
        if isinstance(wanted, type) and issubclass(wanted, Event):
            query = EventQuery(wanted, criteria)

            def first_event() -> Event | None:
                matched = search(events_of(self.window).seen(), query).matched
                return matched[0] if matched else None

            return first_event, lambda prefix: verdicts.no_event(self.window, query, prefix)
        if isinstance(wanted, Asked):
            return self._awaited(wanted, criteria)
        if isinstance(wanted, FunctionSequence):
            return self._awaited_function(wanted, criteria)
        if isinstance(wanted, Program):
            return wanted.awaited(criteria)
        if is_predicate(wanted) and not isinstance(wanted, type | Process):
            if criteria:
                raise UsageError("wait_for() with a function takes no criteria: test them in it")
            return lambda: wanted(self), lambda prefix: verdicts.no_truth(self.window, wanted, prefix)

        def first_process() -> Process | None:
            return self._claim("spawned", wanted, criteria, waiting=True).best()

        return first_process, lambda prefix: verdicts.prove(
            self._claim("spawned", wanted, criteria, prefix, waiting=True)
        )

    def _claim(self, verb: str, name: Any, criteria: Any, prefix: str = "", *, waiting: bool = False) -> ProcessClaim:
        window = self.window
        # A process that is given, or its pid, may be older than the window when it is waited for.
        older = waiting and isinstance(name, Process | int)
        query = ProcessQuery(window, name, criteria, spawned=verb == "spawned" and not older, ended=verb == "exited")
        pool = [Process(life, window) for life in window.lives()]
        if older and isinstance(name, Process) and name not in pool:
            pool.append(Process(name.life, window))
        if verb == "spawned" and not older:
            pool = [process for process in pool if query.images(process)]
        return ProcessClaim(window, query, pool, verb, process_row, prefix)

    def _assert(self, claim: ProcessClaim, count: Any) -> Process | Sequence[Process]:
        __tracebackhide__ = True
        if count is None:
            return verdicts.prove(claim)
        matched = verdicts.prove_count(claim, count)
        return processes_of([process.life for process in matched], self.window, tuple, f"where {claim.asked}")

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        if self._window is None:
            return f"<Trace{name}, not open>"
        return f"<Trace{name}, {'closed' if self._window.closed else 'open'}>"


def _check_timeout(timeout: Any) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0:
        raise UsageError(f"timeout is a number of seconds, not {timeout!r}")
