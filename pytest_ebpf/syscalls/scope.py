"""What the evidence lacks for a question about system calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf._values import Gap

if TYPE_CHECKING:
    from pytest_ebpf.syscalls.asking import CallQuery
    from pytest_ebpf.window import Window

__all__ = ["Scope"]

_SHOWN = 4


class Scope(NamedTuple):
    """What was asked so far, one question within the other."""

    queries: tuple[CallQuery, ...] = ()
    allow_io_uring: bool = False

    def narrowed(self, query: CallQuery, *, allow_io_uring: bool = False) -> Scope:
        """Return the scope of a further question."""
        return Scope((*self.queries, query), self.allow_io_uring or allow_io_uring)

    def gaps(self, window: Window, *, negative: bool = True) -> tuple[Gap, ...]:
        """Say what is missing.

        Args:
            window: In which time.
            negative: Whether that there are no more is the question.
        """
        gaps = [*window.gaps(), *(gap for query in self.queries if query.who for gap in query.who.gaps)]
        gaps += self._unrecorded(window)
        if negative and not self.allow_io_uring:
            # Asked of some and then of others, it is about those that are both.
            found = window.history.urings.gaps(window, None)
            for query in self.queries:
                if query.who is not None:
                    own = window.history.urings.gaps(window, query.who.spans)
                    found = tuple(gap for gap in found if gap in own)
            gaps += found
        return tuple(dict.fromkeys(gaps))

    def _unrecorded(self, window: Window) -> list[Gap]:
        """Say which calls are asked for that the setting leaves out; a bare list is of what it does not."""
        missing = None
        for query in self.queries:
            lacking = window.recorded.lacks(query.chosen)
            missing = lacking if missing is None else missing & lacking
        if not missing:
            return []
        shown = ", ".join(sorted(missing)[:_SHOWN]) + (
            f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        )
        return [
            Gap(
                f"{shown} were not recorded: {window.recorded.said}",
                'name the calls that you mean, or record them all: @pytest.mark.ebpf(syscalls="all")',
            )
        ]
