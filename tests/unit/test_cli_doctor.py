"""``pytest-ebpf doctor``: each line, and the verdict."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_ebpf import cli, doctor
from pytest_ebpf.broker import launch, privilege
from pytest_ebpf.doctor import Finding
from pytest_ebpf.engine import native
from pytest_ebpf.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWN = privilege.own_command()


def held(*, bpf: bool = False, perfmon: bool = False, initial: bool = True, uid: int = 1000) -> privilege.Privilege:
    return privilege.Privilege(uid=uid, outer_uid=1000, bpf=bpf, perfmon=perfmon, initial_namespace=initial)


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_EBPF_BROKER", raising=False)


def refuse() -> str:
    raise Unavailable("pytest-ebpf: the kernel refused\n  needs   a newer one")


@pytest.mark.usefixtures("no_broker")
def test_where_nothing_can_trace_the_report_says_what_mends_it_and_the_status_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(privilege, "read", held)
    monkeypatch.setattr(privilege, "sudo_refusal", lambda: "a password is required")
    monkeypatch.setattr(doctor, "_observe", refuse)
    assert cli.main(["doctor"]) == 1
    assert capsys.readouterr().out.endswith(
        "note     capabilities  CAP_BPF and CAP_PERFMON: has neither (uid 1000)\n"
        "missing  sudo -n       a password is required\n"
        f"         mend it       sudo -v      or   sudo {OWN} serve --uid 1000\n"
        "missing  tracing       the kernel refused\n"
        "                         needs   a newer one\n"
    )


@pytest.mark.usefixtures("no_broker")
def test_where_tests_can_trace_the_status_is_0_whatever_the_other_lines_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(privilege, "read", held)
    monkeypatch.setattr(privilege, "sudo_refusal", lambda: None)
    monkeypatch.setattr(doctor, "_observe", lambda: "12 programs attached")
    assert cli.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"ok       python        {platform.python_version()}, {sys.executable}"
    assert lines[-2:] == [
        "ok       sudo -n       makes root of this user",
        "ok       tracing       12 programs attached",
    ]


@pytest.mark.usefixtures("no_broker")
def test_privilege_of_its_own_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "read", lambda: held(bpf=True, perfmon=True))
    assert [str(finding) for finding in doctor._privilege()] == [
        "ok       capabilities  CAP_BPF and CAP_PERFMON: has both (uid 1000)"
    ]


@pytest.mark.usefixtures("no_broker")
def test_in_a_user_namespace_the_broker_belongs_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "read", lambda: held(bpf=True, perfmon=True, initial=False, uid=0))
    (finding,) = doctor._privilege()
    assert str(finding) == (
        "missing  capabilities  CAP_BPF and CAP_PERFMON: has both only in a user namespace of its own (uid 0)\n"
        f"         mend it       sudo {OWN} serve --uid 1000      (outside of the namespace)"
    )


def test_a_named_broker_is_what_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_EBPF_BROKER", "/nowhere/socket")
    assert [str(finding) for finding in doctor._privilege()] == [
        "note     broker        PYTEST_EBPF_BROKER=/nowhere/socket is used"
    ]
    verdict = doctor._tracing()
    assert verdict.state == "missing"
    assert verdict.text.startswith("no broker can be reached at /nowhere/socket: No such file or directory\n")


def test_an_extension_that_does_not_load_is_installed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def library() -> None:
        raise Unavailable("pytest-ebpf: its compiled extension does not load: libbpf.so.1: no such file\n  try     pip")

    monkeypatch.setattr(native, "library", library)
    assert str(doctor._extension()) == (
        "missing  extension     its compiled extension does not load: libbpf.so.1: no such file\n"
        f"         mend it       {sys.executable} -m pip install --force-reinstall pytest-ebpf"
    )


def test_a_kernel_without_btf_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "release", lambda: "5.10.0")
    assert str(doctor._types(tmp_path / "vmlinux")) == (
        f"missing  kernel        5.10.0 does not describe its types: {tmp_path}/vmlinux is not there "
        "(CONFIG_DEBUG_INFO_BTF)\n"
        "         mend it       apt-get install linux-image-amd64 && reboot"
    )
    (tmp_path / "vmlinux").touch()
    assert str(doctor._types(tmp_path / "vmlinux")) == "ok       kernel        5.10.0, describes its types (BTF)"


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("0\n", "0: anybody may load some kinds of programs, tracing ones not among them"),
        ("1\n", "1: only privileged processes load programs, until the next boot"),
        ("2\n", "2: only privileged processes load programs"),
        ("9\n", "9: of unknown meaning"),
    ],
)
def test_what_unprivileged_bpf_disabled_means_is_said(tmp_path: Path, value: str, meaning: str) -> None:
    (tmp_path / "value").write_text(value)
    assert doctor._unprivileged(tmp_path / "value").text == f"kernel.unprivileged_bpf_disabled = {meaning}"


def test_a_setting_that_is_not_there_is_no_fault(tmp_path: Path) -> None:
    finding = doctor._unprivileged(tmp_path / "value")
    assert (finding.state, finding.text) == ("note", f"{tmp_path}/value cannot be read: No such file or directory")


@pytest.mark.parametrize(
    ("folder", "state", "text"),
    [
        (".", "ok", "version 2"),
        ("unified", "ok", "versions 1 and 2; cgroup_id is of version 2"),
        ("cpu", "note", "version 2 is not mounted: what cgroup_id names cannot be looked up"),
    ],
)
def test_cgroups_are_told_apart(tmp_path: Path, folder: str, state: str, text: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    for name in ("cgroup.procs", "cgroup.controllers"):
        (tmp_path / folder / name).touch()
    finding = doctor._cgroup(tmp_path)
    assert (finding.state, finding.text) == (state, text)


class BlindSession:
    def pull(self) -> bytes:
        return b""


@contextlib.contextmanager
def blind() -> Iterator[tuple[BlindSession, int]]:
    yield BlindSession(), 5


def test_programs_that_see_nothing_are_not_taken_for_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_session", blind)
    assert doctor._tracing() == Finding(
        state="missing", what="tracing", text="5 programs are attached, and did not see /bin/sh being executed: []"
    )


def test_a_machine_that_cannot_run_the_broker_gets_a_report_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        raise OSError(12, os.strerror(12))

    monkeypatch.setattr(launch, "connect", connect)
    assert doctor._tracing().text == "[Errno 12] Cannot allocate memory"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-I", "-c", "import sys; from pytest_ebpf.cli import main; sys.exit(main(['doctor']))"]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")
