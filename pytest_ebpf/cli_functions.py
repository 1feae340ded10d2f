"""What ``pytest-ebpf trace -e`` shows: a command's calls of functions that have probes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf.cli_calls import is_own, told_ns
from pytest_ebpf.functions.call import FunctionCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_ebpf.functions.probe import Probe
    from pytest_ebpf.trace import Trace

__all__ = ["FunctionCalls"]


class FunctionCalls:
    """The calls of a command and its descendants: each is told once, when it has returned where that is told."""

    def __init__(self, trace: Trace, probes: Sequence[Probe]) -> None:
        """Begin with the trace's window.

        Args:
            trace: Of the process that runs the command, whose own calls are left out.
            probes: That tell of them.
        """
        self._window = trace.window
        self._probes = probes
        self._waiting: list[FunctionCall] = []
        self._seen = [0] * len(probes)

    def take(self, *, last: bool = False) -> Iterator[FunctionCall]:
        """Return what is new, in the order in which it was told of.

        Args:
            last: Whether those that have not returned are to be among them.
        """
        history = self._window.history
        self._window.update()
        for index, probe in enumerate(self._probes):
            calls = list(probe.arming.calls())
            for group, raw in calls[self._seen[index] :]:
                if not is_own(history, history.life_of(raw.process), raw.time_ns):
                    self._waiting.append(FunctionCall(probe.arming.definition, group, raw, self._window))
            self._seen[index] = len(calls)
        done = [call for call in self._waiting if last or call.returned or not call.group.spec.returns]
        self._waiting = [call for call in self._waiting if call not in done]
        return iter(sorted(done, key=told_ns))
