"""The part of a trace that is about function calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from pytest_ebpf import verdicts
from pytest_ebpf._values import Verdict
from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions import wanted as asking
from pytest_ebpf.functions.claims import FunctionClaim
from pytest_ebpf.functions.probe import FunctionSequence, Probe, calls_of
from pytest_ebpf.functions.query import FunctionQuery
from pytest_ebpf.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ebpf.functions.call import FunctionCall
    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.window import Window

__all__ = ["FunctionAssertions"]


@quiet("_history.session")
class FunctionAssertions:
    """What a `pytest_ebpf.trace.Trace` asks and asserts of function calls."""

    @property
    def window(self) -> Window:
        """The window; for this package's own."""
        raise NotImplementedError  # of the trace

    def probe(self, wanted: Wanted | str, /) -> Probe:
        """Switch a probe on, from now to the window's end.

        Args:
            wanted: What `pytest_ebpf.uprobe` and the others return; or a text, such as
                ``"uprobe:./exp:accept_exp num=s32@arg0"``.

        Returns:
            The calls that it tells of: a sequence that grows.

        Raises:
            UsageError: There is no such function, or it cannot be asked so.
            BrokerError: It cannot be attached.
        """
        if isinstance(wanted, str):
            wanted = asking.parse(wanted)
        elif not isinstance(wanted, asking.Wanted):
            raise UsageError(
                f"a probe is what pytest_ebpf.uprobe() and the others return, or a text such as"
                f" 'uprobe:./program:function', not {wanted!r}"
            )
        window = self.window
        if window.closed:
            raise UsageError(f"the window is closed: ask for {wanted} while it is open")
        window.check_kept()
        return Probe(window.history.functions.arm(wanted, window))

    def uprobe(  # noqa: PLR0913 - each has its name
        self,
        target: Any,
        function: str | None = None,
        /,
        *types: Any,
        where: str | None = None,
        every: int = 1,
        limit: int | None = None,
        stack: bool = False,
        returns: Any = None,
        **values: Any,
    ) -> Probe:
        """Record the calls of a function in an executable or a library, from now to the window's end.

        The parameters are those of `pytest_ebpf.uprobe`, which says what each is.

        Returns:
            The calls: a sequence that grows.

        Raises:
            UsageError: There is no such file, function, type or place.
            BrokerError: It cannot be attached.
        """
        options: dict[str, Any] = {"where": where, "every": every, "limit": limit, "stack": stack, "returns": returns}
        return self.probe(asking.uprobe(target, *_given(function), *types, **options, **values))

    def usdt(  # noqa: PLR0913 - each has its name
        self,
        target: Any,
        provider: str | None = None,
        name: str | None = None,
        /,
        *types: Any,
        where: str | None = None,
        every: int = 1,
        limit: int | None = None,
        stack: bool = False,
        **values: Any,
    ) -> Probe:
        """Record the hits of a static probe (USDT), as `pytest_ebpf.usdt` says; otherwise as `uprobe`."""
        options: dict[str, Any] = {"where": where, "every": every, "limit": limit, "stack": stack}
        return self.probe(asking.usdt(target, *_given(provider, name), *types, **options, **values))

    def tracepoint(
        self,
        name: str,
        /,
        *,
        where: str | None = None,
        every: int = 1,
        limit: int | None = None,
        task: Any = None,
        **values: Any,
    ) -> Probe:
        """Record a tracepoint of the kernel, as `pytest_ebpf.tracepoint` says; otherwise as `uprobe`.

        Only as processes of the test pass it, or, with `task`, as it concerns them.
        """
        return self.probe(asking.tracepoint(name, where=where, every=every, limit=limit, task=task, **values))

    def kernel_function(  # noqa: PLR0913 - each has its name
        self,
        name: str,
        /,
        *types: Any,
        where: str | None = None,
        every: int = 1,
        limit: int | None = None,
        stack: bool = False,
        returns: Any = None,
        **values: Any,
    ) -> Probe:
        """Record the calls of a function of the kernel, as `pytest_ebpf.kernel_function` says; otherwise as `uprobe`.

        Only the calls by processes of the test.
        """
        options: dict[str, Any] = {"where": where, "every": every, "limit": limit, "stack": stack, "returns": returns}
        return self.probe(asking.kernel_function(name, *types, **options, **values))

    def python_frames(self, target: Any, /) -> None:
        """Record which Python functions run, from now to the window's end, so that calls have a `python_stack`.

        Each line of Python costs a record: ask for it where few run.

        Args:
            target: A Python interpreter with static probes (USDT), as of `usdt`.

        Raises:
            UsageError: It has none.
            BrokerError: They cannot be attached.
        """
        from pytest_ebpf.functions.python_frames import probes  # noqa: PLC0415 - only of who asks

        for wanted in probes(target):
            self.probe(wanted)

    @property
    def functions(self) -> FunctionSequence:
        """The function calls of the window, of all probes that were on."""
        window = self.window
        return FunctionSequence.of(window.history.functions.of(window), window)

    @overload
    def assert_called(
        self,
        function: Any = None,
        /,
        *,
        count: None = None,
        allow_unmapped: bool = False,
        allow_inlined: bool = False,
        **criteria: Any,
    ) -> FunctionCall: ...
    @overload
    def assert_called(
        self,
        function: Any = None,
        /,
        *,
        count: Any,
        allow_unmapped: bool = False,
        allow_inlined: bool = False,
        **criteria: Any,
    ) -> FunctionSequence: ...
    def assert_called(
        self,
        function: Any = None,
        /,
        *,
        count: Any = None,
        allow_unmapped: bool = False,
        allow_inlined: bool = False,
        **criteria: Any,
    ) -> FunctionCall | FunctionSequence:
        """Assert that a function that has a probe was called in the window.

        Args:
            function: Its name, a pattern, or what `uprobe` returned.
            count: How many calls there are to be: exactly a number, or what a predicate or a matcher accepts.
            allow_unmapped: With `count`, as of `assert_not_called`.
            allow_inlined: With `count`, as of `assert_not_called`.
            **criteria: Arguments, fields of structures among them, and other fields, and what they are to be.

        Returns:
            The first call that matches; with `count`, all of them.

        Raises:
            AssertionError: It was not.
            TraceIncomplete: It cannot be told.
            UsageError: No such probe was asked for, there is no such argument, or it cannot have such a value.
        """
        __tracebackhide__ = True
        claim = FunctionClaim(
            self.window, function, criteria, allow_unmapped=allow_unmapped, allow_inlined=allow_inlined
        )
        if count is None:
            return verdicts.prove(claim)
        claim.check_countable()
        return FunctionSequence.proved(verdicts.prove_count(claim, count), claim.armings, self.window, claim.asked)

    def assert_not_called(
        self,
        function: Any = None,
        /,
        *,
        allow_unmapped: bool = False,
        allow_inlined: bool = False,
        **criteria: Any,
    ) -> None:
        """Assert that a function that has a probe was not called since the probe was asked for.

        Args:
            function: As of `assert_called`.
            allow_unmapped: Whether it holds too if nothing shows that a process ran the file, or had it mapped.
            allow_inlined: Whether to leave aside calls of the function where the compiler put its code into others,
                or of copies that it made of the function: no probe sees them.
            **criteria: As of `assert_called`.

        Raises:
            AssertionError: It was.
            TraceIncomplete: It cannot be told; also if the probe could not fire.
            UsageError: As of `assert_called`.
        """
        __tracebackhide__ = True
        verdicts.refute(
            FunctionClaim(self.window, function, criteria, allow_unmapped=allow_unmapped, allow_inlined=allow_inlined)
        )

    def _awaited_function(
        self, probe: FunctionSequence, criteria: Mapping[str, Any]
    ) -> tuple[Callable[[], Any], Callable[[str], Any]]:
        """Return what looks once for a call, and what fails when the time is over; for `wait_for`."""
        window = self.window
        query = FunctionQuery(window, probe.armings, None, criteria)

        def attempt() -> FunctionCall | None:
            return next((call for call in calls_of(probe.armings, window) if query.judge(call) is Verdict.YES), None)

        return attempt, lambda prefix: verdicts.prove(FunctionClaim(window, probe, criteria, prefix=prefix))


def _given(*names: str | None) -> list[str]:
    return [name for name in names if name is not None]
