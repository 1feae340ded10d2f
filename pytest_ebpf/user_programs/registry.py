"""The BPF programs that a session's tests brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ebpf.history import History
    from pytest_ebpf.user_programs.program import Program
    from pytest_ebpf.user_programs.types import BccRequest, ObjectRequest
    from pytest_ebpf.window import Window

__all__ = ["UserPrograms"]


class UserPrograms:
    """All programs of the windows that are remembered."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.programs: list[Program] = []
        """In the order in which they were asked for."""

    def object(self, asked: ObjectRequest, window: Window) -> Program:
        """Load and attach an object, or what a C file compiles to, until a window closes.

        Raises:
            UsageError: There is no such file, or something in it is not as was asked for.
            ProgramError: It does not compile, load or attach.
            BrokerError: The broker does not load programs for this client.
        """
        from pytest_ebpf.user_programs.loading import load_object  # noqa: PLC0415 - most runs have no programs

        program = load_object(self._history, asked, window)
        self.programs.append(program)
        return program

    def bcc(self, asked: BccRequest, window: Window) -> Program:
        """Have a text of BCC's compiled, loaded and attached, or use the one that is, until a window closes.

        Raises:
            UsageError: There is no such file, or something in it is not as was asked for.
            ProgramError: It does not compile, load or attach.
            BrokerError: The broker does not load programs for this client.
        """
        from pytest_ebpf.user_programs.bcc_loading import load_bcc  # noqa: PLC0415 - most runs have no programs

        program = load_bcc(self._history, asked, window)
        self.programs.append(program)
        return program

    def update(self) -> None:
        """Take in what the programs that run have written until now."""
        for program in self.programs:
            program.update()

    def closing(self, window: Window) -> None:
        """Let go of the programs of a window, which is closed next."""
        for program in self.programs:
            if program.window is window:
                program.end()

    def forget(self, floor: int) -> None:
        """Drop what windows before this one had."""
        if self.programs:
            self.programs = [program for program in self.programs if program.window.first >= floor]
