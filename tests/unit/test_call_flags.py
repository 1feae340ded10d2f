"""Flags and enumerations: how they are written, and that they are the numbers they were."""

from __future__ import annotations

import copy
import json
import os
import pickle
import signal
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ebpf.syscalls.flags import EnumSet, FlagSet
from pytest_ebpf.syscalls.flagsets import FLAGSETS


def text(name: str, value: int) -> str:
    return FLAGSETS[name].text(value)


def flagset(name: str) -> FlagSet:
    found = FLAGSETS[name]
    assert isinstance(found, FlagSet)
    return found


def enumset(name: str) -> EnumSet:
    found = FLAGSETS[name]
    assert isinstance(found, EnumSet)
    return found


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("open_flags", os.O_RDWR | os.O_CLOEXEC, "O_RDWR|O_CLOEXEC"),
        ("open_flags", 0, "O_RDONLY"),
        ("open_flags", os.O_NONBLOCK, "O_RDONLY|O_NONBLOCK"),
        ("open_flags", 0x800002, "O_RDWR|0x800000"),
        ("open_flags", 3, "O_ACCMODE"),
        ("open_flags", os.O_SYNC, "O_RDONLY|O_SYNC"),
        ("open_flags", os.O_DSYNC, "O_RDONLY|O_DSYNC"),
        ("open_flags", os.O_TMPFILE | os.O_WRONLY, "O_WRONLY|O_TMPFILE"),
        ("open_flags", os.O_DIRECTORY, "O_RDONLY|O_DIRECTORY"),
        ("descriptor_flags", 0, "0"),
        ("descriptor_flags", os.O_CLOEXEC | os.O_NONBLOCK, "O_NONBLOCK|O_CLOEXEC"),
        ("access_modes", os.F_OK, "F_OK"),
        ("access_modes", os.R_OK | os.W_OK, "W_OK|R_OK"),
        ("mmap_prot", 0, "PROT_NONE"),
        ("mmap_prot", 5, "PROT_READ|PROT_EXEC"),
        ("mmap_flags", 0x22, "MAP_PRIVATE|MAP_ANONYMOUS"),
        ("mmap_flags", 0x20, "MAP_FILE|MAP_ANONYMOUS"),
        ("mmap_flags", 0x22 | 0x40000 | 21 << 26, "MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB|MAP_HUGE_2MB"),
        ("clone_flags", 0x1200011, "CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD"),
        ("clone_flags", 0x20000000, "CLONE_NEWPID"),
        ("clone_flags", 0x80, "0x80"),
        ("clone3_flags", 0x80, "CLONE_NEWTIME"),
        ("mount_flags", 0xC0ED8021, "MS_RDONLY|MS_REMOUNT|MS_SILENT|MS_MGC_VAL"),
        ("mount_flags", 1 << 31, "MS_NOUSER"),
        ("msync_flags", 4, "MS_SYNC"),
        ("mount_attributes", 1, "MOUNT_ATTR_RDONLY"),
        ("mount_attributes", 0x11, "MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOATIME"),
        ("statx_mask", 0x7FF, "STATX_BASIC_STATS"),
        ("statx_mask", 0xFFF, "STATX_ALL"),
        ("statx_flags", 0x100, "AT_STATX_SYNC_AS_STAT|AT_SYMLINK_NOFOLLOW"),
        ("wait_options", 10, "WSTOPPED|WCONTINUED"),
        ("socket_types", socket.SOCK_STREAM | socket.SOCK_CLOEXEC, "SOCK_STREAM|SOCK_CLOEXEC"),
        ("futex_operations", 0x80, "FUTEX_WAIT_PRIVATE"),
        ("futex_operations", 0x189, "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME"),
        ("futex_operations", 1, "FUTEX_WAKE"),
        ("scheduling_policies", 0x40000001, "SCHED_FIFO|SCHED_RESET_ON_FORK"),
        ("epoll_events", 0x80000001, "EPOLLIN|EPOLLET"),
        ("ipc_flags", 0o1600, "IPC_CREAT|0600"),
        ("ipc_flags", 0, "000"),
        ("file_mode", 0o100644, "S_IFREG|0644"),
        ("file_mode", 0o104755, "S_IFREG|S_ISUID|0755"),
        ("file_mode", 0o777, "0777"),
        ("message_flags", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL, "MSG_DONTWAIT|MSG_NOSIGNAL"),
        ("personalities", 0x40000, "PER_LINUX|ADDR_NO_RANDOMIZE"),
        ("fanotify_init_flags", 1, "FAN_CLASS_NOTIF|FAN_CLOEXEC"),
        ("membarrier_commands", 0, "MEMBARRIER_CMD_QUERY"),
    ],
)
def test_flags_are_written_by_their_names(name: str, value: int, expected: str) -> None:
    assert text(name, value) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("fcntl_commands", 1, "F_GETFD"),
        ("fcntl_commands", 0, "F_DUPFD"),
        ("fcntl_commands", 4096, "0x1000"),
        ("dirfds", -100, "AT_FDCWD"),
        ("dirfds", -5, "-5"),
        ("address_families", 1, "AF_UNIX"),
        ("address_families", 16, "AF_NETLINK"),
        ("signals", 9, "SIGKILL"),
        ("signals", 6, "SIGABRT"),
        ("signals", 29, "SIGIO"),
        ("signals", 31, "SIGSYS"),
        ("signals", 32, "SIGRTMIN"),
        ("signals", 34, "SIGRT_2"),
        ("signals", 64, "SIGRT_32"),
        ("signals", 0, "0"),
        ("signals", 65, "0x41"),
        ("errors", 95, "EOPNOTSUPP"),
        ("errors", 11, "EAGAIN"),
        ("errors", 35, "EDEADLK"),
        ("errors", 512, "ERESTARTSYS"),
        ("errors", 513, "ERESTARTNOINTR"),
        ("errors", 514, "ERESTARTNOHAND"),
        ("errors", 516, "ERESTART_RESTARTBLOCK"),
        ("seek_whence", 4, "SEEK_HOLE"),
        ("file_types", 0o140000, "S_IFSOCK"),
        ("prctl_options", 1, "PR_SET_PDEATHSIG"),
        ("prctl_options", 34, "PR_MCE_KILL_GET"),
        ("prctl_options", 0x59616D61, "PR_SET_PTRACER"),
        ("bpf_commands", 5, "BPF_PROG_LOAD"),
        ("ioctl_requests", 0, "0"),
        ("ioctl_requests", 0x5401, "TCGETS"),
        ("ioctl_requests", 0x5600, "VT_OPENQRY"),
        ("ioctl_requests", 0x5413, "TIOCGWINSZ"),
        ("ioctl_requests", 0x541B, "FIONREAD"),
        ("ioctl_requests", 0x8912, "SIOCGIFCONF"),
        ("ioctl_requests", 0x40049409, "FICLONE"),
        ("ioctl_requests", 0x400454CA, "TUNSETIFF"),
        ("ioctl_requests", 0x4C00, "LOOP_SET_FD"),
        ("wait_ids", 3, "P_PIDFD"),
        ("rusage_who", -1, "RUSAGE_CHILDREN"),
        ("priority_which", 0, "PRIO_PROCESS"),
        ("socket_options", 2, "SO_REUSEADDR"),
        ("socket_levels", 1, "SOL_SOCKET"),
        ("socket_levels", 6, "SOL_TCP"),
        ("netlink_protocols", 4, "NETLINK_SOCK_DIAG"),
        ("netlink_options", 1, "NETLINK_ADD_MEMBERSHIP"),
        ("tcp_options", 1, "TCP_NODELAY"),
        ("keyctl_commands", 1, "KEYCTL_JOIN_SESSION_KEYRING"),
        ("ptrace_requests", 0x4206, "PTRACE_SEIZE"),
        ("fsconfig_commands", 6, "FSCONFIG_CMD_CREATE"),
        ("landlock_rule_types", 1, "LANDLOCK_RULE_PATH_BENEATH"),
        ("syslog_actions", 10, "SYSLOG_ACTION_SIZE_BUFFER"),
        ("capabilities", 21, "CAP_SYS_ADMIN"),
        ("signal_handlers", 1, "SIG_IGN"),
        ("sigprocmask_how", 2, "SIG_SETMASK"),
    ],
)
def test_a_value_of_an_enumeration_is_written_by_its_name(name: str, value: int, expected: str) -> None:
    assert text(name, value) == expected


def test_flags_are_still_the_number_they_were() -> None:
    flags = flagset("open_flags").of(os.O_RDWR | os.O_CLOEXEC | 0x800000)
    assert flags == os.O_RDWR | os.O_CLOEXEC | 0x800000
    assert flags & os.O_CLOEXEC
    assert not flags & os.O_CREAT
    assert flags.names == ("O_RDWR", "O_CLOEXEC")
    assert flags.unknown == 0x800000
    assert repr(flags) == str(flags) == f"{flags}" == "O_RDWR|O_CLOEXEC|0x800000"
    assert json.dumps(flags) == str(int(flags))
    assert f"{flags:#x}" == "0x880002"


def test_a_named_value_is_still_the_number_it_was_and_equals_pythons_own() -> None:
    pythons: dict[Any, str] = {socket.AddressFamily.AF_INET: "family", signal.Signals.SIGTERM: "signal"}
    family = enumset("address_families").of(2)
    assert family == 2
    assert pythons[family] == "family"
    assert family.name == "AF_INET"
    assert repr(family) == str(family) == f"{family}" == "AF_INET"
    assert (f"{family:d}", f"{family:>9}") == ("2", "  AF_INET")
    assert pythons[enumset("signals").of(15)] == "signal"
    assert enumset("signals").of(99).name is None


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_knows_the_names_too(again: Any) -> None:
    flags = again(flagset("ipc_flags").of(0o1600))
    assert (flags, str(flags), flags.names) == (0o1600, "IPC_CREAT|0600", ("IPC_CREAT",))
    named = again(enumset("signals").of(9))
    assert (named, str(named), named.name) == (9, "SIGKILL", "SIGKILL")


@given(name=st.sampled_from(sorted(FLAGSETS)), value=st.integers(0, (1 << 64) - 1))
def test_no_bit_of_a_value_is_lost_in_its_text(name: str, value: int) -> None:
    found = FLAGSETS[name]
    number = 0
    for part in found.text(value).split("|"):
        if part in found.values:
            number |= found.values[part]
        else:
            number |= int(part, 8 if part.isdecimal() else 0)
    assert number & ((1 << 64) - 1) == value


@pytest.mark.parametrize("name", sorted(FLAGSETS))
def test_every_name_of_a_set_is_written_for_its_value(name: str) -> None:
    found = FLAGSETS[name]
    assert found.values or name in {"landlock_net_access", "landlock_scopes"}  # Linux 6.7, 6.12
    for value in set(found.values.values()):
        written = found.text(value).split("|")
        assert any(found.values.get(part) == value for part in written), (value, written)


def test_flags_that_are_a_negative_int_in_c_are_found_in_a_register() -> None:
    made = FlagSet({"TOP": -(1 << 31), "LOW": 1})
    assert made.text(0x80000001) == "LOW|TOP"
    assert made.values["TOP"] == 1 << 31


def test_a_set_that_is_not_there_is_a_key_error_and_is_not_made() -> None:
    assert "no_such" not in FLAGSETS
    with pytest.raises(KeyError):
        FLAGSETS["no_such"]
    assert len(FLAGSETS) == len(list(FLAGSETS))
