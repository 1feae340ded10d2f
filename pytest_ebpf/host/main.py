"""The host of one broker, from its start to its end. Runs with the broker's privilege."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

from pytest_ebpf.engine.native import library
from pytest_ebpf.host.server import Server

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Serve one broker; return the exit status.

    Args:
        arguments: pid of the broker, and NAME=DESCRIPTOR: ``broker`` of the socket from which clients come, and of the
            engine's maps, as `pytest_ebpf.broker.programs` writes them.
    """
    broker, *pairs = arguments
    given = {name: int(descriptor) for name, _, descriptor in (pair.partition("=") for pair in pairs)}
    for descriptor in given.values():
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - Python's own
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if library()[1].pe_end_with(int(broker)):
        return 1  # it has ended already
    with socket.socket(fileno=given.pop("broker")) as connection:
        Server(connection, given).run()
    # Without freeing anything: the kernel detaches what this process held.
    os._exit(0)
