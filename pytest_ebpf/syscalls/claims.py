"""What is claimed of the system calls of a window."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from pytest_ebpf import failures
from pytest_ebpf.errors import UsageError
from pytest_ebpf.syscalls.asking import CallQuery
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.syscalls.places import calls_of, search
from pytest_ebpf.syscalls.scope import Scope
from pytest_ebpf.syscalls.sequence import call_row
from pytest_ebpf.verdicts import Claim

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pytest_ebpf._values import Gap
    from pytest_ebpf.explanations import Found
    from pytest_ebpf.syscalls.who import Who
    from pytest_ebpf.window import Window

__all__ = ["CallClaim", "check_somebody"]

_CANDIDATES = 2000


def check_somebody(who: Who | None) -> None:
    """Refuse to let hold what is about nobody.

    Args:
        who: Whose calls it is about; None: all.

    Raises:
        UsageError: No process goes by the name whose calls it is about.
    """
    if who is not None and who.by_name and not who.spans:
        raise UsageError(f"{who.asked}: no process goes by that, so this would hold whatever happened")


class CallClaim(Claim[Syscall]):
    """What is claimed of the system calls of a window."""

    __slots__ = ("_scope",)

    query: CallQuery

    noun = "system call"
    plural = "system calls"

    def __init__(
        self,
        window: Window,
        subject: Any,
        criteria: Mapping[str, Any],
        *,
        allow_io_uring: bool = False,
        prefix: str = "",
    ) -> None:
        """Take what is claimed.

        Args:
            window: Of which time.
            subject: Which calls; see `CallQuery`.
            criteria: What of them.
            allow_io_uring: Whether what is done through an io_uring is left aside.
            prefix: Of messages.

        Raises:
            UsageError: What is asked cannot be, or is not recorded.
        """
        query = CallQuery(window, subject, criteria)
        super().__init__(window, query, calls_of(window), "made", call_row, prefix)
        self._scope = Scope(allow_io_uring=allow_io_uring).narrowed(query)

    @property
    def short(self) -> str:
        """What is asked, as one of several."""
        return self.query.short

    def find(self) -> Found[Syscall]:
        """Judge all calls."""
        return search(self.pool, self.query)

    def gaps(self, *, negative: bool) -> tuple[Gap, ...]:
        """Say what the evidence lacks.

        Raises:
            UsageError: Nobody goes by the name whose calls it is about, so it would hold whatever happened.
        """
        gaps = self._scope.gaps(self.window, negative=negative)
        if negative and not gaps:
            check_somebody(self.query.who)
        return gaps

    def nearest(self, found: Found[Syscall]) -> list[str]:
        """Show the calls that came nearest: others than those named, if none of those was made."""
        if len(found.rejected):
            return failures.closest(found.rejected, self.query, self.row)
        return failures.closest(list(itertools.islice(self.pool, _CANDIDATES)), self.query, self.row)
