"""Finding the run's broker, or starting it: the ways to privilege, xdist, and what is left."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import brokers
import fake_broker
import pytest
from brokers import eventually, forked, gone
from tiers import require_root

from pytest_ebpf.broker import launch, privilege, start
from pytest_ebpf.broker.client import Client
from pytest_ebpf.errors import BrokerDied, BrokerError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

MAY = privilege.Privilege(uid=1000, outer_uid=1000, bpf=True, perfmon=True, initial_namespace=True)
MAY_NOT = privilege.Privilege(uid=1000, outer_uid=1000, bpf=False, perfmon=False, initial_namespace=True)
CONTAINED = privilege.Privilege(uid=0, outer_uid=1000, bpf=True, perfmon=True, initial_namespace=False)
OWN_COMMAND = privilege.own_command()


@pytest.fixture
def run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Of a run whose broker has a fake engine, started by a process that may."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(privilege, "read", lambda: MAY)
    monkeypatch.setattr(launch, "_command", lambda: [sys.executable, fake_broker.__file__])
    path = launch.new_run_directory()
    yield path
    launch.finish(path)


def fake_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sudo").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(privilege, "read", lambda: MAY_NOT)


def test_nothing_is_there_before_somebody_connects_and_nothing_afterwards(run_directory: Path, tmp_path: Path) -> None:
    assert list(tmp_path.iterdir()) == []
    with contextlib.closing(launch.connect(run_directory, os.getpid())) as client:
        pid = client.status().pid
        assert sorted(path.name for path in run_directory.iterdir()) == ["lock", "log", "socket"]
    launch.finish(run_directory)
    assert list(tmp_path.iterdir()) == []
    assert gone(pid)


def test_a_run_directory_is_named_anew_each_time(run_directory: Path) -> None:
    assert launch.new_run_directory() != run_directory


def test_the_broker_is_no_child_of_who_started_it(run_directory: Path) -> None:
    with contextlib.closing(launch.connect(run_directory, os.getpid())) as client:
        parent = int(Path(f"/proc/{client.status().pid}/stat").read_text().split()[3])
        assert parent != os.getpid()
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)


def test_descriptors_are_not_left_open(run_directory: Path) -> None:
    gc.collect()  # what tests before left open may be closed at any time
    before = len(list(Path("/proc/self/fd").iterdir()))
    launch.connect(run_directory, os.getpid()).close()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_all_workers_share_one_broker(run_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_ENGINE", "slow")  # so that all of them come while it starts

    def worker() -> str:
        client = launch.connect(run_directory, os.getppid())
        globals()["kept"] = client
        client.open(4096)
        return str(client.status().pid)

    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(forked(worker)) for _ in range(8)]
        pids = {said() for _, said in workers}
        assert len(pids) == 1
        assert pids.pop().isdecimal()
        with contextlib.closing(launch.connect(run_directory, os.getpid())) as client:
            assert client.status().sessions == 8


def test_a_start_that_failed_is_not_tried_again_by_the_next_worker(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ENGINE", "unavailable")
    with pytest.raises(Unavailable, match=r"^pytest-ebpf: this fake kernel is too old$"):
        launch.connect(run_directory, os.getpid())
    monkeypatch.delenv("FAKE_ENGINE")
    with pytest.raises(Unavailable, match=r"^pytest-ebpf: this fake kernel is too old$"):
        launch.connect(run_directory, os.getpid())


def test_a_broker_that_crashes_at_its_start_is_an_error_with_its_last_words(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ENGINE", "bug")
    with pytest.raises(BrokerError) as caught:
        launch.connect(run_directory, os.getpid())
    text = str(caught.value)
    uid = os.geteuid()
    assert text.startswith(
        f"pytest-ebpf: the broker did not start ({sys.executable} {fake_broker.__file__} --run-dir {run_directory} "
        f"--uid {uid} --owner {os.getpid()})\n  its last words:\n    pytest-ebpf broker: pid "
    )
    assert text.endswith("    ZeroDivisionError: a bug of the loader")


def test_a_broker_that_was_killed_is_not_started_again(run_directory: Path) -> None:
    with contextlib.closing(launch.connect(run_directory, os.getpid())) as client:
        pid = client.status().pid
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    with pytest.raises(BrokerDied) as caught:
        launch.connect(run_directory, os.getpid())
    uid = os.geteuid()
    assert str(caught.value) == (
        f"pytest-ebpf: the broker died ({run_directory}/socket)\n"
        "  its last words:\n"
        f"    pytest-ebpf broker: pid {pid}, uid {uid}, serves uid {uid} for process {os.getpid()}"
    )
    launch.finish(run_directory)
    assert not run_directory.exists()


def test_a_broker_ends_with_a_killed_controller_though_workers_started_it(run_directory: Path) -> None:
    def controller() -> str:
        worker = os.fork()
        if worker == 0:
            try:
                launch.connect(run_directory, os.getppid()).close()
            finally:
                os._exit(0)
        os.waitpid(worker, 0)
        with contextlib.closing(Client.connect(run_directory / "socket")) as client:
            return str(client.status().pid)

    with forked(controller) as (pid, said):
        broker = int(said())
        os.kill(pid, signal.SIGKILL)
        assert gone(broker)
    assert not run_directory.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended_with_all_its_processes_while_its_broker_starts_leaves_nothing(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("FAKE_ENGINE", "slow")

    def controller() -> str:
        os.setpgid(0, 0)
        launch.connect(run_directory, os.getpid())
        return "it had the time to start"

    with forked(controller) as (group, said):
        log = run_directory / "log"
        assert eventually(lambda: log.exists() and start.GREETING in log.read_text())
        os.killpg(group, number)
        assert said() == ""
    assert eventually(lambda: not run_directory.exists())


def test_finishing_a_run_that_never_traced_does_nothing(tmp_path: Path) -> None:
    launch.finish(tmp_path / "never")
    assert list(tmp_path.iterdir()) == []


def test_a_run_directory_that_somebody_else_made_is_refused(run_directory: Path) -> None:
    run_directory.mkdir()
    run_directory.chmod(0o755)
    with pytest.raises(BrokerError) as caught:
        launch.connect(run_directory, os.getpid())
    assert str(caught.value) == (f"pytest-ebpf: {run_directory} was to be the run directory, and somebody else made it")


def test_a_private_run_directory_of_another_user_is_refused(run_directory: Path) -> None:
    require_root()
    run_directory.mkdir(mode=0o700)
    os.chown(run_directory, 65534, -1)
    with pytest.raises(BrokerError, match=r"was to be the run directory, and somebody else made it$"):
        launch.connect(run_directory, os.getpid())
    assert list(run_directory.iterdir()) == []


def test_a_path_longer_than_a_socket_address_works(run_directory: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)
    with contextlib.closing(launch.connect(deep / run_directory.name, os.getpid())) as client:
        assert client.status().programs == 2
    launch.finish(deep / run_directory.name)
    assert list(deep.iterdir()) == []


def test_connecting_starts_no_thread(run_directory: Path) -> None:
    before = len(list(Path("/proc/self/task").iterdir()))
    with contextlib.closing(launch.connect(run_directory, os.getpid())):
        assert len(list(Path("/proc/self/task").iterdir())) == before


# The ways to privilege -----------------------------------------------------------------------------------


def test_a_named_broker_comes_before_all_other_ways(run_directory: Path, tmp_path: Path) -> None:
    with (
        brokers.running(tmp_path / "administrators") as broker,
        contextlib.closing(launch.connect(run_directory, os.getpid(), str(broker.socket))) as client,
    ):
        assert client.status().pid == broker.process.pid
        assert not run_directory.exists()


def test_a_named_broker_that_is_not_there_is_an_error_and_no_other_way_is_tried(run_directory: Path) -> None:
    with pytest.raises(BrokerError) as caught:
        launch.connect(run_directory, os.getpid(), "/nowhere/socket")
    assert str(caught.value) == (
        "pytest-ebpf: no broker can be reached at /nowhere/socket: No such file or directory\n"
        "  asked   by --ebpf-broker, the ini value ebpf_broker or PYTEST_EBPF_BROKER\n"
        f"  try     sudo {OWN_COMMAND} serve --uid 1000"
    )
    assert not run_directory.exists()


def test_a_named_broker_that_is_something_else_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        with contextlib.closing(Client.connect(tmp_path / "socket")) as client:
            peer, _ = listener.accept()
            with peer:
                peer.send(b"220 mail.example.org ESMTP")
                with pytest.raises(BrokerError) as caught:
                    client.status()
    assert str(caught.value) == (f"pytest-ebpf: what listens at {tmp_path}/socket is no broker: the message is no JSON")


def test_an_administrators_broker_that_dies_points_to_its_own_log(tmp_path: Path) -> None:
    with (
        brokers.running(tmp_path / "administrators") as broker,
        contextlib.closing(launch.connect(tmp_path / "run", os.getpid(), str(broker.socket))) as client,
    ):
        broker.process.kill()
        with pytest.raises(BrokerDied) as caught:
            client.missed()
    assert str(caught.value) == (
        f"pytest-ebpf: the broker died ({broker.socket})\n"
        "  try     its own log: where an administrator runs it, often `journalctl -u pytest-ebpf`"
    )


def test_without_capabilities_sudo_starts_the_broker(
    run_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_sudo(tmp_path, monkeypatch, f'echo "" "$@" > {tmp_path}/asked\nshift 2\nexec "$@"')
    with contextlib.closing(launch.connect(run_directory, os.getpid())) as client:
        assert client.status().programs == 2
    assert (tmp_path / "asked").read_text() == (
        f" -n -- {sys.executable} {fake_broker.__file__} --run-dir {run_directory} "
        f"--uid {os.geteuid()} --owner {os.getpid()}\n"
    )


def test_what_sudo_prints_before_the_broker_does_not_disturb(
    run_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_sudo(tmp_path, monkeypatch, 'echo "Last login: today"; echo "sudo: a warning" >&2; shift 2; exec "$@"')
    with contextlib.closing(launch.connect(run_directory, os.getpid())) as client:
        assert client.status().programs == 2


def test_a_sudo_that_wants_a_password_is_told_with_what_mends_it(
    run_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_sudo(tmp_path, monkeypatch, "echo 'sudo: a password is required' >&2; exit 1")
    with pytest.raises(Unavailable) as caught:
        launch.connect(run_directory, os.getpid())
    assert str(caught.value) == (
        "pytest-ebpf: the kernel takes tracing programs only from a privileged process\n"
        "  needs   CAP_BPF and CAP_PERFMON; has neither (uid 1000; sudo -n: a password is required)\n"
        f"  try     sudo -v && pytest …      or   sudo {OWN_COMMAND} serve --uid 1000"
    )


def test_a_broker_that_fails_behind_sudo_is_not_taken_for_a_refusal_of_sudo(
    run_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_sudo(tmp_path, monkeypatch, 'shift 2; exec "$@"')
    monkeypatch.setenv("FAKE_ENGINE", "bug")
    with pytest.raises(BrokerError, match=r"ZeroDivisionError: a bug of the loader$"):
        launch.connect(run_directory, os.getpid())


def test_no_sudo_at_all_is_told(run_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "read", lambda: MAY_NOT)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match=r"has neither \(uid 1000; sudo -n: sudo is not installed\)\n"):
        launch.connect(run_directory, os.getpid())


def test_in_a_user_namespace_of_its_own_sudo_is_not_asked(
    run_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_sudo(tmp_path, monkeypatch, f"touch {tmp_path}/asked")
    monkeypatch.setattr(privilege, "read", lambda: CONTAINED)
    with pytest.raises(Unavailable) as caught:
        launch.connect(run_directory, os.getpid())
    assert str(caught.value) == (
        "pytest-ebpf: the kernel takes tracing programs only from its initial user namespace\n"
        "  needs   CAP_BPF and CAP_PERFMON there; has both only in a user namespace of its own (uid 0)\n"
        f"  try     outside of it: sudo {OWN_COMMAND} serve --uid 1000      "
        "and export PYTEST_EBPF_BROKER in here, as that says"
    )
    assert not (tmp_path / "asked").exists()


# The real command ----------------------------------------------------------------------------------------


def test_the_broker_runs_the_package_that_pytest_runs_and_looks_at_nothing_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the module of the user')")
    package = tmp_path / "pytest_ebpf"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('the package of the user')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": "/nowhere"}
    done = subprocess.run(
        [*launch._command(), "--help"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: pytest-ebpf broker")


def test_the_broker_leaves_no_bytecode_behind(tmp_path: Path) -> None:
    root = Path(start.__file__).parent.parent
    copy = tmp_path / "pytest_ebpf"
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("__pycache__", "*.o", "*.so"))
    command = [str(copy / "broker/start.py") if word == start.__file__ else word for word in launch._command()]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([*command, "--help"], env=environment, check=True, stdout=subprocess.DEVNULL)
    assert list(tmp_path.rglob("__pycache__")) == []


def test_importing_what_pytest_needs_at_its_start_imports_no_engine() -> None:
    program = (
        "import sys, pytest_ebpf.broker.launch; "
        "print([name for name in sys.modules if 'engine' in name or 'cffi' in name or 'server' in name])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_eventually_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "PATIENCE", 0.01)
    assert not brokers.eventually(lambda: False)
