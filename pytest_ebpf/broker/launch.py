"""Finds the run's broker, or starts it. Runs in pytest: in the controller, or in each xdist worker.

Nobody's directory, no process and no import is there before the first test asks. Then whoever comes first
makes the run directory and starts the broker, the others find it; a lock in the directory says who is first.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ebpf.broker import privilege, start
from pytest_ebpf.broker.client import Client, last_words
from pytest_ebpf.errors import BrokerDied, BrokerError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["connect", "finish", "new_run_directory"]

_START_TIMEOUT = 120.0
"""Seconds to load and attach, which take milliseconds; some, where the kernel runs in an emulator."""

_LINE_LIMIT = 65536
_FILES = ("socket", "log", "lock")

# The shell goes at once, and what it started is init's child. A child of this process would be found by
# a test's os.wait(), and counted by whoever looks at his children. As every command after `&`, it has
# SIGINT ignored and reads from /dev/null. No new session: sudo remembers a password by terminal and session. So
# what ends all of our process group meets the broker too, and while it starts it could take nothing away: until
# its own handlers are there it ignores that, and then sees that its owner has ended.
_ORPHAN = ["/bin/sh", "-c", 'trap "" HUP TERM; "$@" &', "sh"]


def _nothing() -> None:
    pass


def new_run_directory() -> Path:
    """Choose the path of a run directory. Nothing is made there yet."""
    return Path(tempfile.gettempdir(), f"pytest-ebpf-{secrets.token_hex(8)}")


def connect(
    run_directory: Path, owner: int, broker: str | None = None, meanwhile: Callable[[], None] = _nothing
) -> Client:
    """Connect to the run's broker; start it if nobody has.

    Args:
        run_directory: The run's (`new_run_directory`), the same for all xdist workers.
        owner: pid of pytest, under xdist of its controller: the broker ends with it.
        broker: Socket of an administrator's broker, which is used in its stead.
        meanwhile: Called while the broker starts; if it runs already, not at all.

    Raises:
        Unavailable: No way to privilege, or the kernel cannot do it; with what mends it.
        BrokerDied: The run had a broker, which is gone.
        BrokerError: The named broker is not there, or the new one did not start.
    """
    if broker:
        return _named(Path(broker))
    path, log = run_directory / "socket", run_directory / "log"
    with contextlib.suppress(OSError):  # not there, or not yet listening
        return Client.connect(path, log)
    with _locked(run_directory, meanwhile) as outcome:
        outcome.seek(0)
        known = outcome.read()
        if not known:
            known = json.dumps(_start(run_directory, owner, meanwhile))
            outcome.write(known)
            outcome.flush()
        _raise_failure(json.loads(known))
        try:
            return Client.connect(path, log)
        except OSError:
            raise BrokerDied(f"pytest-ebpf: the broker died ({path})\n{last_words(log)}") from None


def finish(run_directory: Path) -> None:
    """End the run's broker, if there is one, and remove what it left. The owner's to call; never fails.

    The broker removes the directory itself, unless it was killed or never came to be.
    """
    with (
        contextlib.suppress(OSError, BrokerError),
        contextlib.closing(Client.connect(run_directory / "socket")) as client,
    ):
        client.stop()
    for name in _FILES:
        with contextlib.suppress(OSError):
            (run_directory / name).unlink()
    with contextlib.suppress(OSError):
        run_directory.rmdir()


def _named(path: Path) -> Client:
    try:
        return Client.connect(path)
    except OSError as error:
        raise BrokerError(
            f"pytest-ebpf: no broker can be reached at {path}: {error.strerror}\n"
            "  asked   by --ebpf-broker, the ini value ebpf_broker or PYTEST_EBPF_BROKER\n"
            f"  try     {privilege.serve_command(privilege.read().outer_uid)}"
        ) from None


@contextlib.contextmanager
def _locked(run_directory: Path, meanwhile: Callable[[], None]) -> Iterator[Any]:
    """Hold the run directory's lock; the file holds how the start went, once somebody tried."""
    with contextlib.suppress(FileExistsError):
        run_directory.mkdir(mode=0o700)
        run_directory.chmod(0o700)  # a umask can take the owner's rights too
    status = run_directory.lstat()
    if status.st_mode != stat.S_IFDIR | stat.S_IRWXU or status.st_uid != os.geteuid():
        raise BrokerError(f"pytest-ebpf: {run_directory} was to be the run directory, and somebody else made it")
    with (run_directory / "lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another worker is starting the broker
            meanwhile()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _raise_failure(outcome: dict[str, str]) -> None:
    if "unavailable" in outcome:
        raise Unavailable(outcome["unavailable"])
    if "error" in outcome:
        raise BrokerError(outcome["error"])


def _start(run_directory: Path, owner: int, meanwhile: Callable[[], None]) -> dict[str, str]:
    """Start the broker by the first way to privilege that there is; return how it went."""
    held = privilege.read()
    if held.sufficient:
        return _run([], run_directory, owner, meanwhile)
    sudo = shutil.which("sudo")
    refusal = "sudo is not installed"
    if sudo and not (held.bpf and held.perfmon):
        outcome = _run([sudo, "-n", "--"], run_directory, owner, meanwhile)
        if "sudo" not in outcome:
            return outcome
        refusal = outcome["sudo"]
    return {"unavailable": str(privilege.unavailable(held, refusal))}


def _run(
    through: list[str], run_directory: Path, owner: int, meanwhile: Callable[[], None] = _nothing
) -> dict[str, str]:
    """Run the broker and wait for its first line.

    Args:
        through: What to put before the command.
        run_directory: Made, and locked by us.
        owner: A pid.
        meanwhile: What to do until that line comes.

    Returns:
        ``ready``, ``unavailable``, ``error``; or ``sudo``: the broker was not reached, and why.
    """
    log = run_directory / "log"
    arguments = {"--run-dir": run_directory, "--uid": os.geteuid(), "--owner": owner}
    command = [*through, *_command(), *(str(word) for pair in arguments.items() for word in pair)]
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as answer:
        with os.fdopen(writing, "wb") as stdout, log.open("ab") as stderr:
            subprocess.run(
                [*_ORPHAN, *command], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd="/", check=True
            )
        meanwhile()
        outcome = _first_line(answer.fileno())
    if outcome is not None:
        return outcome
    said = log.read_text(errors="replace")
    if through and start.GREETING not in said:
        return {"sudo": privilege.sudo_words(said)}
    return {"error": f"pytest-ebpf: the broker did not start ({' '.join(command)})\n{last_words(log)}"}


def _command() -> list[str]:
    """Return the command of a broker with this very package, and with cffi wherever that lies."""
    if not sys.executable:
        raise BrokerError("pytest-ebpf: sys.executable is empty, so there is no interpreter to run the broker with")
    return start.command()


def _first_line(descriptor: int) -> dict[str, str] | None:
    """Read up to the broker's line; None: the end came first, or nothing in time."""
    deadline = time.monotonic() + _START_TIMEOUT
    said = b""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while len(said) < _LINE_LIMIT:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return None
        piece = os.read(descriptor, 4096)
        if not piece:
            return None
        said += piece
        for line in said.splitlines(keepends=True):
            # PAM modules greet on stdout at times.
            if line.startswith(b'{"') and line.endswith(b"\n"):
                outcome: dict[str, str] = json.loads(line)
                return outcome
    return None
