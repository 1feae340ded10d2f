"""What stands behind the system calls of 32-bit ABIs that are several in one: socketcall(2), ipc(2)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from pytest_ebpf.syscalls.numbers import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.syscalls.call import Syscall

__all__ = ["behind", "multiplexers"]

_IPC = (
    "SEMOP",
    "SEMGET",
    "SEMCTL",
    "SEMTIMEDOP",
    "MSGSND",
    "MSGRCV",
    "MSGGET",
    "MSGCTL",
    "SHMAT",
    "SHMDT",
    "SHMGET",
    "SHMCTL",
)


@functools.cache
def _meanings() -> Mapping[str, Mapping[int, str]]:
    """Return which call the first argument of each means, by its number (linux/net.h, linux/ipc.h)."""
    from pytest_ebpf.syscalls.constants import prefixed, value  # noqa: PLC0415 - few tests ask for these calls

    sockets = prefixed("SYS_", "linux/net.h")
    return {
        "socketcall": {number: name.removeprefix("SYS_").lower() for name, number in sockets.items()},
        "ipc": {value(name, "linux/ipc.h"): name.lower() for name in _IPC},
    }


def behind(call: Syscall) -> str | None:
    """Return the name of the call that another stands for; None: it stands for itself."""
    # ipc(2)'s has a version in its upper half.
    return _meanings().get(call.name, {}).get(call.raw_args[0] & 0xFFFF)


def multiplexers(names: frozenset[str]) -> frozenset[tuple[str, int]]:
    """Return ABI and number of the calls that may stand for calls of these names."""
    found = (
        ("compat", number_of("compat", name))
        for name, meanings in _meanings().items()
        if names & frozenset(meanings.values())
    )
    return frozenset((abi, number) for abi, number in found if number is not None)
