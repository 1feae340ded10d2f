"""``pytest-ebpf serve``: a broker that an administrator starts, for many runs of one user."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import sys
from typing import TYPE_CHECKING

from pytest_ebpf.broker import privilege
from pytest_ebpf.broker.main import listen, load_engine, prepare
from pytest_ebpf.broker.place import Place
from pytest_ebpf.errors import BrokerError, EbpfError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_ebpf.broker.engine import Engine

__all__ = ["serve"]


def serve(
    uid: int, path: Path | None, load: Callable[[], Engine] = load_engine, *, allow_programs: bool = False
) -> int:
    """Serve a user until SIGTERM or SIGINT; return the exit status.

    Args:
        uid: Whom, besides root.
        path: Of the socket; None: in ``/run/pytest-ebpf/UID``.
        load: Makes the engine.
        allow_programs: Whether the user may bring BPF programs of their own.
    """
    try:
        held = privilege.read()
        if not held.sufficient:
            raise _refusal(held, uid)
        prepare()
        engine = load()
        place = Place.of_administrator(uid) if path is None else Place.at(path, uid)
        server = listen(engine, place, uid, programs=allow_programs)
    except Unavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (EbpfError, OSError) as error:
        sys.stderr.write(f"pytest-ebpf: the broker for uid {uid} cannot start: {error}\n")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.end())
    sys.stdout.write(
        f"# serves uid {uid} until it is interrupted; paste this where that user runs pytest:\n"
        f"export PYTEST_EBPF_BROKER={shlex.quote(str(place.path))}\n"
    )
    sys.stdout.flush()
    _notify("READY=1")
    server.run()
    return 0


def _refusal(held: privilege.Privilege, uid: int) -> EbpfError:
    return BrokerError(
        f"it needs CAP_BPF and CAP_PERFMON, and this process {held} (uid {held.uid})\n"
        f"  try     {privilege.serve_command(uid)}"
    )


def _notify(state: str) -> None:
    """Tell systemd (``sd_notify(3)``), if it started us."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, contextlib.suppress(OSError):
        # A leading @ stands for the zero byte of an abstract address.
        notified.connect("\0" + address[1:] if address.startswith("@") else address)
        notified.send(state.encode())
