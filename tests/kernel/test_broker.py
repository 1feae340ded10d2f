"""The broker with its real engine: real programs, real rings, real sudo."""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from brokers import eventually, forked, gone
from sessions import executed, session_of
from tiers import require_command, require_root, unable

from pytest_ebpf.broker import launch, place
from pytest_ebpf.broker.client import Client
from pytest_ebpf.engine.control import Control
from pytest_ebpf.engine.records import Decoder
from pytest_ebpf.errors import BrokerDied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ebpf.broker.client import Status
    from pytest_ebpf.engine.session import Session

NOBODY = 65534
SMALL = 1 << 16


def loaded() -> set[int]:
    """Numbers of all the programs in the kernel."""
    require_command("bpftool")
    said = subprocess.run(["bpftool", "--json", "prog", "list"], capture_output=True, text=True, check=True).stdout
    return {int(program["id"]) for program in json.loads(said)}


def programs(pid: int) -> set[int]:
    """Numbers of the programs that a process holds (``/proc/PID/fdinfo``, ``bpf_prog_show_fdinfo``)."""
    found = set()
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a session's, closed by now
            found |= {int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith("prog_id:")}
    assert found <= loaded()
    return found


def test_a_session_sees_what_its_process_runs(run_directory: Path) -> None:
    with contextlib.closing(session_of(launch.connect(run_directory, os.getpid()))) as session:
        subprocess.run(["/bin/true"], check=True)
        assert executed(session) == [b"/bin/true"]


def test_a_wait_ends_with_a_record_or_with_another_descriptor(run_directory: Path) -> None:
    with contextlib.closing(session_of(launch.connect(run_directory, os.getpid()))) as session:
        session.pull()
        child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
        with child, contextlib.closing(os.fdopen(os.pidfd_open(child.pid))) as ended:
            assert session.wait(math.inf, ended.fileno()), "what it has done already was not seen"
            session.pull()
            child.communicate(timeout=60)
            assert session.wait(math.inf, ended.fileno()), "its end was not seen"
            session.pull()
            assert not session.wait(math.inf, ended.fileno()), "there is nothing to pull"


def run_more_than_the_ring_holds(session: Session) -> None:
    # No more at once than fits, however late the broker comes.
    for _ in range(50):
        for _ in range(10):
            subprocess.run(["/bin/true"], check=True)
        assert eventually(lambda: session._ring.filled < 0.25)
    assert os.fstat(session._spill_fd).st_size > SMALL
    assert session.counters()["lost_records"] == 0


@pytest.mark.parametrize("piece", [SMALL, 1 << 20])
def test_what_overflows_a_ring_arrives_through_the_spill(
    run_directory: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr("pytest_ebpf.engine.session._PIECE", piece)
    with contextlib.closing(session_of(launch.connect(run_directory, os.getpid()), SMALL)) as session:
        run_more_than_the_ring_holds(session)
        with session._draining():  # the last ones stay in the ring
            subprocess.run(["/bin/echo"], check=True, stdout=subprocess.DEVNULL)
            assert executed(session) == [*[b"/bin/true"] * 500, b"/bin/echo"]


def test_what_was_taken_from_the_spill_is_not_told_again(run_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_ebpf.engine.session._PIECE", SMALL)
    with contextlib.closing(session_of(launch.connect(run_directory, os.getpid()), SMALL)) as session:
        run_more_than_the_ring_holds(session)
        taken = next(session.pieces())  # and no more of them
        told = Decoder().decode(taken + session.pull())
        assert [name for name, _ in told].count("exec") == 500


def test_two_clients_see_their_own_only_and_share_the_programs(run_directory: Path) -> None:
    def worker(word: str) -> str:
        with contextlib.closing(session_of(launch.connect(run_directory, os.getppid()))) as session:
            for _ in range(20):
                subprocess.run([f"/bin/{word}"], check=True)
            return " ".join(path.decode() for path in executed(session))

    with forked(lambda: worker("true")) as (_, one), forked(lambda: worker("echo")) as (_, other):
        assert one() == " ".join(["/bin/true"] * 20)
        assert other() == " ".join(["/bin/echo"] * 20)
        found = status(run_directory)
        assert len(programs(found.pid)) == found.programs


def status(run_directory: Path) -> Status:
    with contextlib.closing(Client.connect(run_directory / "socket")) as client:
        return client.status()


def test_nothing_stays_in_the_kernel_when_the_run_ends(run_directory: Path) -> None:
    client = launch.connect(run_directory, os.getpid())
    with contextlib.closing(session_of(client)):
        ours = programs(client.status().pid)
        assert ours
    launch.finish(run_directory)
    assert not run_directory.exists()
    assert eventually(lambda: not loaded() & ours)


def test_nothing_stays_when_the_broker_is_killed(run_directory: Path) -> None:
    client = launch.connect(run_directory, os.getpid())
    pid = client.status().pid
    ours = programs(pid)
    assert ours
    with contextlib.closing(session_of(client)) as session:
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        os.pwrite(session._spill_fd, struct.pack("=II", 300, 0), 0)  # as if in the middle of a record
        with pytest.raises(
            BrokerDied, match=rf"^pytest-ebpf: the broker died .*\n.*\n    pytest-ebpf broker: pid {pid}"
        ):
            session.pull()
    assert eventually(lambda: not loaded() & ours)
    launch.finish(run_directory)
    assert not run_directory.exists()


def test_nothing_stays_when_pytest_is_killed(run_directory: Path) -> None:
    def controller() -> str:
        client = launch.connect(run_directory, os.getpid())
        globals()["kept"] = session_of(client)
        return str(client.status().pid)

    with forked(controller) as (pid, said):
        broker = int(said())
        ours = programs(broker)
        assert ours
        os.kill(pid, signal.SIGKILL)
        assert gone(broker)
    assert not run_directory.exists()
    assert eventually(lambda: not loaded() & ours)


def test_a_client_that_dies_in_the_middle_leaves_the_others_alone(run_directory: Path) -> None:
    def worker() -> str:
        session = session_of(launch.connect(run_directory, os.getppid()))
        globals()["kept"] = session
        return str(session.ring_size)

    with contextlib.closing(session_of(launch.connect(run_directory, os.getpid()))) as session:
        with forked(worker) as (pid, said):
            assert said()
            assert status(run_directory).sessions == 2
            os.kill(pid, signal.SIGKILL)
            assert eventually(lambda: status(run_directory).sessions == 1)
        session.pull()
        subprocess.run(["/bin/true"], check=True)
        assert executed(session) == [b"/bin/true"]


def test_a_client_that_moves_its_place_in_the_ring_into_a_text_harms_itself_only(run_directory: Path) -> None:
    """The page with the reader's place is the client's to write; the broker reads the same ring."""
    with (
        contextlib.closing(session_of(launch.connect(run_directory, os.getpid()))) as other,
        contextlib.closing(launch.connect(run_directory, os.getpid())) as client,
    ):
        opened = client.open(SMALL)
        control = Control(opened.control_fd)
        with (
            mmap.mmap(opened.ring_fd, mmap.PAGESIZE) as consumer,
            mmap.mmap(opened.ring_fd, mmap.PAGESIZE + SMALL, prot=mmap.PROT_READ, offset=mmap.PAGESIZE) as producer,
        ):
            control.wake = True  # the broker leaves the ring alone
            for _ in range(2):
                subprocess.run(["/bin/true", "?" * 12000], check=True)
            text = producer.find(b"?" * 64, mmap.PAGESIZE) - mmap.PAGESIZE
            # Taken for the head of a record, four question marks are a length of a gigabyte.
            consumer[:8] = struct.pack("=Q", (text + 7) // 8 * 8)
            control.wake = False
            subprocess.run(["/bin/true"], check=True)
            assert client.status().sessions in {1, 2}
        control.close()
        for descriptor in (opened.ring_fd, opened.control_fd, opened.spill_fd):
            os.close(descriptor)
        assert other.missed() == 0


def test_what_knows_the_arguments_of_calls_is_not_in_the_privileged_process() -> None:
    require_root()
    code = (
        "import os, sys\n"
        "from pytest_ebpf.broker import main, server\n"
        "engine = main.load_engine()\n"
        "engine.open_session(os.getppid(), 0, confined=False, ring_size=4096, calls=True)\n"
        "engine.close()\n"
        "print(sorted(name for name in sys.modules if name.startswith('pytest_ebpf.')))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert "'pytest_ebpf.broker.server'" in done.stdout
    assert "syscalls" not in done.stdout


def test_the_broker_stays_small(run_directory: Path) -> None:
    client = launch.connect(run_directory, os.getpid())
    with contextlib.closing(session_of(client, SMALL)):
        text = Path(f"/proc/{client.status().pid}/status").read_text()
    (resident,) = (int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS"))
    assert resident < 50 << 10


# A user with sudo ----------------------------------------------------------------------------------------

AS_NOBODY = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--inh-caps=-all"]
WITH_SUDOERS = """
mount -t tmpfs -o mode=755 none /etc/sudoers.d
echo "$1" > /etc/sudoers.d/pytest-ebpf
chmod 440 /etc/sudoers.d/pytest-ebpf
shift
exec "$@"
"""
TRACE = """
import contextlib, os, subprocess, sys
from pytest_ebpf.broker import launch
from pytest_ebpf.engine.control import Control
from pytest_ebpf.engine.records import Decoder
from pytest_ebpf.engine.session import Session
from pytest_ebpf.errors import Unavailable
run_directory = launch.new_run_directory()
try:
    client = launch.connect(run_directory, os.getpid())
except Unavailable as error:
    launch.finish(run_directory)
    sys.exit(str(error))
opened = client.open(1 << 20)
session = Session(opened.ring_fd, opened.control_fd, opened.spill_fd, 1 << 20, client)
subprocess.run(["/bin/true"], check=True)
names = [fields["filename"] for name, fields in Decoder().decode(session.pull()) if name == "exec"]
pid = client.status().pid
owner = os.stat(f"/proc/{pid}").st_uid
launch.finish(run_directory)
print(os.geteuid(), owner, names, run_directory.exists())
"""


@pytest.fixture
def anybodys_python() -> Iterator[list[str]]:
    """An interpreter and a copy of the package that uid 65534 can read, as a command that takes a program."""
    require_root()
    require_command("sudo", "setpriv", "unshare")
    interpreter = "/usr/bin/python3"
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    package = Path(place.__file__).parents[1]
    shutil.copytree(package, folder / "pytest_ebpf", ignore=shutil.ignore_patterns("__pycache__"))
    for module in Path(sys.prefix).glob("lib/python*/site-packages/_cffi_backend*.so"):
        shutil.copy(module, folder)
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n{TRACE}"
    command = [interpreter, "-B", "-c", program]
    works = subprocess.run(
        [*AS_NOBODY, interpreter, "-B", "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); import _cffi_backend"],
        check=False,
        capture_output=True,
        text=True,
    )
    try:
        if works.returncode:
            unable(f"{interpreter} cannot load this environment's cffi: {works.stderr.splitlines()[-1]}")
        yield command
    finally:
        shutil.rmtree(folder)


def as_nobody(sudoers: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", WITH_SUDOERS, "sh", sudoers, *AS_NOBODY, *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": "/nonexistent"},
    )


def test_a_user_whom_sudo_asks_for_no_password_traces(anybodys_python: list[str]) -> None:
    done = as_nobody("nobody ALL=(ALL) NOPASSWD: ALL", anybodys_python)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{NOBODY} 0 [b'/bin/true'] False\n"


def test_a_broker_through_sudo_leaves_nothing_of_roots_in_the_users_package(anybodys_python: list[str]) -> None:
    environment = os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        assert as_nobody("nobody ALL=(ALL) NOPASSWD: ALL", anybodys_python).returncode == 0
    finally:
        if environment is not None:
            os.environ["PYTHONDONTWRITEBYTECODE"] = environment
    folder = anybodys_python[-1].split("'")[1]
    assert list(Path(folder).rglob("__pycache__")) == []


def test_a_user_whom_sudo_asks_for_a_password_is_told_so(anybodys_python: list[str]) -> None:
    done = as_nobody("nobody ALL=(ALL) ALL", anybodys_python)
    assert done.returncode == 1
    first, second, third = done.stderr.splitlines()
    assert first == "pytest-ebpf: the kernel takes tracing programs only from a privileged process"
    assert second == f"  needs   CAP_BPF and CAP_PERFMON; has neither (uid {NOBODY}; sudo -n: a password is required)"
    assert third == f"  try     sudo -v && pytest …      or   sudo /usr/bin/python3 -m pytest_ebpf serve --uid {NOBODY}"


def test_the_two_capabilities_alone_are_enough(anybodys_python: list[str]) -> None:
    sets = [f"--{name}=-all,+bpf,+perfmon" for name in ("inh-caps", "ambient-caps", "bounding-set")]
    done = subprocess.run(
        [*AS_NOBODY[:-1], *sets, *anybodys_python],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{NOBODY} {NOBODY} [b'/bin/true'] False\n"
