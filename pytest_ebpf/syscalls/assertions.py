"""The part of a trace that is about system calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from pytest_ebpf import verdicts
from pytest_ebpf.errors import UsageError
from pytest_ebpf.quiet import quiet
from pytest_ebpf.syscalls.asking import CallQuery
from pytest_ebpf.syscalls.claims import CallClaim
from pytest_ebpf.syscalls.limits import prove_budget, prove_only
from pytest_ebpf.syscalls.order import prove_sequence
from pytest_ebpf.syscalls.places import calls_of, later, search
from pytest_ebpf.syscalls.sequence import CallSequence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ebpf.syscalls.call import Syscall
    from pytest_ebpf.window import Window

__all__ = ["SyscallAssertions"]


@quiet("_history.session")
class SyscallAssertions:
    """What a `pytest_ebpf.trace.Trace` asks and asserts of system calls."""

    @property
    def window(self) -> Window:
        """The window; for this package's own."""
        raise NotImplementedError  # of the trace

    @property
    def syscalls(self) -> CallSequence:
        """The system calls that were entered in the window, as far as the setting `syscalls` has them recorded.

        Those that have not returned yet are among them.
        """
        return CallSequence.of(self.window)

    @property
    def children_only(self) -> bool:
        """Whether the system calls of the test's own process are left out; can be set, and not be taken back."""
        return self.window.children_only

    @children_only.setter
    def children_only(self, on: bool) -> None:
        if self.window.children_only and not on:
            raise UsageError("children_only cannot be taken back: calls that were left out are not there")
        if on and self.window.closed:
            raise UsageError("children_only is of no use in a window that is closed")
        if on:
            history = self.window.history
            history.session.children_only = True
            for window in history.windows:
                window.children_only = True

    @overload
    def assert_syscall(
        self, name: Any = None, /, *, count: None = None, allow_io_uring: bool = False, **criteria: Any
    ) -> Syscall: ...
    @overload
    def assert_syscall(
        self, name: Any = None, /, *, count: Any, allow_io_uring: bool = False, **criteria: Any
    ) -> CallSequence: ...
    def assert_syscall(
        self, name: Any = None, /, *, count: Any = None, allow_io_uring: bool = False, **criteria: Any
    ) -> Syscall | CallSequence:
        """Assert that a system call was made in the window.

        Args:
            name: A name, a pattern (``open*``), a group (``%file``), a family (``family.open``), or several of
                these in a list; or what `call` made.
            count: How many there are to be: exactly a number, or what a predicate or a matcher accepts.
            allow_io_uring: With `count`, whether to leave aside what is done through an io_uring.
            **criteria: Arguments, and other fields, and what they are to be.

        Returns:
            The first that matches; with `count`, all of them.

        Raises:
            AssertionError: It was not.
            TraceIncomplete: It cannot be told.
            UsageError: There is no such call or field, it cannot have such a value, or is not recorded.
        """
        __tracebackhide__ = True
        claim = CallClaim(self.window, name, criteria, allow_io_uring=allow_io_uring)
        if count is None:
            return verdicts.prove(claim)
        return CallSequence.proved(verdicts.prove_count(claim, count), self.window, claim.asked)

    def assert_no_syscall(self, name: Any = None, /, *, allow_io_uring: bool = False, **criteria: Any) -> None:
        """Assert that no such system call was made in the window.

        Args:
            name: As of `assert_syscall`.
            allow_io_uring: Whether to leave aside what is done through an io_uring, which is no system call.
            **criteria: As of `assert_syscall`.

        Raises:
            AssertionError: One was.
            TraceIncomplete: It cannot be told; also if a process has an io_uring.
            UsageError: There is no such call or field, it cannot have such a value, or is not recorded.
        """
        __tracebackhide__ = True
        verdicts.refute(CallClaim(self.window, name, criteria, allow_io_uring=allow_io_uring))

    def assert_only(self, allowed: Any, /, *, process: Any = None, allow_io_uring: bool = False) -> None:
        """Assert that no system calls were made in the window but those allowed.

        Args:
            allowed: A list of names, patterns, groups, families, and of what `call` made.
            process: Whose; as of `assert_syscall`.
            allow_io_uring: As of `assert_no_syscall`.

        Raises:
            AssertionError: Others were.
            TraceIncomplete: It cannot be told.
            UsageError: There is no such call, argument or process.
        """
        __tracebackhide__ = True
        prove_only(self.window, allowed, _whose(process), allow_io_uring=allow_io_uring)

    def assert_budget(self, budget: Any, /, *, process: Any = None, allow_io_uring: bool = False) -> None:
        """Assert that system calls were made no more often than allowed: ``{"fsync": 1, "%network": 0}``.

        Args:
            budget: How often at most, by name, pattern, group, family, or by what `call` made.
            process: Whose; as of `assert_syscall`.
            allow_io_uring: As of `assert_no_syscall`.

        Raises:
            AssertionError: They were.
            TraceIncomplete: It cannot be told.
            UsageError: There is no such call, argument or process, or a number is negative.
        """
        __tracebackhide__ = True
        prove_budget(self.window, budget, _whose(process), allow_io_uring=allow_io_uring)

    def assert_sequence(
        self,
        steps: Any,
        /,
        *,
        by: str | None = None,
        strict: bool = False,
        process: Any = None,
        allow_io_uring: bool = False,
    ) -> list[Any]:
        """Assert that system calls were made in this order, each entered when the one before had returned.

        A call that failed is no step, unless the step asks for ``errno``, ``error`` or ``result``. A step can be the
        calls of a function as well, as `uprobe` and the others return them, or a part of them (``.where(…)``). What
        comes after one was entered after it was: what the function itself did, or what was done later.

        Args:
            steps: Names, patterns, groups, families, what `call` made, or function calls.
            by: ``"file"``, ``"process"`` or ``"thread"``: what all steps have in common; functions have no file.
            strict: Whether no other call (of the same file, process, thread) may lie between: no system call if one
                is a step, and no call that the probes of the steps tell of.
            process: Whose; as of `assert_syscall`.
            allow_io_uring: With `strict`, as of `assert_no_syscall`.

        Returns:
            The calls that are the steps.

        Raises:
            AssertionError: They were not.
            TraceIncomplete: It cannot be told.
            UsageError: There is no such call, argument or process.
        """
        __tracebackhide__ = True
        return prove_sequence(self.window, steps, _whose(process), by=by, strict=strict, allow_io_uring=allow_io_uring)

    def _awaited(self, asked: Any, criteria: Mapping[str, Any]) -> tuple[Callable[[], Any], Callable[[str], Any]]:
        """Return what looks once for a call, and what fails when the time is over; for `wait_for`."""
        first, looked_at = True, 0

        def attempt() -> Syscall | None:
            nonlocal first, looked_at
            # Of a call that blocks nothing is told until it returns: those are asked for first and last.
            calls = later(calls_of(self.window, snapshot=first), looked_at)
            first, looked_at = False, len(self.window.history.calls)
            matched = search(calls, CallQuery(self.window, asked, criteria)).matched
            return matched[0] if len(matched) else None

        return attempt, lambda prefix: verdicts.prove(CallClaim(self.window, asked, criteria, prefix=prefix))


def _whose(process: Any) -> dict[str, Any]:
    return {} if process is None else {"process": process}
