"""Namespaces and capabilities outside of a trace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from model_stream import World, own_start_ns

from pytest_ebpf import credentials, procfs
from pytest_ebpf.errors import UsageError
from pytest_ebpf.namespaces import OWN_KINDS, namespaces_of


def inode(kind: str) -> int:
    return os.stat(f"/proc/self/ns/{kind}").st_ino  # noqa: PTH116 - a magic link


def test_namespaces_of_a_pid_are_those_in_proc() -> None:
    found = namespaces_of(os.getpid())

    assert dict(found.ids) == {kind: inode(kind) for kind in OWN_KINDS if Path(f"/proc/self/ns/{kind}").exists()}
    assert repr(found) == f"namespaces_of(pid {os.getpid()})"
    assert dict(namespaces_of(os.getpid(), "net", "uts").ids) == {"net": inode("net"), "uts": inode("uts")}
    assert namespaces_of(found, "net").ids == {"net": inode("net")}


def test_namespaces_of_a_file_is_the_one_behind_it() -> None:
    for kind in ("net", "mnt", "user", "pid", "uts", "ipc", "cgroup"):
        assert namespaces_of(f"/proc/self/ns/{kind}").ids == {kind: inode(kind)}
        assert namespaces_of(Path(f"/proc/self/ns/{kind}")).ids == {kind: inode(kind)}


def test_namespaces_of_a_process_are_those_it_had_last() -> None:
    world = World()
    trace = world.trace()
    actor = world.exec(world.fork(world.root), "sh")
    before = namespaces_of(trace.processes.one())
    world.unshare(actor, "net")

    assert namespaces_of(trace.processes.one()).ids["net"] != before.ids["net"]
    assert namespaces_of(trace.processes.one(), "pid_for_children").ids == {"pid_for_children": before.ids["pid"]}
    assert namespaces_of(trace.processes.one().namespaces, "mnt").ids == {"mnt": before.ids["mnt"]}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1, "nets"), "'nets' is no kind of namespace; did you mean 'net'?"),
        (("/proc/self/ns/net", "mnt"), "/proc/self/ns/net has no mnt namespace to compare with (it has: net)"),
        ((4_194_305,), "there is no process with pid 4194305"),
        (("/etc/passwd",), "/etc/passwd is no namespace file"),
        (("/nowhere",), "the namespace file cannot be opened"),
        ((True,), "namespaces_of() takes a pid, a path or a process, not a bool"),
        ((1.5,), "namespaces_of() takes a pid, a path or a process, not float"),
    ],
)
def test_what_has_no_namespaces_is_refused(arguments: tuple[Any, ...], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        namespaces_of(*arguments)

    assert str(caught.value).startswith(text)


def test_capabilities_are_found_by_their_bit() -> None:
    names = credentials.all_capabilities()

    assert (names[0], names[21], names[40]) == ("CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE")
    assert "CAP_LAST_CAP" not in names
    assert credentials.names_of_mask(1 << 21 | 1 << 63 | 1) == {"CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_63"}


def test_a_process_is_alive_only_under_its_own_start() -> None:
    assert procfs.alive(os.getpid(), own_start_ns())
    assert not procfs.alive(os.getpid(), own_start_ns() - 10_000_000_000)
    assert not procfs.alive(4_194_305, own_start_ns())
    assert procfs.read_program(os.getpid(), own_start_ns() - 10_000_000_000) is None


def test_a_zombie_does_not_run() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    ticks = int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])

    assert not procfs.alive(pid, ticks * (1_000_000_000 // os.sysconf("SC_CLK_TCK")))
    os.waitpid(pid, 0)


def test_proc_counts_as_the_test_does_or_as_the_host_or_not_at_all() -> None:
    assert procfs.numbers_as(os.getpid(), 1_000_000) == "pid"
    assert procfs.numbers_as(1_000_000, os.getpid()) == "host_pid"
    assert procfs.numbers_as(1_000_000, 1_000_001) is None
