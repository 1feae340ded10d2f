"""A BPF program of the test's own, loaded and attached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf.errors import UsageError
from pytest_ebpf.quiet import quiet
from pytest_ebpf.user_programs.maps import ProgramMap, Variables
from pytest_ebpf.user_programs.object_types import nearest

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from pytest_ebpf.history import History
    from pytest_ebpf.user_programs.hosting import Hosted
    from pytest_ebpf.user_programs.types import TypeSource
    from pytest_ebpf.window import Window

__all__ = ["Program"]


@quiet("_history.session")
class Program:
    """A program that runs in the kernel until the test's window closes, or until `detach`."""

    def __init__(self, history: History, hosted: Hosted, types: TypeSource, window: Window, name: str) -> None:
        """Made by `Trace.program` and `Trace.bcc` only.

        Args:
            history: Of the session.
            hosted: What the host holds.
            types: Tells what its maps, variables and events are.
            window: In which it runs.
            name: What messages call it.
        """
        self._history = history
        self.hosted = hosted
        """For this package's own."""
        self.types = types
        """For this package's own."""
        self.window = window
        """For this package's own."""
        self.name = name
        """The file's."""
        self._detached = False

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

    def detach(self) -> None:
        """Detach it; its maps, variables and events can be asked further. Safe to call again."""
        if self.hosted.open and not self._detached:
            self._detached = True
            self.hosted.ask("detach")

    def update(self) -> None:
        """Take in what it has written until now; for this package's own."""

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
        state = "gone" if not self.hosted.open else "detached" if self._detached else "running"
        return f"<Program {self.name}, {state}>"
