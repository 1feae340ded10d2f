"""Who is served, and what a broker that is root does in directories that a user can change."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import brokers
import pytest
from brokers import eventually, forked
from tiers import require_root

from pytest_ebpf.broker.client import Client
from pytest_ebpf.broker.place import Place
from pytest_ebpf.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVED, OTHER = 65533, 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that anybody can pass through; pytest's ``tmp_path`` is its maker's alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def trace(path: Path) -> str:
    """Open a session, and say what the engine was asked for: pid, uid, confined, size of the ring."""
    client = Client.connect(path)
    globals()["kept"] = client
    return os.pread(client.open(4096).control_fd, 100, 16).rstrip(b"\0").decode()


def test_the_uid_that_a_broker_was_started_for_is_served(open_folder: Path) -> None:
    require_root()
    with (
        brokers.running(open_folder / "run", uid=SERVED) as broker,
        forked(lambda: trace(broker.socket), SERVED) as (pid, said),
    ):
        assert said() == f"{pid} {SERVED} True 4096 False"


def test_root_is_served_too_and_not_confined_to_its_own_processes(open_folder: Path) -> None:
    require_root()
    with (
        brokers.running(open_folder / "run", uid=SERVED) as broker,
        forked(lambda: trace(broker.socket)) as (pid, said),
    ):
        assert said() == f"{pid} 0 False 4096 False"


def test_another_uid_cannot_reach_the_socket(open_folder: Path) -> None:
    require_root()
    with (
        brokers.running(open_folder / "run", uid=SERVED) as broker,
        forked(lambda: trace(broker.socket), OTHER) as (_, said),
    ):
        assert said() == "PermissionError: [Errno 13] Permission denied"


def test_another_uid_is_refused_though_all_modes_let_it_in(open_folder: Path) -> None:
    require_root()
    with brokers.running(open_folder / "run", uid=SERVED) as broker:
        broker.run_directory.chmod(0o777)
        broker.socket.chmod(0o777)
        with forked(lambda: trace(broker.socket), OTHER) as (_, said):
            refusal = f"this broker serves uid {SERVED}, and you are uid {OTHER}"
            assert said() == f"BrokerError: pytest-ebpf: the broker refused: {refusal}"
        assert broker.sessions() == 0


def stop(path: Path) -> str:
    Client.connect(path).stop()
    return "stopped"


def test_only_the_owner_and_root_stop_a_broker(open_folder: Path) -> None:
    require_root()
    with brokers.running(open_folder / "run", uid=SERVED) as broker:
        with forked(lambda: stop(broker.socket), SERVED) as (pid, said):
            assert said() == (
                f"BrokerError: pytest-ebpf: the broker refused: only its owner, process {os.getpid()}, and root may "
                f"stop this broker, and you are process {pid} of uid {SERVED}"
            )
        assert broker.sessions() == 0
        with contextlib.closing(broker.client()) as client:
            client.stop()
        assert broker.process.wait(brokers.PATIENCE) == 0


def listens(path: Path) -> bool:
    """Whether somebody does; the socket's file is there a moment earlier."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        return connection.connect_ex(str(path)) == 0


def test_the_owner_stops_its_broker_though_it_is_not_root(open_folder: Path) -> None:
    require_root()

    def own() -> str:
        assert eventually(lambda: listens(open_folder / "run/socket"))
        return stop(open_folder / "run/socket")

    open_folder.chmod(0o1777)  # as /tmp
    with forked(own, SERVED) as (pid, said), brokers.running(open_folder / "run", uid=SERVED, owner=pid) as broker:
        assert said() == "stopped"
        assert broker.process.wait(brokers.PATIENCE) == 0
        assert not broker.run_directory.exists()


# Directories ---------------------------------------------------------------------------------------------


def test_the_socket_is_the_users_own(open_folder: Path) -> None:
    require_root()
    with brokers.running(open_folder / "run", uid=SERVED) as broker:
        status = broker.socket.stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (SERVED, 0o600)


def test_a_run_directory_that_is_somebody_elses_is_refused(tmp_path: Path) -> None:
    require_root()
    run_directory = tmp_path / "run"
    run_directory.mkdir(mode=0o700)
    os.chown(run_directory, OTHER, -1)
    with pytest.raises(BrokerError) as caught:
        Place.in_run_directory(run_directory, SERVED)
    assert str(caught.value) == (
        f"{run_directory} belongs to uid {OTHER} and has mode 0700; "
        f"a broker for uid {SERVED} needs it to belong to uid {SERVED} and to have mode 0700"
    )
    assert list(run_directory.iterdir()) == []


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o1700, 0o777])
def test_a_run_directory_that_others_may_enter_is_refused(tmp_path: Path, mode: int) -> None:
    with brokers.running(tmp_path / "run", mode=mode) as broker:
        uid = os.geteuid()
        assert broker.first_line == {
            "error": f"the broker cannot start: {tmp_path}/run belongs to uid {uid} and has mode {mode:04o}; "
            f"a broker for uid {uid} needs it to belong to uid {uid} and to have mode 0700"
        }
        assert not broker.socket.exists()


@pytest.mark.parametrize("kind", ["symlink", "file", "nothing"])
def test_a_run_directory_that_is_no_directory_is_refused(tmp_path: Path, kind: str) -> None:
    real, path = tmp_path / "real", tmp_path / "run"
    real.mkdir(mode=0o700)
    if kind == "symlink":
        path.symlink_to(real)
    elif kind == "file":
        path.touch()
    with pytest.raises(BrokerError, match=rf"^{path} is no directory that a broker can use: (Not|No) "):
        Place.in_run_directory(path, os.geteuid())
    assert list(real.iterdir()) == []


def test_root_binds_in_the_directory_that_it_checked_though_its_name_leads_elsewhere_now(open_folder: Path) -> None:
    require_root()
    run_directory, victim = open_folder / "run", open_folder / "victim"
    run_directory.mkdir(mode=0o700)
    os.chown(run_directory, SERVED, -1)
    victim.mkdir(mode=0o700)
    place = Place.in_run_directory(run_directory, SERVED)
    with place.listener:
        run_directory.rename(open_folder / "moved")
        run_directory.symlink_to(victim)
        (victim / "log").touch()
        (victim / "socket").touch()
        place.remove()
    assert sorted(path.name for path in victim.iterdir()) == ["log", "socket"]
    assert list((open_folder / "moved").iterdir()) == []
    assert run_directory.is_symlink()


def test_a_directory_that_has_taken_the_place_of_the_run_directory_is_left_alone(open_folder: Path) -> None:
    run_directory = open_folder / "run"
    run_directory.mkdir(mode=0o700)
    place = Place.in_run_directory(run_directory, os.geteuid())
    with place.listener:
        run_directory.rename(open_folder / "moved")
        run_directory.mkdir(mode=0o700)
        place.remove()
    assert sorted(path.name for path in open_folder.iterdir()) == ["moved", "run"]


def test_root_removes_with_the_users_rights_only(open_folder: Path) -> None:
    require_root()
    roots = open_folder / "roots"
    roots.mkdir(mode=0o755)
    run_directory = roots / "run"
    run_directory.mkdir(mode=0o700)
    os.chown(run_directory, SERVED, -1)
    place = Place.in_run_directory(run_directory, SERVED)
    with place.listener:
        place.remove()
    assert run_directory.exists()  # the user may not remove what lies in root's directory, so root does not either
    assert list(run_directory.iterdir()) == []
    assert (os.geteuid(), os.getegid()) == (0, 0)


def test_a_socket_left_by_a_killed_broker_makes_room(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(tmp_path / "socket"))
    place = Place.at(tmp_path / "socket", os.geteuid())
    with place.listener, contextlib.closing(Client.connect(tmp_path / "socket")):
        place.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_socket_of_a_living_broker_is_left_alone(tmp_path: Path) -> None:
    place = Place.at(tmp_path / "socket", os.geteuid())
    with place.listener:
        with pytest.raises(BrokerError, match=rf"^a broker listens at {tmp_path}/socket already$"):
            Place.at(tmp_path / "socket", os.geteuid())
        Client.connect(tmp_path / "socket").close()
        place.remove()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "socket").write_text("precious")
    with pytest.raises(BrokerError, match=rf"^{tmp_path}/socket is there and is no socket$"):
        Place.at(tmp_path / "socket", os.geteuid())
    assert (tmp_path / "socket").read_text() == "precious"


def test_an_administrators_socket_does_not_lie_where_others_may_write(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(BrokerError) as caught:
        Place.at(folder / "socket", os.geteuid())
    assert str(caught.value) == (
        f"{folder} belongs to uid {os.geteuid()} and has mode 0777; a socket is safe only in a directory "
        f"that nobody but uid {os.geteuid()} may write to"
    )


def test_an_administrators_socket_in_roots_directory_is_for_the_user_to_connect_to(open_folder: Path) -> None:
    require_root()
    place = Place.at(open_folder / "socket", SERVED)
    with place.listener:
        status = place.path.stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (SERVED, 0o600)
        place.remove()
    assert list(open_folder.iterdir()) == []
