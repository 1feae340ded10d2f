"""``pytest-ebpf serve``, a process of its own around a fake engine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import brokers
import pytest
from brokers import forked
from tiers import require_root, unable

from pytest_ebpf import cli
from pytest_ebpf.broker import place, privilege
from pytest_ebpf.broker.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent.parent
SERVED = 65533

# The command as it is, but for the engine; and for what this process may do, since the fake one needs nothing.
PROGRAM = """
import sys, fake_broker
from pytest_ebpf import cli
from pytest_ebpf.broker import administrator, privilege
own = privilege.read()
privilege.read = lambda: privilege.Privilege(
    uid=own.uid, outer_uid=own.uid, bpf=True, perfmon=True, initial_namespace=True)
administrator.serve.__defaults__ = (fake_broker.FakeEngine.load,)
sys.exit(cli.main(sys.argv[1:]))
"""


@contextlib.contextmanager
def serving(*words: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    path = os.pathsep.join([str(TESTS), str(Path(place.__file__).parents[2])])
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "serve", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd="/",  # where no other pytest_ebpf lies
    )
    with process:
        assert process.stdout
        try:
            yield process, [process.stdout.readline(), process.stdout.readline()]
        finally:
            process.kill()


def test_it_prints_what_the_user_pastes_and_serves_many_runs(tmp_path: Path) -> None:
    path, uid = tmp_path / "it's here", str(os.geteuid())
    with serving("--uid", uid, "--socket", str(path)) as (process, lines):
        assert lines == [
            f"# serves uid {uid} until it is interrupted; paste this where that user runs pytest:\n",
            f"export PYTEST_EBPF_BROKER='{tmp_path}/it'\"'\"'s here'\n",
        ]
        script = f'{lines[1]}printf %s "$PYTEST_EBPF_BROKER"'
        assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == str(path)
        for session in (1, 2):
            with contextlib.closing(Client.connect(path)) as client:
                assert client.open(4096).session == session
                assert client.status().pid == process.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_interrupted_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with serving("--uid", str(os.geteuid()), "--socket", str(tmp_path / "socket")) as (process, _):
        assert (tmp_path / "socket").exists()
        process.send_signal(number)
        assert process.wait(brokers.PATIENCE) == 0
        assert process.stderr
        assert process.stderr.read() == "engine closed, 0 sessions open\n"
    assert list(tmp_path.iterdir()) == []


def test_systemd_is_told_when_it_is_ready(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(brokers.PATIENCE)
        words = ("--uid", str(os.geteuid()), "--socket", str(tmp_path / "socket"))
        with serving(*words, NOTIFY_SOCKET=str(tmp_path / "notify")):
            assert systemd.recv(100) == b"READY=1"
            Client.connect(tmp_path / "socket").close()


def test_a_notice_to_an_abstract_address_arrives(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("")  # the kernel chooses an abstract address, unix(7)
        systemd.settimeout(brokers.PATIENCE)
        address = "@" + systemd.getsockname()[1:].decode()
        words = ("--uid", str(os.geteuid()), "--socket", str(tmp_path / "socket"))
        with serving(*words, NOTIFY_SOCKET=address):
            assert systemd.recv(100) == b"READY=1"


def test_by_default_it_listens_in_a_directory_of_the_users_below_run() -> None:
    require_root()
    folder = place.ADMINISTRATORS / str(SERVED)
    if folder.exists():
        unable(f"{folder} exists already: a broker runs here")
    try:
        with serving("--uid", str(SERVED)) as (process, lines):
            assert lines[1] == f"export PYTEST_EBPF_BROKER=/run/pytest-ebpf/{SERVED}/socket\n"
            parent, status = place.ADMINISTRATORS.stat(), folder.stat()
            assert (parent.st_uid, stat.S_IMODE(parent.st_mode)) == (0, 0o755)
            assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (SERVED, 0o700)

            def trace() -> str:
                return str(Client.connect(folder / "socket").open(4096).session)

            with forked(trace, SERVED) as (_, said):
                assert said() == "1"
            process.terminate()
            assert process.wait(brokers.PATIENCE) == 0
        assert not folder.exists()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            place.ADMINISTRATORS.rmdir()


def test_a_second_broker_at_one_place_is_refused(tmp_path: Path) -> None:
    words = ("--uid", str(os.geteuid()), "--socket", str(tmp_path / "socket"))
    with serving(*words), serving(*words) as (second, _):
        assert second.wait(brokers.PATIENCE) == 1
        assert second.stderr
        assert second.stderr.read() == (
            f"pytest-ebpf: the broker for uid {os.geteuid()} cannot start: "
            f"a broker listens at {tmp_path}/socket already\n"
        )
        Client.connect(tmp_path / "socket").close()


def test_a_kernel_that_cannot_is_told_and_no_socket_is_left(tmp_path: Path) -> None:
    words = ("--uid", str(os.geteuid()), "--socket", str(tmp_path / "socket"))
    with serving(*words, FAKE_ENGINE="unavailable") as (process, _):
        assert process.wait(brokers.PATIENCE) == 1
        assert process.stderr
        assert process.stderr.read() == "pytest-ebpf: this fake kernel is too old\n"
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_was_killed_makes_room_for_the_next(tmp_path: Path) -> None:
    words = ("--uid", str(os.geteuid()), "--socket", str(tmp_path / "socket"))
    with serving(*words) as (first, _):
        first.kill()
    assert (tmp_path / "socket").exists()
    with serving(*words) as (second, _), contextlib.closing(Client.connect(tmp_path / "socket")) as client:
        assert client.status().pid == second.pid


def test_a_user_cannot_stop_an_administrators_broker(tmp_path: Path) -> None:
    require_root()
    tmp_path.chmod(0o755)
    folder = Path("/tmp")
    path = folder / f"pytest-ebpf-{os.getpid()}" / "socket"
    path.parent.mkdir()
    path.parent.chmod(0o755)
    try:
        with serving("--uid", str(SERVED), "--socket", str(path)) as (process, _):

            def stop() -> str:
                Client.connect(path).stop()
                return "stopped"

            with forked(stop, SERVED) as (pid, said):
                assert said() == (
                    "BrokerError: pytest-ebpf: the broker refused: only root may stop this broker, "
                    f"and you are process {pid} of uid {SERVED}"
                )
            with contextlib.closing(Client.connect(path)) as client:
                client.stop()
            assert process.wait(brokers.PATIENCE) == 0
    finally:
        shutil.rmtree(path.parent)


def test_without_privilege_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    held = privilege.Privilege(uid=1000, outer_uid=1000, bpf=False, perfmon=True, initial_namespace=True)
    monkeypatch.setattr(privilege, "read", lambda: held)
    assert cli.main(["serve", "--uid", "1000", "--socket", str(tmp_path / "socket")]) == 1
    assert capsys.readouterr().err == (
        "pytest-ebpf: the broker for uid 1000 cannot start: "
        "it needs CAP_BPF and CAP_PERFMON, and this process has only CAP_PERFMON (uid 1000)\n"
        f"  try     sudo {privilege.own_command()} serve --uid 1000\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uid", ["root", "-1", "4294967295", "", "1.5", "٣"])
def test_what_is_no_uid_is_refused(uid: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["serve", f"--uid={uid}"])
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        f"pytest-ebpf serve: error: argument --uid: {uid!r} is no user id; it is a number, as `id --user` prints it"
    )
