"""By which door a call came in: its number means nothing without."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from call_stream import ABIS

if TYPE_CHECKING:
    from collections.abc import Callable

    from call_stream import Call, Tracing

HIGH = 0xABCDEF0000000000
GETPPID, I386_GETPPID = 110, 64
NATIVE, COMPAT, X32 = ABIS["CALL_NATIVE"], ABIS["CALL_COMPAT"], ABIS["CALL_X32"]


def run(tracing: Tracing, path: str) -> tuple[list[Call], list[int]]:
    """The calls of the program, and what it says that each door answered."""
    with subprocess.Popen([path], stdout=subprocess.PIPE, text=True) as running:
        said, _ = running.communicate()
    assert running.returncode == 0
    return tracing.calls(pid=running.pid), [int(word) for word in said.split()]


def test_a_call_by_each_door_has_that_doors_number_and_arguments(
    tracing: Tracing, program: Callable[[str], str]
) -> None:
    calls, (native, x32, compat) = run(tracing, program("abis"))
    assert native == compat == os.getpid()
    [by_syscall, by_x32] = [call for call in calls if call.number == GETPPID]
    assert (by_syscall.abi, by_syscall.args, by_syscall.result) == (NATIVE, (HIGH | 1, 2, 3, 4, 5, 6), native)
    # Whether the kernel knows x32 (CONFIG_X86_X32_ABI) or not, this is none of the native calls.
    assert x32 in {os.getpid(), -errno.ENOSYS}
    assert (by_x32.abi, by_x32.args, by_x32.result) == (X32, (HIGH | 1, 2, 3, 4, 5, 6), x32)
    [by_interrupt] = [call for call in calls if call.abi == COMPAT]
    assert by_interrupt.number == I386_GETPPID
    assert by_interrupt.args == (1, 2, 3, 4, 5, 6)
    assert by_interrupt.result == compat


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        ({"native": [GETPPID]}, [NATIVE]),
        ({"x32": [GETPPID]}, [X32]),
        ({"compat": [I386_GETPPID]}, [COMPAT]),
        ({"native": [I386_GETPPID], "compat": [GETPPID]}, []),
    ],
)
def test_a_number_is_wanted_of_one_abi_and_not_of_the_others(
    wanted: dict[str, list[int]], seen: list[int], tracing: Tracing, program: Callable[[str], str]
) -> None:
    tracing.session.want_calls(wanted)
    calls, _ = run(tracing, program("abis"))
    assert [call.abi for call in calls if call.number in {GETPPID, I386_GETPPID}] == seen


def test_a_number_that_is_none_is_none_of_any_abi(tracing: Tracing, program: Callable[[str], str]) -> None:
    calls, _ = run(tracing, program("abis"))
    [none] = [call for call in calls if call.args == (11, 12, 13, 14, 15, 16)]
    assert (none.number, none.abi, none.result) == (0xFFFFFFFF, NATIVE, -errno.ENOSYS)
