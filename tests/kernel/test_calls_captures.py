"""What the arguments of calls point to, also where nothing is and where it is not there yet."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest
from call_stream import DATA, Call, Tracing

from pytest_ebpf.engine.control import DATA_LIMIT
from pytest_ebpf.syscalls.table import CallSpec, Capture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WILD = 0x10
OPENAT, READ, WRITE, WRITEV, SENDMSG, RECVMSG, CONNECT, GETSOCKNAME, EXECVE = 257, 0, 1, 20, 46, 47, 42, 51, 59

TABLE = {
    READ: CallSpec((Capture("bytes", 1, 1, at_exit=True, data=True, length="result"),), ()),
    WRITE: CallSpec((Capture("bytes", 1, 1, data=True, length="arg", length_arg=2),), ()),
    WRITEV: CallSpec((Capture("vector", 1, 16, data=True, length="arg", length_arg=2),), ()),
    CONNECT: CallSpec((Capture("bytes", 1, 1, length="arg", length_arg=2),), ()),
    SENDMSG: CallSpec((Capture("message", 1, data=True),), ()),
    RECVMSG: CallSpec((Capture("message", 1, at_exit=True, data=True),), ()),
    GETSOCKNAME: CallSpec((Capture("bytes", 1, 1, at_exit=True, length="at_pointer", length_arg=2),), ()),
    EXECVE: CallSpec((Capture("string", 0), Capture("strings", 1)), ()),
    OPENAT: CallSpec((Capture("string", 1),), ()),
}


@pytest.fixture
def pointers(tracing: Tracing, program: Callable[[str], str], tmp_path: Path) -> Callable[[int], dict[int, list[Call]]]:
    """Run the program with that much data wanted; the calls that it made on purpose, by number, in order."""

    def run(data_limit: int) -> dict[int, list[Call]]:
        cold = tmp_path / "cold"
        cold.write_bytes(b"/cold/page\0")
        tracing.session.data_limit = data_limit
        with subprocess.Popen([program("pointers"), str(cold)]) as running:
            pass
        assert running.returncode == 0
        calls: dict[int, list[Call]] = {}
        for call in tracing.calls(pid=running.pid):
            calls.setdefault(call.number, []).append(call)
        # Those before are the loader's and the C library's.
        calls[OPENAT] = [call for call in calls[OPENAT] if call.args[2] == 0][-8:]
        return calls

    return run


def flags(call: Call, capture: int = 0, part: int = 0) -> set[str]:
    return {name for name, bit in DATA.items() if call.pieces[capture, part].flags & bit}


def parts(call: Call, capture: int = 0) -> dict[int, bytes]:
    return {part: piece.data for (of, part), piece in call.pieces.items() if of == capture}


def test_a_path_on_a_page_that_is_not_there_at_entry_is_read_at_exit(
    pointers: Callable[[int], dict[int, list[Call]]],
) -> None:
    cold = pointers(0)[OPENAT][0]
    assert cold.text() == b"/cold/page"
    assert flags(cold) == {"DATA_AT_EXIT"}
    assert cold.result == -errno.ENOENT


def test_a_pointer_to_nowhere_is_unreadable_with_its_address_and_null_is_nothing(
    pointers: Callable[[int], dict[int, list[Call]]],
) -> None:
    _, wild, null, empty, *_ = pointers(0)[OPENAT]
    assert flags(wild) == {"DATA_UNREADABLE", "DATA_AT_EXIT"}
    assert (wild.pieces[0, 0].address, wild.pieces[0, 0].data, wild.result) == (WILD, b"", -errno.EFAULT)
    assert null.pieces == {}
    assert null.result == -errno.EFAULT
    assert (empty.text(), flags(empty), empty.result) == (b"", set(), -errno.ENOENT)


def test_a_path_of_path_max_is_whole_and_one_byte_more_is_cut(
    pointers: Callable[[int], dict[int, list[Call]]],
) -> None:
    full, long = pointers(0)[OPENAT][4:6]
    assert full.text() == b"f" * 4095
    assert flags(full) == set()
    assert long.text() == b"f" * 4096
    # The kernel looks for the NUL within PATH_MAX bytes.
    assert (full.result, long.result) == (-errno.ENAMETOOLONG, -errno.ENAMETOOLONG)


def test_a_string_that_runs_into_nothing_is_unreadable_and_one_that_ends_before_is_whole(
    pointers: Callable[[int], dict[int, list[Call]]],
) -> None:
    endless, ends = pointers(0)[OPENAT][6:]
    assert "DATA_UNREADABLE" in flags(endless)
    assert endless.result == -errno.EFAULT
    assert ends.text() == b"/tmp"
    assert ends.result > 0


def test_data_is_copied_only_when_asked_for_and_only_as_much(
    pointers: Callable[[int], dict[int, list[Call]]],
) -> None:
    silent = pointers(0)
    assert len(silent[WRITE]) == 3
    assert all(call.pieces == {} for number in (READ, WRITE) for call in silent[number])
    whole = pointers(64)
    hello, nothing, sent = whole[WRITE]
    assert (hello.text(), flags(hello)) == (b"hello, world", set())
    assert (nothing.text(), flags(nothing)) == (b"", set())
    assert sent.text() == b"through the pair"
    got, none = whole[READ][-2:]
    assert (got.text(), flags(got), got.result) == (b"through the pair", {"DATA_AT_EXIT"}, 16)
    assert (none.text(), none.result) == (b"", 0)
    cut = pointers(5)
    assert (cut[WRITE][0].text(), flags(cut[WRITE][0])) == (b"hello", {"DATA_CUT"})
    assert (cut[READ][-2].text(), flags(cut[READ][-2])) == (b"throu", {"DATA_CUT", "DATA_AT_EXIT"})


def test_what_a_list_of_vectors_points_to_is_copied_in_order_up_to_the_limit(
    pointers: Callable[[int], dict[int, list[Call]]],
) -> None:
    call, full, long = pointers(64)[WRITEV]
    vectors = parts(call)
    assert [struct.unpack_from("<2Q", vectors[0], at)[1] for at in (0, 16, 32)] == [3, 0, 5]
    assert {part: data for part, data in vectors.items() if part} == {1: b"one", 3: b"three"}
    for many in (full, long):
        assert {part: data for part, data in parts(many).items() if part} == dict.fromkeys(range(1, 65), b"x")
    assert (flags(full, part=64), flags(long, part=64)) == (set(), {"DATA_CUT"})
    [call, *_] = pointers(5)[WRITEV]
    assert parts(call)[3] == b"th"
    assert flags(call, part=3) == {"DATA_CUT"}
    [call, *_] = pointers(0)[WRITEV]
    assert list(parts(call)) == [0]


def test_a_message_is_its_structure_its_vector_and_its_contents(
    pointers: Callable[[int], dict[int, list[Call]]],
) -> None:
    calls = pointers(64)
    [sent] = calls[SENDMSG]
    assert {part: data for part, data in parts(sent).items() if part > 2} == {4: b"one", 6: b"three"}
    assert len(parts(sent)[0]) == 56
    assert parts(sent)[2] == parts(calls[WRITEV][0])[0]
    got, none = calls[RECVMSG]
    # As many bytes as came, wherever there was room for more.
    assert (got.result, {part: data for part, data in parts(got).items() if part > 2}) == (
        8,
        {4: b"one", 5: b"th", 6: b"ree"},
    )
    assert none.result == -errno.EAGAIN
    assert list(parts(none)) == [0]


def test_an_address_is_copied_and_one_for_which_there_was_no_room_is_cut(
    pointers: Callable[[int], dict[int, list[Call]]],
) -> None:
    calls = pointers(0)
    [name] = calls[CONNECT]
    assert name.text() == struct.pack("<H", 1) + b"/nowhere/at/all".ljust(108, b"\0")
    asked, long = calls[GETSOCKNAME]
    # An unnamed socket's address is its family alone, and there was room for it.
    assert (asked.text(), flags(asked)) == (struct.pack("<H", 1), {"DATA_AT_EXIT"})
    assert (long.text(), flags(long)) == (struct.pack("<H", 1) + b"\0a", {"DATA_AT_EXIT", "DATA_CUT"})


def test_the_arguments_of_an_exec_are_read_one_by_one(
    pointers: Callable[[int], dict[int, list[Call]]],
) -> None:
    *_, two, broken, many, full = (call for call in pointers(0)[EXECVE] if call.result < 0)
    assert (two.text(), parts(two, 1)) == (b"/nowhere", {0: b"first", 1: b"second"})
    assert parts(broken, 1) == {0: b"whole", 1: b"", 2: b"last"}
    assert flags(broken, 1, 1) == {"DATA_UNREADABLE", "DATA_AT_EXIT"}
    assert broken.pieces[1, 1].address == WILD
    assert len(parts(many, 1)) == len(parts(full, 1)) == 32
    assert flags(many, 1, 31) == {"DATA_CUT"}
    assert flags(full, 1, 31) == set()


@pytest.mark.parametrize("size", [0, 1, 8, 9, 239, 240, 241, 254, 255, 256, 257, 300, 4095])
def test_a_string_is_whole_whether_it_travels_with_its_call_or_not(size: int, tracing: Tracing) -> None:
    path = b"/" * size
    with contextlib.suppress(OSError):
        os.open(path, os.O_WRONLY)
    [call] = tracing.calls(OPENAT, pid=os.getpid())
    assert call.text() == path
    assert flags(call) <= {"DATA_AT_EXIT"}
    assert call.length == (16 + (size + 7) // 8 * 8 if size < 255 else 0)


@pytest.mark.parametrize("size", [0, 7, 60, 100, 255, 256, 1000])
def test_all_pieces_are_whole_however_many_of_them_travel_with_their_call(size: int, tracing: Tracing) -> None:
    arguments = [b"%02d" % number + b"x" * size for number in range(30)]
    with contextlib.suppress(FileNotFoundError):
        os.execv(b"/no/such/program", arguments)  # noqa: S606 - it is not there
    [call] = tracing.calls(EXECVE, pid=os.getpid())
    assert parts(call, 1) == dict(enumerate(arguments))
    assert call.text() == b"/no/such/program"


def test_more_data_than_there_is_room_for_is_refused(tracing: Tracing) -> None:
    with pytest.raises(ValueError, match="of a call's data 0 to 16384 bytes can be copied, and you asked for 16385"):
        tracing.session.data_limit = DATA_LIMIT + 1
    tracing.session.data_limit = DATA_LIMIT
