"""SIGTERM as an end that is waited for."""

from __future__ import annotations

import contextlib
import signal
import socket
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ending_by_signal"]


@contextlib.contextmanager
def ending_by_signal(end: Callable[[], None], watch: Callable[[int, Callable[[], None]], None]) -> Iterator[None]:
    """Have SIGTERM end a loop; epoll_wait(2) is woken through a descriptor, so that none comes between.

    Args:
        end: Makes the loop end.
        watch: Has the loop call something when a descriptor is readable.
    """
    woken, waker = socket.socketpair()
    with woken, waker:
        waker.settimeout(0)
        old_fd = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        old = signal.signal(signal.SIGTERM, lambda *_: end())
        watch(woken.fileno(), partial(_discard, woken))
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, old)
            signal.set_wakeup_fd(old_fd)


def _discard(woken: socket.socket) -> None:
    woken.recv(64)
