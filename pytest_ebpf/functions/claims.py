"""What is claimed of the function calls of a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf import failures
from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions.evidence import Scope
from pytest_ebpf.functions.probe import FunctionSequence, calls_of
from pytest_ebpf.functions.query import FunctionQuery, named
from pytest_ebpf.functions.text import function_row
from pytest_ebpf.syscalls.claims import check_somebody
from pytest_ebpf.verdicts import Claim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf._values import Gap
    from pytest_ebpf.explanations import Found
    from pytest_ebpf.functions.arming import Arming
    from pytest_ebpf.functions.call import FunctionCall
    from pytest_ebpf.window import Window

__all__ = ["FunctionClaim", "probes_of"]

_CANDIDATES = 2000


def probes_of(window: Window, subject: Any) -> tuple[list[Arming], Any, bool]:
    """Return the probes that a subject is about, what it asks of their calls, and whether they are meant by name.

    Args:
        window: In which time.
        subject: A probe, a function's name or a pattern, or None: all.

    Raises:
        UsageError: No such probe was asked for.
    """
    if isinstance(subject, FunctionSequence):
        return list(subject.armings), None, False
    armings = window.history.functions.of(window)
    if subject is None:
        asked = armings
    else:
        goes_by = named(subject)
        asked = [each for each in armings if any(map(goes_by, each.definition.functions))]
    if not asked:
        there = ", ".join(dict.fromkeys(each.definition.name for each in armings))
        about = "a function" if subject is None else repr(subject)
        example = subject if isinstance(subject, str) else "function"
        raise UsageError(
            f"no probe on {about} was asked for in this window{f' (only on {there})' if there else ''}; ask for it"
            f" before it is called: ebpf_trace.uprobe('./program', {example!r})"
        )
    return asked, subject, True


class FunctionClaim(Claim["FunctionCall"]):
    """What is claimed of the function calls of a window."""

    __slots__ = ("_scope",)

    query: FunctionQuery

    noun = "function call"
    plural = "function calls"

    def __init__(  # noqa: PLR0913 - all by their names
        self,
        window: Window,
        subject: Any,
        criteria: Mapping[str, Any],
        *,
        allow_unmapped: bool = False,
        allow_inlined: bool = False,
        prefix: str = "",
    ) -> None:
        """Take what is claimed.

        Args:
            window: Of which time.
            subject: See `probes_of`.
            criteria: What of them.
            allow_unmapped: Whether nobody need have had the file mapped.
            allow_inlined: Whether calls of copies of the function are left aside.
            prefix: Of messages.

        Raises:
            UsageError: What is asked cannot be.
        """
        armings, name, by_name = probes_of(window, subject)
        query = FunctionQuery(window, armings, name, criteria)
        if not by_name:
            about = ", ".join(dict.fromkeys(each.definition.name for each in armings))
            query.asked = ", ".join(filter(None, [about, query.asked]))
        super().__init__(window, query, calls_of(armings, window), "made", function_row, prefix)
        self._scope = Scope(tuple(armings), by_name=by_name).narrowed(
            query, allow_unmapped=allow_unmapped, allow_inlined=allow_inlined
        )

    @property
    def armings(self) -> tuple[Arming, ...]:
        """The probes that it is about."""
        return self._scope.armings

    def check_countable(self) -> None:
        """Refuse to count calls that two probes tell of, each for itself.

        Raises:
            UsageError: There are such.
        """
        met: dict[tuple[str, str], frozenset[int]] = {}
        for arming in self.armings:
            ids = frozenset(each.probe.id for each in arming.attached)
            for name in arming.definition.functions:
                if met.setdefault((arming.definition.path, name), ids) != ids and self._names(name):
                    raise UsageError(
                        f"several probes are on {name}, and each tells of every call: count those of one, by what"
                        " uprobe() returned"
                    )

    def _names(self, function: str) -> bool:
        return self.query.goes_by(function)

    def gaps(self, *, negative: bool) -> tuple[Gap, ...]:
        """Say what the evidence lacks.

        Raises:
            UsageError: Nobody goes by the name whose calls it is about, so it would hold whatever happened.
        """
        gaps = self._scope.gaps(self.window)
        if negative and not gaps:
            check_somebody(self.query.who)
        return gaps

    def nearest(self, found: Found[FunctionCall]) -> list[str]:
        """Show the calls of these functions that came nearest."""
        return failures.closest(found.rejected[:_CANDIDATES], self.query, self.row)
