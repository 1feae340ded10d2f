"""What descriptors are, as calls name and make them."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from call_stream import FILE
from call_stream import tracing as tracing_of

from pytest_ebpf.syscalls.table import CallSpec, Capture, Slot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from call_stream import Call, Tracing

OPENAT, DUP, SOCKET, ACCEPT4, FSYNC = 257, 32, 41, 288, 74
TABLE = {
    DUP: CallSpec((), (Slot("fd", 0), Slot("result"))),
    SOCKET: CallSpec((), (Slot("result"),)),
    FSYNC: CallSpec((), (Slot("fd", 0),)),
    OPENAT: CallSpec((Capture("string", 1),), (Slot("base", 0, 1), Slot("result"))),
    ACCEPT4: CallSpec((), (Slot("fd", 0), Slot("result"))),
}


@pytest.fixture
def opener(tracing: Tracing, program: Callable[[str], str], tmp_path: Path) -> dict[int, list[Call]]:
    """The calls of the program that makes descriptors, by number, in order."""
    path = tmp_path / "file"
    path.touch()
    with subprocess.Popen([program("opener"), str(path)]) as running:
        pass
    assert running.returncode == 0
    calls: dict[int, list[Call]] = {}
    for call in tracing.calls(pid=running.pid):
        calls.setdefault(call.number, []).append(call)
    return calls


def test_the_descriptor_that_a_call_returns_is_resolved_when_it_has_succeeded(
    opener: dict[int, list[Call]], tmp_path: Path
) -> None:
    found, missing = opener[OPENAT][-2:]
    path = os.fsencode(tmp_path / "file")
    assert found.text() == path
    assert found.files[1] is not None
    assert (found.files[1].path, found.files[1].inode) == (path, (tmp_path / "file").stat().st_ino)
    assert (missing.result, missing.files) == (-errno.ENOENT, (None, None))
    copied, wrong = opener[DUP]
    # Two descriptors of one open file description: it has one record.
    assert copied.files == (found.files[1], found.files[1])
    assert (wrong.result, wrong.files) == (-errno.EBADF, (None, None))


def test_a_socket_that_a_call_returns_is_one_as_the_call_left_it(opener: dict[int, list[Call]]) -> None:
    unbound, client = opener[SOCKET]
    assert all(call.files[0] and call.files[0].bits & FILE["FILE_SOCKET"] for call in (unbound, client))
    assert client.files[0] is not None
    assert client.files[0].flags == os.O_RDWR
    interrupted, accepted = opener[ACCEPT4]
    name = b"\1\0\0opener %d" % accepted.host_pid
    listening, made = accepted.files
    assert listening is not None
    assert made is not None
    assert (listening.local[: len(name)], made.local[: len(name)]) == (name, name)
    assert (listening.remote, made.remote) == (b"", b"\1\0")
    assert made.flags & os.O_NONBLOCK
    assert made.id != listening.id
    # A signal ended it: ERESTARTSYS is no descriptor, though it is no error that anybody saw either.
    assert interrupted.result == -512
    assert interrupted.files[1] is None


def test_a_session_is_told_of_a_file_that_an_earlier_one_was_told_of(call_broker: Path, tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(2):
        with tracing_of(call_broker) as session:
            os.fsync(fd)
            [call] = session.calls(FSYNC, pid=os.getpid())
        assert call.files[0] is not None
        assert call.files[0].path == os.fsencode(tmp_path)
    os.close(fd)
