"""The part of a trace that is about BPF programs of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import UsageError
from pytest_ebpf.quiet import quiet
from pytest_ebpf.user_programs.types import ObjectRequest

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from pytest_ebpf.user_programs.program import Program
    from pytest_ebpf.window import Window

__all__ = ["ProgramRequests"]


@quiet("_history.session")
class ProgramRequests:
    """What a `pytest_ebpf.trace.Trace` does with programs of the test's own."""

    @property
    def window(self) -> Window:
        """The window; for this package's own."""
        raise NotImplementedError  # of the trace

    def program(
        self,
        path: str | os.PathLike[str],
        /,
        *,
        defines: Mapping[str, str | int | None] | None = None,
        attach: Mapping[str, str | None] | None = None,
        variables: Mapping[str, Any] | None = None,
        types: Mapping[str, str] | None = None,
    ) -> Program:
        """Load a BPF program of your own and attach it, from now to the window's end.

        Args:
            path: Of a compiled object (``probe.bpf.o``), or of its text (``probe.bpf.c``).
            defines: Macros that the text is compiled with; None as a value: without one.
            attach: By program, where it is attached: ``{"on_accept": "uprobe:./exp:accept_exp"}``; None: nowhere. Those
                that are not named are attached where their sections say.
            variables: Values of global variables, written before it runs.
            types: By output, which structure its records are, where the object does not tell: ``{"events": "event"}``.

        Raises:
            UsageError: There is no such file, or something in it is not as was asked for.
            ProgramError: It does not compile, load or attach.
            BrokerError: The broker does not load programs for this client.
        """
        window = self.window
        if window.closed:
            raise UsageError(f"the window is closed: a program runs in an open one, and {path} came too late")
        asked = ObjectRequest(Path(path), defines or {}, attach or {}, variables or {}, types or {})
        return window.history.programs.load_object(asked, window)
