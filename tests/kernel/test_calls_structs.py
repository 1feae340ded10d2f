"""What the calls of every kind take and give, each as a table entry says it: a program says itself what it held."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from call_stream import DATA, tracing

from pytest_ebpf.syscalls.table import CallSpec, Capture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from call_stream import Call


def _in(arg: int, size: int, **more: Any) -> Capture:
    return Capture("bytes", arg, size, **more)


def _out(arg: int, size: int, **more: Any) -> Capture:
    return Capture("bytes", arg, size, at_exit=True, **more)


def _counted(arg: int, size: int, by: int, **more: Any) -> Capture:
    return Capture("bytes", arg, size, length="arg", length_arg=by, **more)


def _filled(arg: int, size: int, by: int, **more: Any) -> Capture:
    return Capture("bytes", arg, size, length="filled", length_arg=by, at_exit=True, **more)


def _bits(arg: int, **more: Any) -> Capture:
    return Capture("bytes", arg, 1, length="bits", length_arg=0, **more)


def _named(arg: int, by: int) -> Capture:
    return Capture("bytes", arg, 1, length="at_pointer", length_arg=by, at_exit=True)


def _call(number: int, *captures: Capture) -> tuple[int, CallSpec]:
    return number, CallSpec(captures, ())


_CALLS = {
    "poll": _call(7, _counted(0, 8, 1), _counted(0, 8, 1, at_exit=True)),
    "rt_sigaction": _call(13, _in(1, 32), _out(2, 32)),
    "rt_sigprocmask": _call(14, _counted(1, 1, 3), _counted(2, 1, 3, at_exit=True)),
    "nanosleep": _call(35, _in(0, 16), _out(1, 16, interrupted=True)),
    "sendto": _call(44, _counted(4, 1, 5), _counted(1, 1, 2, data=True)),
    "recvfrom": _call(45, _filled(1, 1, 2, data=True), _named(4, 5)),
    "sendmsg": _call(46, Capture("message", 1, data=True)),
    "recvmsg": _call(47, Capture("message", 1, data=True, at_exit=True)),
    "fstat": _call(5, _out(1, 144)),
    "setsockopt": _call(54, _counted(3, 1, 4)),
    "getsockopt": _call(55, _named(3, 4)),
    "wait4": _call(61, _out(1, 4), _out(3, 144)),
    "fcntl": _call(72, _in(2, 32, when=(5, 6, 7, 36, 37, 38), when_arg=1)),
    "getcwd": _call(79, _filled(0, 1, 1)),
    "rename": _call(82, Capture("string", 0), Capture("string", 1)),
    "symlink": _call(88, Capture("string", 0), Capture("string", 1)),
    "readlink": _call(89, Capture("string", 0), _filled(1, 1, 2)),
    "getgroups": _call(115, _filled(1, 4, 0)),
    "prctl": _call(157, Capture("string", 1, when=(15,), when_arg=0)),
    "mount": _call(165, *(Capture("string", arg) for arg in (0, 1, 2, 4))),
    "setxattr": _call(188, Capture("string", 0), Capture("string", 1), _counted(2, 1, 3)),
    "getxattr": _call(191, Capture("string", 0), Capture("string", 1), _filled(2, 1, 3)),
    "futex": _call(202, _in(3, 16, when=(0, 6, 9, 11, 13), when_arg=1, when_mask=0x7F)),
    "sched_setaffinity": _call(203, _counted(2, 1, 1)),
    "sched_getaffinity": _call(204, _filled(2, 1, 1)),
    "epoll_wait": _call(232, _filled(1, 12, 2)),
    "epoll_ctl": _call(233, _in(3, 12)),
    "newfstatat": _call(262, Capture("string", 1), _out(2, 144)),
    "pselect6": _call(
        270,
        _bits(1),
        _bits(2),
        _bits(3),
        _in(4, 16),
        _in(5, 16),
        _in(5, 8, indirect=True),
        _bits(1, at_exit=True),
        _bits(2, at_exit=True),
        _bits(3, at_exit=True),
        _out(4, 16),
    ),
    "pipe2": _call(293, _out(0, 8)),
    "recvmmsg": _call(299, _filled(1, 64, 2), Capture("message", 1, at_exit=True)),
    "sendmmsg": _call(307, _counted(1, 64, 2), Capture("message", 1, data=True)),
    "process_vm_readv": _call(
        310,
        Capture("vector", 1, 16, length="arg", length_arg=2, data=True, at_exit=True),
        Capture("vector", 3, 16, length="arg", length_arg=4),
    ),
    "getrandom": _call(318, _filled(0, 1, 1, data=True)),
    "execveat": _call(322, Capture("string", 1), Capture("strings", 2)),
    "statx": _call(332, Capture("string", 1), _out(4, 256)),
    "clone3": _call(435, _counted(0, 1, 1)),
    "openat2": _call(437, Capture("string", 1), _counted(2, 1, 3)),
}
TABLE = dict(_CALLS.values())
_NUMBERS = {name: number for name, (number, _) in _CALLS.items()}


@pytest.fixture(scope="module")
def told(
    call_broker: Path, program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], list[Call]]:
    """What the program said that it held, and its calls."""
    folder = tmp_path_factory.mktemp("structs")
    with tracing(call_broker) as session:
        session.session.data_limit = 4096
        with subprocess.Popen([program("structs"), str(folder)]) as running:
            pass
        assert running.returncode == 0
        calls = session.calls(pid=running.pid)
        assert not session.session.counters()["lost_records"]
    return (folder / "said").read_text().splitlines(), calls


def _said(lines: list[str]) -> Iterator[tuple[int, tuple[int, int], int, bytes]]:
    for line in lines:
        number, capture, part, address, *data = line.split()
        yield int(number), (int(capture), int(part)), int(address), bytes.fromhex("".join(data))


@pytest.mark.parametrize("name", [name for name in _NUMBERS if name != "getxattr"])
def test_what_a_call_takes_and_gives_is_what_its_program_holds(name: str, told: tuple[list[str], list[Call]]) -> None:
    lines, calls = told
    said = [line for line in _said(lines) if line[0] == _NUMBERS[name]]
    assert said
    for number, key, address, data in said:
        seen = [
            call.pieces[key].data
            for call in calls
            if call.number == number and key in call.pieces and call.pieces[key].address == address
        ]
        assert data in seen, (key, data, seen)


def _one(told: tuple[list[str], list[Call]], name: str, **args: int) -> Call:
    """The call with these arguments: ``arg1=3``."""
    (call,) = (
        call
        for call in told[1]
        if call.number == _NUMBERS[name] and all(call.args[int(arg[3:])] == value for arg, value in args.items())
    )
    return call


def test_a_result_that_is_more_than_there_was_room_for_says_nothing_of_what_lies_behind(
    told: tuple[list[str], list[Call]],
) -> None:
    datagram = _one(told, "recvfrom")
    assert (datagram.result, datagram.text(0)) == (15, b"a long")
    # getxattr(2) with no room at all: the result is how much there would be.
    value = _one(told, "getxattr")
    assert value.text(2) in {b"", None}


def test_a_name_for_which_there_is_no_room_cuts_nothing_else(told: tuple[list[str], list[Call]]) -> None:
    unnamed = _one(told, "recvmsg", arg2=0x40)  # MSG_DONTWAIT
    assert {part for _, part in unnamed.pieces} == {0, 2, 4}
    assert not any(piece.flags & DATA["DATA_CUT"] for piece in unnamed.pieces.values())


def test_an_argument_is_no_pointer_when_the_operation_says_so(told: tuple[list[str], list[Call]]) -> None:
    assert _one(told, "fcntl", arg1=1030).pieces == {}  # F_DUPFD_CLOEXEC
    assert _one(told, "prctl", arg0=8).pieces == {}  # PR_SET_KEEPCAPS
    assert _one(told, "futex", arg1=129).pieces == {}  # FUTEX_WAKE_PRIVATE


def test_a_pointer_to_a_pointer_that_is_not_there_is_unreadable(told: tuple[list[str], list[Call]]) -> None:
    wild = _one(told, "pselect6", arg5=16)
    assert wild.pieces[5, 0].flags & DATA["DATA_UNREADABLE"]
    assert wild.pieces[5, 0].address == 16


def test_what_is_filled_for_who_is_interrupted_is_not_read_when_nobody_was(told: tuple[list[str], list[Call]]) -> None:
    interrupted, undisturbed = (call for call in told[1] if call.number == _NUMBERS["nanosleep"])
    assert (interrupted.result, set(interrupted.pieces)) == (-516, {(0, 0), (1, 0)})
    assert (undisturbed.result, set(undisturbed.pieces)) == (0, {(0, 0)})


def test_what_was_there_at_entry_and_what_is_there_at_exit_are_two(told: tuple[list[str], list[Call]]) -> None:
    polled = _one(told, "poll")
    assert polled.pieces[0, 0].flags == 0
    assert polled.pieces[1, 0].flags == DATA["DATA_AT_EXIT"]
    assert polled.text(0) != polled.text(1)
