"""What this process may do, read from what the kernel says of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiers import require_command, require_root

from pytest_ebpf.broker import privilege

INITIAL = 0xEFFFFFFD
ADMIN, PERFMON, BPF = 1 << 21, 1 << 38, 1 << 39
READ = "from pytest_ebpf.broker import privilege; print(privilege.read())"


def proc(folder: Path, effective: int, uid_map: str = "         0          0 4294967295\n") -> Path:
    """A ``/proc/self`` in a user namespace of its own: no file of ours has the initial one's inode."""
    (folder / "ns").mkdir()
    (folder / "ns/user").touch()
    (folder / "uid_map").write_text(uid_map)
    (folder / "status").write_text(
        f"Name:\tpytest\nCapPrm:\t000001ffffffffff\nCapEff:\t{effective:016x}\nCapBnd:\t000001ffffffffff\n"
    )
    return folder


@pytest.mark.parametrize(
    ("effective", "bpf", "perfmon", "said"),
    [
        (0, False, False, "has neither"),
        (BPF, True, False, "has only CAP_BPF"),
        (PERFMON, False, True, "has only CAP_PERFMON"),
        (BPF | PERFMON, True, True, "has both only in a user namespace of its own"),
        (ADMIN, True, True, "has both only in a user namespace of its own"),
        (~(ADMIN | PERFMON | BPF) & (1 << 41) - 1, False, False, "has neither"),
    ],
)
def test_the_effective_set_decides(tmp_path: Path, effective: int, *, bpf: bool, perfmon: bool, said: str) -> None:
    held = privilege.read(proc(tmp_path, effective))
    assert (held.bpf, held.perfmon, held.initial_namespace, held.sufficient) == (bpf, perfmon, False, False)
    assert str(held) == said


def test_both_capabilities_suffice_in_the_initial_namespace() -> None:
    held = privilege.Privilege(uid=1, outer_uid=1, bpf=True, perfmon=True, initial_namespace=True)
    assert held.sufficient
    assert str(held) == "has both"


@pytest.mark.parametrize(
    ("uid_map", "outer"),
    [
        ("0 0 4294967295", os.geteuid()),
        (f"{os.geteuid()} 1000 1", 1000),
        (f"{os.geteuid() + 5} 7 1\n{os.geteuid()} 100000 65536", 100000),
        ("", os.geteuid()),
    ],
)
def test_the_uid_that_a_broker_outside_sees_is_known(tmp_path: Path, uid_map: str, outer: int) -> None:
    assert privilege.read(proc(tmp_path, 0, uid_map)).outer_uid == outer


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_real_root_in_the_initial_namespace_has_both() -> None:
    require_root()
    assert privilege.read().initial_namespace == (Path("/proc/self/ns/user").stat().st_ino == INITIAL)
    assert str(privilege.read()) == "has both"


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ("-all,+bpf,+perfmon", "has both"),
        ("-all,+bpf", "has only CAP_BPF"),
        ("-all,+perfmon", "has only CAP_PERFMON"),
        ("-all,+sys_admin", "has both"),
        ("+all,-bpf,-perfmon,-sys_admin", "has neither"),
    ],
)
def test_real_capabilities_are_seen(keep: str, said: str) -> None:
    require_root()
    require_command("setpriv")
    assert run("setpriv", "--bounding-set", keep, sys.executable, "-c", READ) == said


def test_root_of_a_real_user_namespace_is_told_apart() -> None:
    require_command("unshare")
    said = run("unshare", "--user", "--map-root-user", sys.executable, "-c", READ)
    assert said == "has both only in a user namespace of its own"


def sudo(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "sudo").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_a_sudo_that_works_has_no_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sudo(tmp_path, monkeypatch, '[ "$*" = "-n true" ]')
    assert privilege.sudo_refusal() is None


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'sudo: a password is required' >&2; exit 1", "a password is required"),
        (
            "echo 'a lecture' >&2; echo >&2; echo 'joe may not run sudo on box.' >&2; exit 1",
            "joe may not run sudo on box.",
        ),
        ("exit 1", "it said nothing"),
    ],
)
def test_a_sudo_that_refuses_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    sudo(tmp_path, monkeypatch, script)
    assert privilege.sudo_refusal() == words


def test_a_machine_without_sudo_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert privilege.sudo_refusal() == "sudo is not installed"


def test_the_command_to_type_after_sudo_needs_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert privilege.own_command() == f"{tmp_path}/python -m pytest_ebpf"
    (tmp_path / "pytest-ebpf").touch()
    assert privilege.own_command() == f"{tmp_path}/pytest-ebpf"
    monkeypatch.setattr(sys, "executable", "")
    assert privilege.own_command() == "pytest-ebpf"


def test_the_module_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "pytest_ebpf", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: pytest-ebpf [-h] COMMAND ...")
