"""The part of a trace that is about BPF programs of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import UsageError
from pytest_ebpf.quiet import quiet
from pytest_ebpf.user_programs.types import BccRequest, ObjectRequest

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterable, Mapping

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

    def program(  # noqa: PLR0913 - each has its name
        self,
        path: str | os.PathLike[str],
        /,
        *,
        defines: Mapping[str, str | int | None] | None = None,
        attach: Mapping[str, str | None] | None = None,
        variables: Mapping[str, Any] | None = None,
        maps: Mapping[str, Mapping[str, int]] | None = None,
        without: Collection[str] = (),
        types: Mapping[str, str] | None = None,
    ) -> Program:
        """Load a BPF program of your own and attach it, from now to the window's end.

        Args:
            path: Of a compiled object (``probe.bpf.o``), or of its text (``probe.bpf.c``).
            defines: Macros that the text is compiled with; None as a value: without one.
            attach: By program, where it is attached: ``{"on_accept": "uprobe:./exp:accept_exp"}``; None: nowhere. Those
                that are not named are attached where their sections say.
            variables: Values of global variables, written before it runs.
            maps: By map, the sizes it is made with, where they are others than the object says:
                ``{"stacks": {"max_entries": 1024, "value_size": 1016}}``, and ``key_size`` (value and key in bytes).
            without: Programs of the object that are not loaded: those for another kernel, or another way to the same.
            types: By output, which structure its records are, where the object does not tell: ``{"events": "event"}``.

        Raises:
            UsageError: There is no such file, or something in it is not as was asked for.
            ProgramError: It does not compile, load or attach.
            BrokerError: The broker does not load programs for this client.
        """
        window = self.window
        if window.closed:
            raise UsageError(f"the window is closed: a program runs in an open one, and {path} came too late")
        asked = ObjectRequest(
            Path(path), defines or {}, attach or {}, variables or {}, maps or {}, without, types or {}
        )
        return window.history.programs.load_object(asked, window)

    def bcc(
        self,
        program: str | os.PathLike[str],
        /,
        *,
        attach: Mapping[str, str | None] | None = None,
        cflags: Iterable[str] = (),
        types: Mapping[str, Any] | None = None,
    ) -> Program:
        """Have a program of BCC's compiled and attached by the system's BCC, for this window.

        It is compiled once for the run, and runs to its end: all tests that ask for the same text have it together,
        with all that its maps hold. Its events are those of this test's processes.

        Args:
            program: Its C text; or the path of a file that has it.
            attach: By function, where it is attached, as of `program`, beside what BCC attaches by the functions' names
                (``TRACEPOINT_PROBE``, ``RAW_TRACEPOINT_PROBE``, ``kprobe__``); None: something else calls it.
            cflags: More for clang: ``-DLIMIT=5``.
            types: By output, what is submitted to it, where BCC does not tell: a ctypes type, or the name of a
                structure of the text's.

        Raises:
            UsageError: There is no such file, or something in it is not as was asked for.
            ProgramError: There is no BCC, or it does not compile, load or attach.
            BrokerError: The broker does not load programs for this client.
        """
        window = self.window
        if window.closed:
            raise UsageError("the window is closed: a program runs in an open one, and this one came too late")
        asked = BccRequest(program, attach or {}, tuple(cflags), types or {})
        return window.history.programs.load_bcc(asked, window)
