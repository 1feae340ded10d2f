"""Calls whose arguments depend on other arguments, and what options and rights point to."""

from __future__ import annotations

import struct

import pytest
from fake_calls import call

from pytest_ebpf._values import Gap
from pytest_ebpf.syscalls import text
from pytest_ebpf.syscalls.values import Pointer

ONE, OTHER = 0x7F0000001000, 0x7F0000002000


@pytest.mark.parametrize(
    ("operation", "written"),
    [
        (0, "FUTEX_WAIT, 7, {tv_sec=1, tv_nsec=5}"),
        (128 | 9 | 256, "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 7, {tv_sec=1, tv_nsec=5}, 0x6"),
        (129, "FUTEX_WAKE_PRIVATE, 7"),
        (6, "FUTEX_LOCK_PI, {tv_sec=1, tv_nsec=5}"),
        (7, "FUTEX_UNLOCK_PI"),
        (4, "FUTEX_CMP_REQUEUE, 7, 4096, 0x5, 6"),
        (5, "FUTEX_WAKE_OP, 7, 4096, 0x5, FUTEX_OP_SET<<28|0<<12|FUTEX_OP_CMP_EQ<<24|0x6"),
        (77, f"0x4d, 7, {ONE:#x}, 0x5, 0x6"),
    ],
)
def test_a_futex_operation_has_its_own_arguments(operation: int, written: str) -> None:
    made = call("futex", 3, operation, 7, ONE, 5, 6, memory={ONE: struct.pack("2q", 1, 5)})
    assert text.arguments(made) == f"0x3, {written}"


def test_what_a_futex_operation_gets_is_not_copied_for_those_that_have_none() -> None:
    capture = call("futex", 3, 0).kinds["timeout"].captures()[0]
    assert (capture.when, capture.when_arg, capture.when_mask) == ((0, 6, 9, 11, 13), 1, 0x7F)


PROGRAM = struct.pack("H6xQ", 3, 0x99)


@pytest.mark.parametrize(
    ("args", "memory", "written"),
    [
        ((15, ONE), b"name\0", 'PR_SET_NAME, "name"'),
        ((15, ONE), b"a name longer than it may be\0", 'PR_SET_NAME, "a name longer t"...'),
        ((16, ONE), b"name\0garbage\0\0\0\0", 'PR_GET_NAME, "name"'),
        ((1, 15), b"", "PR_SET_PDEATHSIG, SIGTERM"),
        ((2, ONE), b"\x0f\0\0\0", "PR_GET_PDEATHSIG, [SIGTERM]"),
        ((38, 1, 0, 0, 0), b"", "PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0"),
        ((47, 2, 21, 0, 0), b"", "PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0"),
        ((47, 4, 0, 0, 0), b"", "PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0"),
        ((22, 2, ONE), PROGRAM, "PR_SET_SECCOMP, SECCOMP_MODE_FILTER, {len=3, filter=0x99}"),
        ((9999, 1, 2, 3, 4), b"", "0x270f, 0x1, 0x2, 0x3, 0x4"),
    ],
)
def test_an_option_of_prctl_has_its_own_arguments(args: tuple[int, ...], memory: bytes, written: str) -> None:
    assert text.arguments(call("prctl", *args, memory={ONE: memory})) == written


@pytest.mark.parametrize(
    ("option", "result", "written"),
    [(3, 1, "1 (SUID_DUMP_USER)"), (27, 5, "0x5 (SECBIT_NOROOT|SECBIT_NO_SETUID_FIXUP)"), (27, 0, "0"), (7, 1, "1")],
)
def test_an_option_of_prctl_has_its_own_result(option: int, result: int, written: str) -> None:
    assert text.outcome(call("prctl", option, result=result)) == written


def test_an_option_by_two_arguments_is_told_from_one_by_one() -> None:
    assert list(call("prctl", 22, 1).args) == ["option", "arg2"]
    assert list(call("prctl", 22, 2, ONE).args) == ["option", "arg2", "arg3"]
    assert list(call("prctl", 22, 77).args) == ["option", "arg2", "arg3", "arg4", "arg5"]


def test_both_halves_of_capabilities_are_one_set() -> None:
    data = {OTHER: struct.pack("6I", 1 << 21, 1, 0, 1 << 7, 0, 0)}
    made = call("capset", ONE, OTHER, memory={ONE: struct.pack("Ii", 0x20080522, 0), **data})
    assert text.arguments(made) == (
        "{version=_LINUX_CAPABILITY_VERSION_3, pid=0},"
        " {effective=CAP_SYS_ADMIN|CAP_BPF, permitted=CAP_CHOWN, inheritable=0}"
    )
    assert "CAP_BPF" in made.args.datap.effective.names
    old = call("capset", ONE, OTHER, memory={ONE: struct.pack("Ii", 0x19980330, 0), **data})
    assert old.args.datap.effective.names == ("CAP_SYS_ADMIN",), "the first version has one half"


def test_a_message_of_system_v_has_its_type_and_its_text() -> None:
    memory = {ONE: struct.pack("q", 7) + b"text"}
    assert text.arguments(call("msgsnd", 5, ONE, 4, 0, memory=memory)) == '5, {mtype=7, mtext="text"}, 4, 0'
    unasked = call("msgsnd", 5, ONE, 4, 0, memory=memory, limit=0).args.msgp
    assert unasked.mtype == 7
    assert isinstance(unasked.raw("mtext"), Gap)


def test_what_a_semaphore_operation_takes_and_returns_is_told_by_its_command() -> None:
    perm = struct.pack("6I", 0x77, 1, 2, 3, 4, 0o600).ljust(48, b"\0")
    memory = {ONE: (perm + struct.pack("5Q", 10, 0, 20, 0, 3)).ljust(104, b"\0")}
    assert text.arguments(call("semctl", 5, 0, 2, ONE, after=memory)) == (
        "5, 0, IPC_STAT, {sem_perm={uid=1, gid=2, mode=0600, key=119, cuid=3, cgid=4}, sem_otime=10, sem_ctime=20,"
        " sem_nsems=3}"
    )
    assert text.arguments(call("semctl", 5, 0, 1, ONE, memory=memory)) == (
        "5, 0, IPC_SET, {sem_perm={uid=1, gid=2, mode=0600}}"
    )
    assert call("semctl", 5, 0, 16, 9).args.arg == Pointer(9)


def test_keys_go_by_name_or_by_number_and_data_by_the_room_that_there_was() -> None:
    made = call("keyctl", 11, -3, ONE, 2, result=5, after={ONE: b"other"})
    assert text.arguments(made) == 'KEYCTL_READ, KEY_SPEC_SESSION_KEYRING, "ot", 2'
    assert text.arguments(call("keyctl", 3, 12345)) == "KEYCTL_REVOKE, 12345"


def test_a_ruleset_has_the_fields_of_the_version_that_its_size_says() -> None:
    memory = {ONE: struct.pack("3Q", 0b101, 0, 0)}
    assert call("landlock_create_ruleset", ONE, 8, 0, result=3, memory=memory).args.attr == {"handled_access_fs": 0b101}
    three = call("landlock_create_ruleset", ONE, 24, 0, result=3, memory=memory).args.attr
    assert list(three) == ["handled_access_fs", "handled_access_net", "scoped"]
    version = call("landlock_create_ruleset", 0, 0, 1, result=4)
    assert text.arguments(version) == "NULL, 0, LANDLOCK_CREATE_RULESET_VERSION"
    assert not version.result_kind.descriptor, "it is a number, not a descriptor"


@pytest.mark.parametrize(
    ("bits", "nodes", "written"),
    [
        (65, {0, 2, 63}, "[0x8000000000000005], 65"),
        (64, {0, 2}, "[0x8000000000000005], 64"),
        (3, {0}, "[0x8000000000000005], 3"),
        (66, {0, 2, 63, 64}, "[0x8000000000000005, 0x00000000000003], 66"),
        (0, None, "NULL, 0"),
    ],
)
def test_a_set_of_nodes_has_a_bit_less_than_is_said(bits: int, nodes: set[int] | None, written: str) -> None:
    memory = {ONE: struct.pack("2Q", 1 << 63 | 5, 3)}
    made = call("set_mempolicy", 2, ONE if bits else 0, bits, memory=memory)
    assert made.args.nodemask == nodes
    assert text.arguments(made) == f"MPOL_BIND, {written}"
