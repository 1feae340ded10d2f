"""The broker of one pytest run, from its start to its end. Runs with privilege.

It says on its stdout, in one line of JSON, that it is ready, or why it cannot be; its stderr is the run's
log.

A test waits for it, and most of the time goes into loading the kernel programs, in libbpf and in the kernel. So
that is begun first, and what else the broker needs is imported meanwhile, other than at the top of this file.
"""

from __future__ import annotations

import os
import sys

from pytest_ebpf.broker.start import GREETING
from pytest_ebpf.engine import objects
from pytest_ebpf.errors import EbpfError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ebpf.broker.engine import Engine
    from pytest_ebpf.broker.place import Place
    from pytest_ebpf.broker.server import Server

_USAGE = "usage: pytest-ebpf broker --run-dir PATH --uid N --owner PID"

__all__ = ["begin_engine", "listen", "load_engine", "main", "prepare"]


def begin_engine() -> None:
    """Begin to load the kernel programs, for `load_engine`."""
    objects.begin()


def load_engine() -> Engine:
    """Load and attach the kernel programs.

    Raises:
        Unavailable: With what is missing.
    """
    from pytest_ebpf.engine.loader import Engine as KernelEngine  # noqa: PLC0415 - loads the extension

    return KernelEngine.load()


def listen(engine: Engine, place: Place, uid: int, owner: int | None = None, *, programs: bool = False) -> Server:
    """Make the server; leave no socket without one."""
    from pytest_ebpf.broker.limits import Limits  # noqa: PLC0415 - see the module's first lines
    from pytest_ebpf.broker.server import Server  # noqa: PLC0415 - likewise

    try:
        return Server(engine, place, uid, owner, Limits(programs=programs))
    except BaseException:
        place.remove()
        raise


def prepare() -> None:
    """Give up what a broker does not need of its user."""
    if os.geteuid() == 0:
        # Between root's rights and the user's (`Place`) root's groups would be a third kind.
        try:  # noqa: SIM105 - see the module's first lines
            os.setgroups([])
        except PermissionError:
            pass
    # The user's, left alone: a limit on file sizes is meant for what tests write.
    os.umask(0o077)
    _raise_descriptor_limit()


def _raise_descriptor_limit() -> None:
    """Six descriptors a session: with the usual soft limit of 1024, 170 of them would be the end."""
    import resource  # noqa: PLC0415 - needed here alone

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:  # noqa: SIM105 - likewise
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        pass


def main(arguments: Sequence[str]) -> int:
    """Serve one run; return the exit status.

    Args:
        arguments: ``--run-dir PATH --uid N --owner PID``, as `pytest_ebpf.broker.launch` writes them.
    """
    if list(arguments[::2]) != ["--run-dir", "--uid", "--owner"] or len(arguments) != 2 * 3:
        asked = list(arguments) == ["--help"]
        (sys.stdout if asked else sys.stderr).write(f"{_USAGE}\n")
        return 0 if asked else 2
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    uid, owner = int(options["--uid"]), int(options["--owner"])
    sys.stderr.write(f"{GREETING} pid {os.getpid()}, uid {os.geteuid()}, serves uid {uid} for process {owner}\n")
    # Before there are threads: all of them change their groups together.
    prepare()
    begin_engine()
    return _serve(options["--run-dir"], uid, owner)


def _serve(run_directory: str, uid: int, owner: int) -> int:
    import signal  # noqa: PLC0415 - see the module's first lines
    from pathlib import Path  # noqa: PLC0415 - likewise

    # Ctrl-C and a closed terminal are for pytest, which will want to report what was traced; its end is ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    directory = Path(run_directory)
    try:
        from pytest_ebpf.broker.place import Place  # noqa: PLC0415 - likewise
        from pytest_ebpf.broker.server import Server  # noqa: F401, PLC0415 - likewise

        # In this order: where there is a socket, there is a broker.
        engine = load_engine()
        server = listen(engine, Place.in_run_directory(directory, uid), uid, owner)
    except Unavailable as error:
        _say({"unavailable": str(error)})
        return 1
    except (EbpfError, OSError) as error:
        _say({"error": f"the broker cannot start: {error}"})
        return 1
    signal.signal(signal.SIGTERM, lambda *_: server.end())
    _say({"ready": str(directory / "socket")})
    server.run()
    return 0


def _say(message: dict[str, str]) -> None:
    """Write the one line that whoever started us waits for, and close stdout, so that nobody waits for more."""
    import contextlib  # noqa: PLC0415 - see the module's first lines
    import json  # noqa: PLC0415 - likewise

    # Who started us may have died; the owner, for whom we run, is watched by the server.
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)
