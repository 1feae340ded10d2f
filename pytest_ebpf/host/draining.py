"""The thread that empties the outputs of all programs, also while another program is compiled or loaded."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_ebpf.host.instance import Instance

__all__ = ["Drainer"]

_INTERVAL = 0.1
"""Seconds. Programs may write to a ring without waking anybody (``BPF_RB_NO_WAKEUP``); it must not fill up for that."""
_PAUSE = 0.001
"""Seconds to look away when there was nothing to take after all: a record is being written."""


class Drainer:
    """Empties what can be emptied, and wakes who waits for it."""

    def __init__(self) -> None:
        """Start."""
        self._epoll = select.epoll()
        self._instances: dict[int, tuple[Instance, list[int]]] = {}
        self._lock = threading.Lock()
        self._woken = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._woken, select.EPOLLIN)
        # It ends with the process.
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, instance: Instance) -> None:
        """Empty an instance's outputs from now on."""
        descriptors = instance.outputs.descriptors()
        if not descriptors:
            return
        with self._lock:
            self._instances[instance.number] = instance, descriptors
            for descriptor in descriptors:
                self._epoll.register(descriptor, select.EPOLLIN)
        os.eventfd_write(self._woken, 1)

    def remove(self, instance: Instance) -> None:
        """Leave an instance alone; when this returns, nothing of it is touched any more."""
        with self._lock:
            _, descriptors = self._instances.pop(instance.number, (None, []))
            for descriptor in descriptors:
                self._epoll.unregister(descriptor)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._epoll.poll(_INTERVAL if self._instances else None)
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._woken)
            with self._lock:
                came = [instance for instance, _ in self._instances.values() if instance.outputs.take()]
                for instance in came:
                    instance.wake()
            if not came:
                pause.wait(_PAUSE)
