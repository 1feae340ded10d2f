"""One process's way to its traces: the connection to the broker, the session, and what it has told.

What reads and asks is imported while the broker starts, which takes as long.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_ebpf.broker import launch
from pytest_ebpf.errors import EbpfError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ebpf.engine.session import Session
    from pytest_ebpf.history import History
    from pytest_ebpf.settings import Settings, Syscalls

__all__ = ["Tracer"]


def _prepare() -> None:
    """Do what needs no broker."""
    from pytest_ebpf import trace  # noqa: F401, PLC0415 - see the module's first lines
    from pytest_ebpf.engine.layout import layouts  # noqa: PLC0415 - likewise

    with contextlib.suppress(EbpfError, LookupError):  # said when it is needed
        layouts()


def _numbers(syscalls: Syscalls) -> dict[str, list[int]] | None:
    """Return what `Session.want_calls` takes."""
    if syscalls.value == "all":
        return None
    if syscalls.none:
        return {}
    from pytest_ebpf.syscalls.selection import parse_recorded  # noqa: PLC0415 - see the module's first lines

    return parse_recorded(syscalls.value, syscalls.source).numbers()


class Tracer:
    """Opens a session when it is first wanted, and another where a test wants a ring of another size."""

    def __init__(self, run_directory: Path, owner: int, broker: str | None, *, ends: bool, calls: bool = True) -> None:
        """Prepare; nothing is started yet.

        Args:
            run_directory: The run's, the same for all xdist workers.
            owner: pid of pytest, under xdist of its controller: the broker ends with it.
            broker: Socket of an administrator's broker, which is used in its stead.
            ends: Whether `close` ends the run's broker too.
            calls: Whether the session can record system calls.
        """
        self._run_directory = run_directory
        self._owner = owner
        self._broker = broker
        self._ends = ends
        self._calls = calls
        self._session: Session | None = None
        self._history: History | None = None

    @property
    def session(self) -> Session:
        """The open session."""
        assert self._session is not None  # noqa: S101 - history() comes first
        return self._session

    def apply(self, settings: Settings) -> History:
        """Return what the session has told, and have the next window recorded as the settings say.

        Raises:
            Unavailable: Tracing is not possible here.
            BrokerError: The broker refused, or is not there.
        """
        history = self.history(settings.ring_size, calls=not settings.syscalls.none)
        session = self.session
        session.capture_environ = settings.environ
        session.argv_limit = settings.argv_limit
        session.data_limit = settings.data_limit
        session.children_only = settings.children_only
        session.want_calls(_numbers(settings.syscalls))
        history.syscalls = settings.syscalls
        return history

    def history(self, ring_size: int, *, calls: bool = False) -> History:
        """Return what the session has told; open one, with a ring of that many bytes, if there is none.

        Args:
            ring_size: Bytes.
            calls: Whether system calls may be wanted. Until they are, nobody pays for them.

        Raises:
            Unavailable: Tracing is not possible here.
            BrokerError: The broker refused, or is not there.
        """
        if self._history is None or self.session.ring_size != ring_size or (calls and not self._calls):
            client = launch.connect(self._run_directory, self._owner, self._broker, _prepare)
            from pytest_ebpf.engine.calls import CallStore  # noqa: PLC0415 - see the module's first lines
            from pytest_ebpf.engine.records import Decoder  # noqa: PLC0415 - likewise
            from pytest_ebpf.engine.session import Session  # noqa: PLC0415 - likewise
            from pytest_ebpf.history import History  # noqa: PLC0415 - likewise

            self._calls = self._calls or calls
            opened = client.open(ring_size, calls=self._calls)
            # The new session has taken over all that the former held; only now may the former go.
            former = self._session
            self._session = Session(opened.ring_fd, opened.control_fd, opened.spill_fd, ring_size, client)
            if former is not None:
                former.close()
            self._history = History(self._session, Decoder().decode, calls=CallStore() if self._calls else None)
            # Who lives already is looked at now: it may close by the first question what it has open.
            self._history.update()
        return self._history

    def pull(self) -> None:
        """Take what has come, so that neither ring nor spill piles up while nothing is asked."""
        if self._history is not None and self._session is not None:
            self._history.pull()

    def close(self) -> None:
        """End the session, and the run's broker if it is ours to end; safe to call again."""
        if self._session is not None:
            self._session.close()
            self._session = None
            self._history = None
        if self._ends:
            launch.finish(self._run_directory)
