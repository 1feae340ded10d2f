"""The broker of one pytest run, from its start to its end. Runs with privilege.

It says on its stdout, in one line of JSON, that it is ready, or why it cannot be; its stderr is the run's
log.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf.broker.place import Place
from pytest_ebpf.broker.server import Limits, Server
from pytest_ebpf.broker.start import GREETING
from pytest_ebpf.errors import EbpfError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ebpf.broker.server import Engine

__all__ = ["listen", "load_engine", "main", "prepare"]


def load_engine() -> Engine:
    """Load and attach the kernel programs.

    Raises:
        Unavailable: With what is missing.
    """
    from pytest_ebpf.engine.loader import Engine as KernelEngine  # noqa: PLC0415 - loads the extension

    return KernelEngine.load()


def listen(engine: Engine, place: Place, uid: int, owner: int | None = None) -> Server:
    """Make the server; leave no socket without one."""
    try:
        return Server(engine, place, uid, owner, Limits())
    except BaseException:
        place.remove()
        raise


def prepare() -> None:
    """Give up what a broker does not need of its user."""
    if os.geteuid() == 0:
        # Between root's rights and the user's (`Place`) root's groups would be a third kind.
        with contextlib.suppress(PermissionError):
            os.setgroups([])
    # The user's, left alone: a limit on file sizes is meant for what tests write.
    os.umask(0o077)
    _raise_descriptor_limit()


def _raise_descriptor_limit() -> None:
    """Six descriptors a session: with the usual soft limit of 1024, 170 of them would be the end."""
    import resource  # noqa: PLC0415 - needed here alone

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(arguments: Sequence[str]) -> int:
    """Serve one run; return the exit status."""
    parser = argparse.ArgumentParser(prog="pytest-ebpf broker")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--uid", type=int, required=True)
    parser.add_argument("--owner", type=int, required=True)
    options = parser.parse_args(arguments)
    # Ctrl-C and a closed terminal are for pytest, which will want to report what was traced; its end is ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    sys.stderr.write(
        f"{GREETING} pid {os.getpid()}, uid {os.geteuid()}, serves uid {options.uid} for process {options.owner}\n"
    )
    try:
        prepare()
        # In this order: where there is a socket, there is a broker.
        engine = load_engine()
        server = listen(engine, Place.in_run_directory(options.run_dir, options.uid), options.uid, options.owner)
    except Unavailable as error:
        _say({"unavailable": str(error)})
        return 1
    except (EbpfError, OSError) as error:
        _say({"error": f"the broker cannot start: {error}"})
        return 1
    signal.signal(signal.SIGTERM, lambda *_: server.end())
    _say({"ready": str(options.run_dir / "socket")})
    server.run()
    return 0


def _say(message: dict[str, str]) -> None:
    """Write the one line that whoever started us waits for, and close stdout, so that nobody waits for more."""
    # Who started us may have died; the owner, for whom we run, is watched by the server.
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)
