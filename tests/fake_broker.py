"""A real broker process around an engine that is none: python fake_broker.py --run-dir … --uid … --owner …

What would be the control page is a small file in memory that the client holds, and through which a test
plays the kernel: see `Page`. The descriptor of the ring is an eventfd.
"""

from __future__ import annotations

import mmap
import os
import select
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_ebpf.broker import main
from pytest_ebpf.errors import BrokerError, Unavailable

if TYPE_CHECKING:
    from pytest_ebpf.engine.probes import Asked

WAKE, FILLED, LENGTH, DRAINS, BROKEN = range(5)
_DATA = 16


class Page:
    """One byte each: the client waits at the ring itself; how full it is in percent; length of the data in it;
    how often it was drained; whether draining fails with a bug.
    """

    def __init__(self, descriptor: int) -> None:
        self.bytes = mmap.mmap(descriptor, mmap.PAGESIZE)

    def fill(self, percent: int, data: bytes) -> None:
        self.bytes[_DATA : _DATA + len(data)] = data
        self.bytes[LENGTH] = len(data)
        self.bytes[FILLED] = percent

    @property
    def wake(self) -> bool:
        return bool(self.bytes[WAKE])

    @property
    def filled(self) -> float:
        return self.bytes[FILLED] / 100

    def drain(self) -> bytes:
        if self.bytes[BROKEN]:
            raise ZeroDivisionError
        data = self.bytes[_DATA : _DATA + self.bytes[LENGTH]]
        self.bytes[FILLED] = self.bytes[LENGTH] = 0
        self.bytes[DRAINS] += 1
        return data


@dataclass
class FakeSession:
    id: int
    ring_fd: int
    control_fd: int
    ring: Page
    control: Page


@dataclass
class FakeEngine:
    open: dict[int, FakeSession] = field(default_factory=dict)
    last: int = 0

    @classmethod
    def load(cls) -> FakeEngine:
        fault = os.environ.get("FAKE_ENGINE")
        if fault == "unavailable":
            raise Unavailable("pytest-ebpf: this fake kernel is too old")
        if fault == "bug":
            raise ZeroDivisionError("a bug of the loader")
        if fault == "slow":
            select.select([], [], [], 0.5)
        return cls()

    def open_session(self, pid: int, uid: int, *, confined: bool, ring_size: int, calls: bool) -> FakeSession:
        if ring_size == 8192:
            raise BrokerError("the kernel did not give a map")
        if ring_size == 16384:
            raise ZeroDivisionError("a bug of the engine")
        control = os.memfd_create("control")
        os.truncate(control, mmap.PAGESIZE)
        page = Page(control)
        self.last += 1
        session = FakeSession(self.last, os.eventfd(0, os.EFD_CLOEXEC), control, page, page)
        page.bytes[_DATA:] = f"{pid} {uid} {confined} {ring_size} {calls}".encode().ljust(mmap.PAGESIZE - _DATA, b"\0")
        self.open[session.id] = session
        return session

    def close_session(self, session_id: int) -> None:
        session = self.open.pop(session_id)
        os.close(session.ring_fd)
        os.close(session.control_fd)

    def snapshot(self, session_id: int) -> None:
        self.open[session_id].control.fill(50, b"snapshot")

    def attach(self, session_id: int, asked: Asked) -> tuple[int, bool]:
        raise BrokerError(f"the fake kernel has no {asked.kind}, and session {session_id} none to share")

    def detach(self, session_id: int, probe: int) -> bool:
        return self.open[session_id].id == probe

    def format(self, tracepoint: str) -> str:
        return f"field:int {tracepoint.partition(':')[2]};	offset:8;	size:4;	signed:1;"

    def traceable(self) -> bytes:
        return b"one\ntwo [module]\n"

    def shared_maps(self) -> dict[str, int]:
        return {}

    def missed(self) -> int:
        return 7

    def programs(self) -> list[str]:
        return ["one", "two"]

    def close(self) -> None:
        sys.stderr.write(f"engine closed, {len(self.open)} sessions open\n")


if __name__ == "__main__":
    main.begin_engine = lambda: None
    main.load_engine = FakeEngine.load
    sys.exit(main.main(sys.argv[1:]))
