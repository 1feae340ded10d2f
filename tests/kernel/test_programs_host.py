"""The process that holds users' programs: who gets one, what it answers, and its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import brokers
import pytest
from bcc_here import require_bcc
from sessions import session_of
from tiers import require_command, require_root

from pytest_ebpf.broker import launch
from pytest_ebpf.broker.client import Client
from pytest_ebpf.engine.records import Decoder
from pytest_ebpf.errors import BrokerError, ProgramError, TraceIncomplete
from pytest_ebpf.history import History
from pytest_ebpf.host import messages
from pytest_ebpf.host.messages import Packet
from pytest_ebpf.trace import Trace
from pytest_ebpf.user_programs import hosting

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

NOBODY = 65534
NOT_ALLOWED = (
    "pytest-ebpf: the broker refused: programs of your own are for root here, since an administrator runs this broker "
    "for all: run pytest as root, or without --ebpf-broker, or have it served with --allow-programs"
)
TEXT = """
struct executed { char comm[16]; };
BPF_PERF_OUTPUT(execs);
RAW_TRACEPOINT_PROBE(sched_process_exec)
{
    struct executed executed = {};

    bpf_get_current_comm(executed.comm, sizeof(executed.comm));
    execs.perf_submit(ctx, &executed, sizeof(executed));
    return 0;
}
"""
REQUESTS = "hello, load_object, load_bcc, drain, map, variable, detach, unload"


@pytest.fixture(autouse=True)
def _as_root() -> None:
    require_root()


@contextlib.contextmanager
def served(*options: str) -> Iterator[Path]:
    """An administrator's broker for nobody; the path of its socket."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "socket")
        words = ["serve", "--uid", str(NOBODY), "--socket", str(path), *options]
        with subprocess.Popen([sys.executable, "-I", "-m", "pytest_ebpf", *words], stdout=subprocess.PIPE) as broker:
            assert broker.stdout
            assert broker.stdout.readline()  # says that it is there
            try:
                yield path
            finally:
                broker.terminate()


def use(path: Path, tell: Callable[[Trace], str]) -> str:
    """Trace by a broker, and return what the test tells; what the broker refuses."""
    client = Client.connect(path)
    session = session_of(client)
    try:
        with Trace(History(session, Decoder().decode)) as trace:
            return tell(trace)
    except BrokerError as error:
        return str(error)
    finally:
        session.close()


def by_object(trace: Trace, program: str) -> str:
    """What an object tells of a process."""
    loaded = trace.program(program)
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    event = loaded.assert_event("perf", pid=process.pid)
    loaded["counts"][1] = 7
    return f"{event['comm'].decode()} {loaded['counts'][1]} {loaded['counts'][process.pid]}"


def by_bcc(trace: Trace) -> str:
    """What a text of BCC's tells of one."""
    program = trace.bcc(TEXT)
    subprocess.run(["/bin/true"], check=True)
    return str(program.assert_event("execs")["comm"].decode())


def test_under_an_administrators_broker_programs_are_for_root(bpf: Callable[[str], str]) -> None:
    with served() as path:
        assert use(path, lambda trace: by_object(trace, bpf("outputs"))) == "true 7 1"
        program = str(shutil.copy(bpf("outputs"), path.parent))
        with brokers.forked(lambda: use(path, lambda trace: by_object(trace, program)), NOBODY) as (_, said):
            assert said() == NOT_ALLOWED


def test_bcc_programs_are_too() -> None:
    require_bcc()
    with served() as path:
        assert use(path, by_bcc) == "true"
        with brokers.forked(lambda: use(path, by_bcc), NOBODY) as (_, said):
            assert said() == NOT_ALLOWED


def test_an_administrator_can_allow_them_to_a_user(bpf: Callable[[str], str]) -> None:
    with served("--allow-programs") as path:
        program = str(shutil.copy(bpf("outputs"), path.parent))
        with brokers.forked(lambda: use(path, lambda trace: by_object(trace, program)), NOBODY) as (_, said):
            assert said() == "true 7 1"


def test_bcc_programs_too() -> None:
    require_bcc()
    with served("--allow-programs") as path, brokers.forked(lambda: use(path, by_bcc), NOBODY) as (_, said):
        assert said() == "true"


@pytest.fixture
def client(run_directory: Path) -> Iterator[Client]:
    with contextlib.closing(launch.connect(run_directory, os.getpid())) as client:
        yield client


def test_who_has_no_session_gets_none(client: Client) -> None:
    with pytest.raises(BrokerError) as caught:
        client.programs()
    assert str(caught.value) == (
        "pytest-ebpf: the broker refused: this connection has no session for which programs could be loaded"
    )


@pytest.fixture
def raw(client: Client) -> Iterator[socket.socket]:
    """A connection to the host, for what no client says."""
    session = session_of(client)
    with client.programs() as connection:
        connection.settimeout(30)
        yield connection
    session.close()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            {},
            f"the host knows no request None; it knows {REQUESTS}",
        ),
        (
            {"op": "run"},
            f"the host knows no request 'run'; it knows {REQUESTS}",
        ),
        ({"op": "drain"}, "you have no program None"),
        ({"op": "map", "program": 1}, "you have no program 1"),
        ({"op": "unload", "program": "x"}, "you have no program 'x'"),
        ({"op": "load_object"}, "libbpf cannot read it (Invalid argument)"),
        ({"long": 5}, "the message's text is not there"),
    ],
)
def test_what_is_not_understood_is_refused_and_the_connection_goes_on(
    raw: socket.socket, body: dict[str, object], error: str
) -> None:
    messages.send(raw, Packet(body))
    answer = messages.receive(raw)
    assert (answer.body["ok"], answer.body["error"]) == (False, error)
    messages.send(raw, Packet({"op": "hello"}))
    hello = messages.receive(raw)
    assert hello.body["ok"]
    os.close(hello.descriptors[0])


def test_a_program_is_its_clients_own(client: Client, run_directory: Path, bpf: Callable[[str], str]) -> None:
    with contextlib.closing(session_of(client)) as session, Trace(History(session, Decoder().decode)) as trace:
        program = trace.program(bpf("outputs"))
        other = launch.connect(run_directory, os.getpid())
        refusal = pytest.raises(ProgramError, match=f"^you have no program {program.hosted.number}$")
        with contextlib.closing(session_of(other)) as others, refusal:
            others.host().ask("map", map="counts", do="items", program=program.hosted.number)


def _programs_of(pid: int) -> set[str]:
    """The ids of the programs that a process has in the kernel."""
    found = set()
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            found |= {line.split()[1] for line in path.read_text().splitlines() if line.startswith("prog_id:")}
    return found


def _is_loaded(number: str) -> bool:
    return not subprocess.run(["bpftool", "prog", "show", "id", number], check=False, capture_output=True).returncode


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_broker_and_what_it_held_with_it(
    client: Client, bpf: Callable[[str], str], ending: signal.Signals
) -> None:
    require_command("bpftool")
    broker = client.status().pid
    with contextlib.closing(session_of(client)) as session:
        Trace(History(session, Decoder().decode)).open().program(bpf("outputs"))
        [host] = Path(f"/proc/{broker}/task/{broker}/children").read_text().split()
        programs = _programs_of(int(host)) - _programs_of(broker)
        assert programs
        assert all(map(_is_loaded, programs))
        os.kill(broker, ending)
        assert brokers.eventually(lambda: not Path(f"/proc/{host}").exists())
        assert brokers.eventually(lambda: not any(map(_is_loaded, programs)))


def test_a_program_that_is_let_go_of_leaves_the_kernel_while_the_test_goes_on(
    client: Client, bpf: Callable[[str], str]
) -> None:
    require_command("bpftool")
    broker = client.status().pid
    with contextlib.closing(session_of(client)) as session:
        history = History(session, Decoder().decode)
        with Trace(history) as trace:
            trace.program(bpf("outputs"))
            [host] = Path(f"/proc/{broker}/task/{broker}/children").read_text().split()
            programs = _programs_of(int(host)) - _programs_of(broker)
            assert programs
        assert brokers.eventually(lambda: not any(map(_is_loaded, programs)))
        assert not _programs_of(int(host)) - _programs_of(broker)


@contextlib.contextmanager
def stopped(broker: int) -> Iterator[int]:
    """Stop the host of a broker: it answers nothing meanwhile."""
    [host] = Path(f"/proc/{broker}/task/{broker}/children").read_text().split()
    os.kill(int(host), signal.SIGSTOP)
    try:
        yield int(host)
    finally:
        os.kill(int(host), signal.SIGCONT)


NOT_ANSWERED = """\
pytest-ebpf: asked to {}, the process that holds BPF programs did not answer in 0.2 s
  now     it may do it yet; until it answers, all else that it is asked is refused
  try     again later: a program that is loaded too late is let go of"""
NOT_ASKED = """\
pytest-ebpf: the process that holds BPF programs was not asked to {}: it was asked to {} 0 s ago, \
and has not answered yet
  try     again later; where it hangs, another run of pytest has another one, unless the broker is an administrator's: \
then that has to be started anew"""


def test_what_is_not_answered_in_time_is_told_and_the_next_question_is_answered(
    client: Client, bpf: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(session_of(client)) as session, Trace(History(session, Decoder().decode)) as trace:
        program = trace.program(bpf("outputs"))
        program["counts"][1] = 5
        monkeypatch.setattr(hosting, "_TIMEOUT", 0.2)
        monkeypatch.setattr(hosting, "_PATIENCE", 0.05)
        look = "look into the map counts, or change it"
        with stopped(client.status().pid):
            with pytest.raises(BrokerError) as caught:
                program["counts"][1]
            assert str(caught.value) == NOT_ANSWERED.format(look)
            with pytest.raises(BrokerError) as caught:
                program["counts"][1] = 6
            assert str(caught.value) == NOT_ASKED.format(look, look)
            with pytest.raises(
                TraceIncomplete, match=r"what outputs\.bpf\.o wrote last is not known yet: pytest-ebpf: the"
            ):
                program.assert_no_event("perf", pid=1)
        monkeypatch.undo()
        pid = subprocess.Popen(["/bin/true"]).wait() or os.getpid()
        program.assert_no_event("perf", pid=pid)
        assert program["counts"][1] == 5


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "not asked"])
def test_what_is_loaded_or_let_go_of_too_late_leaves_the_kernel_too(
    client: Client, bpf: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, *, asked: bool
) -> None:
    broker = client.status().pid
    with contextlib.closing(session_of(client)) as session:
        history = History(session, Decoder().decode)
        first = Trace(history).open()
        first.program(bpf("outputs"))
        monkeypatch.setattr(hosting, "_TIMEOUT", 0.2)
        monkeypatch.setattr(hosting, "_PATIENCE", 0.05)
        with stopped(broker) as host:
            if asked:
                with pytest.raises(BrokerError) as caught:
                    first.program(bpf("typed"))
                assert str(caught.value) == NOT_ANSWERED.format("load a program")
            first.close()
        monkeypatch.undo()
        with Trace(history) as second:
            second.program(bpf("outputs"))
            of_one = _programs_of(host) - _programs_of(broker)
            assert of_one
        assert brokers.eventually(lambda: not _programs_of(host) - _programs_of(broker))
