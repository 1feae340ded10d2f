"""A stretch of the test in which evidence is collected: its numbers, its processes, its losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf.errors import UsageError
from pytest_ebpf.losses import Losses
from pytest_ebpf.namespaces import Namespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_ebpf._values import Gap
    from pytest_ebpf.history import Happening, History
    from pytest_ebpf.images import Image
    from pytest_ebpf.lives import Life
    from pytest_ebpf.syscalls.selection import Recorded

__all__ = ["Window"]


class Window:
    """Consecutive window numbers, from `first` to `last`.

    There are several because a section inside takes numbers of its own: one when it opens, and one for
    what comes after it when it closes.
    """

    def __init__(self, history: History) -> None:
        """Open it: what happens from now on belongs to it."""
        self.history = history
        self._before: Mapping[str, int] = history.session.counters()
        self._missed_before = history.missed
        self._after: Mapping[str, int] | None = None
        # Who left unseen in an earlier window may still act in this one.
        self._left_before = self._still_away()
        self.syscalls = history.syscalls
        """Which system calls are recorded."""
        self.children_only = history.session.children_only
        """Whether those of the test's own process are not."""
        self.first = history.open(self)
        self.opened_ns = history.now()
        self.closed_ns: int | None = None
        self._last: int | None = None
        self._recorded: Recorded | None = None
        self.remarks: Callable[[], Iterable[str]] = tuple
        """Tells what else to say when an assertion fails: the plugins' part."""

    @property
    def last(self) -> int:
        """The last number; grows while the window is open."""
        return self.history.number if self._last is None else self._last

    @property
    def closed(self) -> bool:
        """Whether nothing is collected any more."""
        return self._last is not None

    def close(self) -> None:
        """Close it; safe to call again."""
        if self.closed:
            return
        self.history.functions.closing(self)
        self.history.programs.closing(self)
        self._last = self.history.close(self)
        self.closed_ns = self.history.now()
        self._after = self.history.session.counters()

    def check_kept(self, *, calls: bool = False) -> None:
        """Make sure that what was collected is still there.

        Args:
            calls: Whether it is about system calls, which sequences of them do not keep.

        Raises:
            UsageError: It has been forgotten.
        """
        if self.first < self.history.floor:
            raise UsageError(
                "this trace's records are gone: a trace can be asked until the next test's window opens;"
                f" ask earlier{', or keep the sequences that it returned' if not calls else ''}"
            )

    def update(self) -> None:
        """Learn what the kernel has told until now.

        Raises:
            UsageError: What was collected has been forgotten.
        """
        self.check_kept()
        self.history.update()

    def update_calls(self, *, snapshot: bool) -> None:
        """Learn what the kernel has told until now, if wanted of the system calls that have not returned too.

        Raises:
            UsageError: It has been forgotten, or none are recorded.
        """
        self.check_kept(calls=True)
        _ = self.recorded
        if snapshot:
            self.history.snapshot()
        else:
            self.history.update()

    @property
    def recorded(self) -> Recorded:
        """Which system calls are recorded.

        Raises:
            UsageError: None are, and the setting says so.
        """
        if self.syscalls.none:
            raise UsageError(
                f"no system calls are recorded: {self.syscalls.source or 'the setting syscalls'} says none; "
                'try @pytest.mark.ebpf(syscalls="all")'
            )
        _ = self.history.calls
        if self._recorded is None:
            from pytest_ebpf.syscalls.selection import parse_recorded  # noqa: PLC0415 - a window may never need it

            self._recorded = parse_recorded(self.syscalls.value, self.syscalls.source)
        return self._recorded

    def __contains__(self, number: int) -> bool:
        return self.first <= number <= self.last

    def _still_away(self) -> int:
        history = self.history
        if not history.session.counters().get("left_members", 0):
            return 0
        history.update()
        return sum(history.is_running(life) is not False for life in history.left.values())

    def losses(self, *, since_session: bool = False, until_now: bool = False) -> Losses:
        """Return what the evidence lacks.

        Args:
            since_session: Count from the session's start, for a process that is older than the window.
            until_now: Count to this moment, for what is known of a process after the window.
        """
        session, history = self.history.session, self.history
        history.check_process()
        history.missed = session.missed()
        after = session.counters() if self._after is None or until_now else self._after
        return Losses.between(
            {} if since_session else self._before,
            after,
            missed=history.missed - self._missed_before,
            left_earlier=0 if since_session else self._left_before,
        )

    def gaps(self, *, since_session: bool = False, until_now: bool = False) -> tuple[Gap, ...]:
        """Say what the evidence lacks; empty if it is whole."""
        losses = self.losses(since_session=since_session, until_now=until_now)
        return losses.gaps(self.history.session.ring_size)

    def gaps_of(self, life: Life) -> tuple[Gap, ...]:
        """Say what may be missing of what one process did until now."""
        return self.gaps(since_session=life.birth_window not in self, until_now=True)

    def baseline(self) -> Namespaces | None:
        """Return the namespaces of the test's own process when the window opened."""
        identity = self.history.root_identity_at(self.opened_ns)
        return None if identity is None else Namespaces.of(identity)

    def lives(self) -> list[Life]:
        """Return who was born in the window, executed, changed or ended in it, by birth."""
        self.update()
        found = [
            life
            for life in self.history.lives.values()
            if self.was_born_here(life) or any(number in self for number in life.touched)
        ]
        return sorted(found, key=lambda life: (life.birth_ns, life.key))

    def was_born_here(self, life: Life) -> bool:
        """Whether a process was born in the window."""
        return not life.adopted and life.birth_window in self

    def lived_here(self, life: Life) -> bool:
        """Whether a process lived in the window, as far as is known."""
        return life.birth_window <= self.last and (life.exit is None or life.exit["window"] >= self.first)

    def images(self, life: Life) -> list[Image]:
        """Return the programs that a process began to run in the window; none if it is older."""
        executed = [image for image in life.executed if image.window in self]
        if executed or not self.was_born_here(life):
            return executed
        return [life.start()]

    def ended_here(self, life: Life) -> bool:
        """Whether a process ended in the window."""
        return life.exit is not None and life.exit["window"] in self

    def happenings(self) -> list[Happening]:
        """Return what happened in the window, by time."""
        self.update()
        return self.history.happenings(self.first, self.last)

    def cuts(self) -> int:
        """Return how many records of the window have a text that was cut or could not be read."""
        return sum(
            bool(each.record["truncated"] | each.record["unreadable"])
            for each in self.happenings()
            if each.kind == "exec"
        )
