"""Who belongs to a session: what lived before it, what outlives it, and what is another user's."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from brokers import eventually, forked, gone
from sessions import executed, records, session_of
from tiers import require_root

from pytest_ebpf.broker import launch
from pytest_ebpf.broker.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY, OTHER = 65534, 1001
ORPHAN = ["sh", "-c", "exec 3<&0; (read line <&3; exec /bin/true) >/dev/null & echo $!"]
"""Leaves a process without a parent that executes a program when a line comes, and says its pid."""
PR_SET_KEEPCAPS, PR_SET_CHILD_SUBREAPER = 8, 36  # linux/prctl.h
CAP_SETUID = 7  # linux/capability.h


def test_a_process_that_lived_before_the_session_is_in_it(run_directory: Path) -> None:
    with (
        subprocess.Popen(["sh", "-c", "read line; /bin/true; exit 0"], stdin=subprocess.PIPE) as older,
        contextlib.closing(session_of(launch.connect(run_directory, os.getpid()))) as session,
    ):
        older.communicate(b"\n")
        assert executed(session) == [b"/bin/true"]


def test_a_thread_that_lived_before_the_session_is_in_it(run_directory: Path) -> None:
    go_on = threading.Event()

    def run() -> None:
        go_on.wait()
        subprocess.run(["/bin/true"], check=True)

    older = threading.Thread(target=run)
    older.start()
    try:
        with contextlib.closing(session_of(launch.connect(run_directory, os.getpid()))) as session:
            go_on.set()
            older.join()
            assert executed(session) == [b"/bin/true"]
    finally:
        go_on.set()


@pytest.fixture
def line() -> Iterator[tuple[int, int]]:
    """A pipe: what an orphan reads from, and what lets it go on."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_an_orphan_of_the_former_session_comes_along_into_the_next(run_directory: Path, line: tuple[int, int]) -> None:
    with contextlib.closing(session_of(launch.connect(run_directory, os.getpid()))) as former:
        orphan = int(subprocess.run(ORPHAN, stdin=line[0], stdout=subprocess.PIPE, check=True).stdout)
        with contextlib.closing(session_of(launch.connect(run_directory, os.getpid()))) as session:
            former.close()
            os.write(line[1], b"\n")
            assert gone(orphan)
            assert executed(session) == [b"/bin/true"]


def test_what_an_ended_session_left_running_is_not_in_the_one_that_has_its_place(
    run_directory: Path, line: tuple[int, int]
) -> None:
    def client() -> str:
        globals()["kept"] = session_of(launch.connect(run_directory, os.getppid()))
        return subprocess.run(ORPHAN, stdin=line[0], stdout=subprocess.PIPE, check=True).stdout.decode()

    with contextlib.closing(launch.connect(run_directory, os.getpid())) as watcher:
        with forked(client) as (_, said):
            orphan = int(said())
        assert eventually(lambda: watcher.status().sessions == 0)
        with contextlib.closing(session_of(launch.connect(run_directory, os.getpid()))) as session:
            subprocess.run(["/bin/echo"], stdout=subprocess.DEVNULL, check=True)
            os.write(line[1], b"\n")
            assert gone(orphan)
            assert executed(session) == [b"/bin/echo"]


def test_a_broker_that_is_the_clients_own_child_is_not_in_the_session(run_directory: Path) -> None:
    def client() -> str:
        # As of the first process in a pid namespace, what loses its parent becomes its child.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        connection = launch.connect(run_directory, os.getpid())
        broker = connection.status().pid
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        seen = {fields["host_pid"] for _, fields in records(session_of(connection))}
        return f"{str(broker) in children} {len(seen)} {broker in seen}"

    with forked(client) as (_, said):
        assert said() == "True 1 False"


# Confined to one user ------------------------------------------------------------------------------------


@pytest.fixture
def administrators() -> Iterator[Path]:
    """The socket of a broker for nobody."""
    require_root()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        socket = Path(folder, "socket")
        command = [sys.executable, "-I", "-m", "pytest_ebpf", "serve", "--uid", str(NOBODY), "--socket", str(socket)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as broker:
            assert broker.stdout
            assert broker.stdout.readline()  # says that it is there
            try:
                yield socket
            finally:
                broker.terminate()


def become_nobody(*, capabilities: int = 0) -> None:
    """Become another user, who keeps some capabilities (``capabilities(7)``)."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(capabilities, capabilities)
    if libc.capset(header, effective_permitted_inheritable):
        raise OSError("capset")


def test_another_users_process_is_not_entered_into_a_users_session_and_counted(administrators: Path) -> None:
    def client() -> str:
        reading, writing = os.pipe()  # its writing end closes with this process
        if not os.fork():
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        become_nobody()
        session = session_of(Client.connect(administrators))
        entered = [fields["identity"]["pid"] for _, fields in records(session)]
        subprocess.run(["/bin/true"], check=True)
        return f"{entered == [os.getpid()]} {executed(session)} {session.counters()['left_members']}"

    with forked(client) as (_, said):
        assert said() == "True [b'/bin/true'] 1"


def test_a_process_that_becomes_another_user_leaves_a_users_session_and_is_counted(administrators: Path) -> None:
    def client() -> str:
        become_nobody(capabilities=1 << CAP_SETUID)
        session = session_of(Client.connect(administrators))
        before = session.counters()["left_members"]
        session.pull()
        if not (child := os.fork()):
            os.setuid(OTHER)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        kinds = [name for name, fields in records(session) if fields["identity"]["pid"] == child]
        return f"{kinds} {before} {session.counters()['left_members']}"

    with forked(client) as (_, said):
        assert said() == "['fork', 'left'] 0 1"


def test_what_the_tracer_starts_for_itself_is_not_in_the_session_nor_what_that_starts(run_directory: Path) -> None:
    with contextlib.closing(session_of(launch.connect(run_directory, os.getpid()))) as session:
        with session.apart():
            compiler = subprocess.Popen(["sh", "-c", "/bin/true; sleep 0.1; /bin/true"])
            other = threading.Thread(target=subprocess.run, args=[["/bin/echo"]])
            other.start()
            other.join()
        subprocess.run(["/bin/ls"], check=True, stdout=subprocess.DEVNULL)
        compiler.wait()
        assert executed(session) == [b"/bin/echo", b"/bin/ls"]
        assert session.counters()["lost_members"] == 0
