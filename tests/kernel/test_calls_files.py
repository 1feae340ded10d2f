"""What descriptors are, as calls name and make them."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from call_stream import FILE, MARK
from call_stream import tracing as tracing_of

from pytest_ebpf.syscalls.table import CallSpec, Capture, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from call_stream import Call, Tracing

OPENAT, DUP, SOCKET, ACCEPT4, FSYNC, READ, LSEEK, RENAME = 257, 32, 41, 288, 74, 0, 8, 82
TABLE = {
    DUP: CallSpec((), (Slot("fd", 0), Slot("result"))),
    SOCKET: CallSpec((), (Slot("result"),)),
    FSYNC: CallSpec((), (Slot("fd", 0),)),
    READ: CallSpec((), (Slot("fd", 0),)),
    LSEEK: CallSpec((), (Slot("fd", 0),)),
    RENAME: CallSpec((), (), moves=True),
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


def test_a_descriptor_that_came_through_a_socket_is_the_file_that_was_sent(tracing: Tracing, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        _, [received], _, _ = socket.recv_fds(theirs, 1, 1)
        with contextlib.suppress(OSError):
            os.lseek(received, 0, MARK)
        os._exit(received)
    with (tmp_path / "sent").open("w") as file, ours, theirs:
        socket.send_fds(ours, [b"x"], [file.fileno()])
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    [call] = tracing.calls(LSEEK, pid=child)
    assert call.args[0] == number
    assert call.files[0] is not None
    assert call.files[0].path == os.fsencode(tmp_path / "sent")


def test_what_a_program_inherits_is_known_to_it(tracing: Tracing, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("inherited")
    with (tmp_path / "input").open() as file, subprocess.Popen(["cat"], stdin=file, stdout=subprocess.DEVNULL) as cat:
        pass
    first, *_ = [call for call in tracing.calls(READ, pid=cat.pid) if call.args[0] == 0]
    assert first.files[0] is not None
    assert first.files[0].path == os.fsencode(tmp_path / "input")


@pytest.mark.parametrize(("depth", "cut"), [(100, False), (200, True)])
def test_a_path_of_many_folders_is_whole_or_says_that_it_is_cut(
    depth: int,
    cut: bool,
    tracing: Tracing,
    tmp_path: Path,
) -> None:
    path = tmp_path.joinpath(*(str(number) for number in range(depth)))
    path.mkdir(parents=True)
    fd = os.open(path, os.O_RDONLY)
    seen = tracing.seen(fd)
    os.close(fd)
    assert bool(seen.bits & FILE["FILE_CUT"]) == cut
    if cut:
        # Its end is there: it is walked from the file up.
        assert seen.path.startswith(b".../")
        assert os.fsencode(path).endswith(seen.path.removeprefix(b"..."))
    else:
        assert seen.path == os.fsencode(path)


def test_what_another_thread_renames_is_told_anew(tracing: Tracing, tmp_path: Path) -> None:
    folder, moved = tmp_path / "folder", tmp_path / "moved"
    folder.mkdir()
    with (folder / "file").open("w") as file:
        assert tracing.seen(file.fileno()).path == os.fsencode(folder / "file")
        thread = threading.Thread(target=folder.rename, args=(moved,))
        thread.start()
        thread.join()
        assert tracing.seen(file.fileno()).path == os.fsencode(moved / "file")


@pytest.fixture
def outsider() -> Iterator[Callable[[str], None]]:
    """Runs commands in a process that no session holds: it is nobody's child, and was there before."""
    commands, answers = os.pipe(), os.pipe()
    # A command in the background reads from /dev/null, unless it is told otherwise.
    shell = "exec 3<&0; sh -c 'while read -r line; do eval \"$line\"; echo $?; done' <&3 &"
    subprocess.run(["sh", "-c", shell], stdin=commands[0], stdout=answers[1], check=True)
    with os.fdopen(commands[1], "w") as writing, os.fdopen(answers[0]) as reading:
        os.close(commands[0])
        os.close(answers[1])

        def run(command: str) -> None:
            writing.write(command + "\n")
            writing.flush()
            assert reading.readline() == "0\n"

        yield run


def test_what_somebody_else_does_to_a_file_is_told_anew(
    outsider: Callable[[str], None], call_broker: Path, tmp_path: Path
) -> None:
    path, folder = tmp_path / "one", tmp_path / "folder"
    folder.mkdir()
    with tracing_of(call_broker) as tracing, path.open("w") as file:
        assert tracing.seen(file.fileno()).path == os.fsencode(path)
        for command, now in (
            (f"mv {path} {tmp_path}/two", tmp_path / "two"),
            (f"mv {tmp_path}/two {folder}/two", folder / "two"),
        ):
            outsider(command)
            assert tracing.seen(file.fileno()).path == os.fsencode(now)
        outsider(f"chmod 600 {folder}/two")
        assert tracing.seen(file.fileno()).mode & 0o777 == 0o600
        outsider(f"rm {folder}/two")
        assert tracing.seen(file.fileno()).bits & FILE["FILE_DELETED"]
