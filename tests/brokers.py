"""Broker processes for tests, around the engine of `fake_broker`."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import fake_broker
from fake_broker import Page

from pytest_ebpf.broker.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_ebpf.broker.client import Opened

PATIENCE = 60.0
"""Seconds after which what a test waits for will not come."""


@dataclass
class Broker:
    run_directory: Path
    process: subprocess.Popen[str]
    first_line: dict[str, str]
    log_descriptor: int

    @property
    def socket(self) -> Path:
        return self.run_directory / "socket"

    @property
    def log(self) -> Path:
        return self.run_directory / "log"

    def client(self) -> Client:
        return Client.connect(self.socket, self.log)

    def last_words(self) -> str:
        """What it logged last; the log itself goes with the run directory."""
        return os.pread(self.log_descriptor, 1 << 20, 0).decode().splitlines()[-1]

    def sessions(self) -> int:
        with contextlib.closing(self.client()) as client:
            return client.status().sessions


@contextlib.contextmanager
def running(
    run_directory: Path,
    *,
    script: Sequence[str] = (fake_broker.__file__,),
    uid: int | None = None,
    owner: int | None = None,
    mode: int = 0o700,
) -> Iterator[Broker]:
    """A broker that serves, or that has said why it does not; by which Python script, with its first arguments."""
    run_directory.mkdir()
    run_directory.chmod(mode)
    if uid is not None:
        os.chown(run_directory, uid, -1)
    uid = os.geteuid() if uid is None else uid
    words = ["--run-dir", str(run_directory), "--uid", str(uid), "--owner", str(owner or os.getpid())]
    command = [sys.executable, *script, *words]
    with (
        (run_directory / "log").open("a+b") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout
            yield Broker(run_directory, process, json.loads(process.stdout.readline() or "{}"), log.fileno())
        finally:
            process.kill()


@contextlib.contextmanager
def session(broker: Broker, ring_size: int = 4096) -> Iterator[tuple[Client, Opened, Page]]:
    with contextlib.closing(broker.client()) as client:
        opened = client.open(ring_size)
        try:
            yield client, opened, Page(opened.control_fd)
        finally:
            for descriptor in (opened.ring_fd, opened.control_fd, opened.spill_fd):
                os.close(descriptor)


def readable(client: Client) -> bool:
    client._socket.settimeout(0)
    try:
        client._socket.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true; for what another process does in its own time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def gone(pid: int) -> bool:
    """Whether the process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(descriptor):
        return bool(select.select([descriptor], [], [], PATIENCE)[0])


@contextlib.contextmanager
def forked(function: Callable[[], str], uid: int | None = None) -> Iterator[tuple[int, Callable[[], str]]]:
    """Run a function in a child, of another uid if asked; gives its pid and a way to wait for what it returned."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Under xdist this process has a second thread, of which Python 3.12 and later warns.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            if uid is not None:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
            try:
                said = function()
            except Exception as error:  # noqa: BLE001 - the parent's to judge
                said = f"{type(error).__name__}: {error}"
            os.write(writing, said.encode())
            signal.pause()
        os._exit(0)
    os.close(writing)
    try:
        yield pid, lambda: os.read(reading, 65536).decode()
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
