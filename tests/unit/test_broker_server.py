"""The broker's loop, with real processes and sockets, around a fake engine."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import brokers
import pytest
from brokers import eventually, forked, readable, session

from pytest_ebpf.broker import protocol
from pytest_ebpf.errors import BrokerDied, BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def raw(broker: brokers.Broker) -> Iterator[socket.socket]:
    """A connection that says what it likes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(brokers.PATIENCE)
        connection.connect(str(broker.socket))
        yield connection


def ask(connection: socket.socket, request: Any) -> dict[str, Any]:
    connection.send(request if isinstance(request, bytes) else json.dumps(request).encode())
    return protocol.receive(connection).body


def descriptors(broker: brokers.Broker) -> int:
    return len(list(Path(f"/proc/{broker.process.pid}/fd").iterdir()))


# Sessions ------------------------------------------------------------------------------------------------


def test_a_session_is_of_the_process_that_connected(broker: brokers.Broker) -> None:
    with session(broker) as (_, opened, page):
        # The fake engine writes there what it was asked for: pid, uid, confined, size.
        said = page.bytes[16:].rstrip(b"\0").decode()
        assert said == f"{os.getpid()} {os.geteuid()} {os.geteuid() != 0} 4096 False"
        assert opened.session == 1


def test_sessions_have_descriptors_of_their_own_and_numbers_that_are_not_used_again(broker: brokers.Broker) -> None:
    with session(broker) as (_, first, _), session(broker) as (_, second, _):
        assert (first.session, second.session) == (1, 2)
        os.write(first.spill_fd, b"first")
        assert os.fstat(second.spill_fd).st_size == 0
    assert eventually(lambda: broker.sessions() == 0)
    with session(broker) as (_, third, _):
        assert third.session == 3


def test_the_broker_says_how_it_is(broker: brokers.Broker) -> None:
    with session(broker) as (client, _, _):
        status = client.status()
    assert (status.missed, status.programs, status.sessions, status.version) == (7, 2, 1, protocol.VERSION)
    assert status.pid == broker.process.pid


def test_a_second_session_on_one_connection_is_refused(broker: brokers.Broker) -> None:
    with session(broker) as (client, _, _):
        with pytest.raises(
            BrokerError, match=r"^pytest-ebpf: the broker refused: this connection has a session already$"
        ):
            client.open(4096)
        assert client.status().sessions == 1


@pytest.mark.parametrize("size", [0, 1, 4095, 4097, 12288, -4096, 1 << 31, 1 << 70, True, 4096.0, "4096", None, [4096]])
def test_a_ring_that_the_kernel_would_not_take_is_refused(raw: socket.socket, size: object) -> None:
    answer = ask(raw, {"op": "open", "version": protocol.VERSION, "ring": size})
    assert answer == {
        "ok": False,
        "error": f"a ring has a power of two of bytes, from 4096 to 1073741824, and you asked for {size!r:.40}",
    }


def test_the_memory_of_all_rings_has_a_limit(broker: brokers.Broker) -> None:
    limit = os.sysconf("SC_PHYS_PAGES") * 4096 // 4
    with contextlib.ExitStack() as stack:
        for _ in range(limit // (1 << 30)):
            stack.enter_context(session(broker, 1 << 30))
        with pytest.raises(BrokerError) as caught:
            stack.enter_context(session(broker, 1 << 30))
    assert str(caught.value) == (
        "pytest-ebpf: the broker refused: a ring of 1073741824 bytes would take the broker above its limit of "
        f"{limit} bytes for all clients: use smaller rings or fewer workers"
    )


def test_sessions_have_a_limit(broker: brokers.Broker) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(256):
            client = stack.enter_context(contextlib.closing(broker.client()))
            opened = client.open(4096)
            # Fewer than a user may usually open.
            for descriptor in (opened.ring_fd, opened.control_fd, opened.spill_fd):
                os.close(descriptor)
        with pytest.raises(BrokerError) as caught:
            stack.enter_context(session(broker))
    assert str(caught.value) == (
        "pytest-ebpf: the broker refused: the broker has 256 sessions open, its limit: end some of them"
    )


def test_a_client_that_may_open_too_few_descriptors_is_told_of_the_limit_and_keeps_none(
    broker: brokers.Broker,
) -> None:
    def client() -> str:
        connection = broker.client()
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, lowest + 1))
        try:
            connection.open(4096)
        except BrokerError as error:
            os.close(os.dup(0))  # there is room again
            return str(error)
        return "opened"

    with forked(client) as (_, said):
        assert said() == (
            f"pytest-ebpf: a session has 3 descriptors, and 1 of them arrived from the broker at {broker.socket}\n"
            "  try     a higher limit on this process's open files: ulimit -n"
        )


def test_another_version_of_the_protocol_is_refused_with_both_numbers(raw: socket.socket) -> None:
    answer = ask(raw, {"op": "open", "version": 99, "ring": 4096})
    assert answer["error"] == (
        f"the broker speaks version {protocol.VERSION} of the protocol, and you version 99: "
        "start one of the same version of pytest-ebpf"
    )


def test_a_session_ends_when_its_client_closes(broker: brokers.Broker) -> None:
    with session(broker):
        assert broker.sessions() == 1
    assert eventually(lambda: broker.sessions() == 0)
    broker.process.terminate()
    broker.process.wait(brokers.PATIENCE)
    assert broker.last_words() == "engine closed, 0 sessions open"


def test_a_session_ends_when_its_client_is_killed(broker: brokers.Broker) -> None:
    def trace() -> str:
        client = broker.client()
        globals()["kept"] = client
        return str(client.open(4096).session)

    with forked(trace) as (pid, said):
        assert said() == "1"
        assert broker.sessions() == 1
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: broker.sessions() == 0)


def test_a_session_ends_with_its_process_though_a_child_holds_the_socket(broker: brokers.Broker) -> None:
    def trace() -> str:
        client = broker.client()
        client.open(4096)
        grandchild = os.fork()
        if grandchild == 0:
            signal.pause()
        return str(grandchild)

    with forked(trace) as (pid, said):
        grandchild = int(said())
        try:
            assert broker.sessions() == 1
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            assert eventually(lambda: broker.sessions() == 0)
            os.kill(grandchild, 0)  # it lived all the time
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_a_forked_child_cannot_use_its_parents_connection(broker: brokers.Broker) -> None:
    with session(broker) as (client, _, _), forked(lambda: str(client.status())) as (pid, said):
        assert said() == (
            f"BrokerError: pytest-ebpf: this connection to the broker belongs to process {os.getpid()}, and this is "
            f"its child {pid}: ask there, or open a session of your own"
        )


def test_a_snapshot_of_calls_is_of_the_connections_own_session(broker: brokers.Broker, raw: socket.socket) -> None:
    with session(broker) as (client, _, page), session(broker) as (_, _, other):
        client.snapshot()
        assert page.drain() == b"snapshot"
        assert other.drain() == b""
    assert ask(raw, {"op": "calls"})["error"] == "this connection has no session whose calls could be asked for"


def test_calls_at_open_is_true_or_false(raw: socket.socket) -> None:
    answer = ask(raw, {"op": "open", "version": protocol.VERSION, "ring": 4096, "calls": "all"})
    assert answer["error"] == "calls is true or false, and you said 'all'"


# What is not understood ----------------------------------------------------------------------------------


REQUESTS = "open, calls, probe, unprobe, format, traceable, returns, programs, status, stop"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (b"nonsense", "the message is no JSON"),
        (b"\x00\xff", "the message is no JSON"),
        (b"[" * 4000, "the message is no JSON"),
        (b"[]", "the message is no JSON object"),
        ({}, f"the broker knows no request None; it knows {REQUESTS}"),
        ({"op": "exec"}, f"the broker knows no request 'exec'; it knows {REQUESTS}"),
        ({"op": ["open"]}, f"the broker knows no request ['open']; it knows {REQUESTS}"),
        (
            {"op": "x" * 999},
            f"the broker knows no request '{'x' * 39}; it knows {REQUESTS}",
        ),
    ],
)
def test_what_is_not_understood_is_refused_and_the_connection_goes_on(
    raw: socket.socket, request_: Any, error: str
) -> None:
    assert ask(raw, request_) == {"ok": False, "error": error}
    assert ask(raw, {"op": "status"})["ok"] is True


def test_descriptors_sent_to_the_broker_are_refused_and_not_kept(broker: brokers.Broker, raw: socket.socket) -> None:
    for _ in range(3):  # so that it is done with the connections before
        assert ask(raw, {"op": "status"})["ok"] is True
    before = descriptors(broker)
    socket.send_fds(raw, [b'{"op": "status"}'], [0] * 100)
    assert protocol.receive(raw).body["error"] == "the message carries descriptors, and none are taken"
    assert eventually(lambda: descriptors(broker) == before)


def test_a_message_that_is_too_long_ends_the_connection_and_no_other(
    broker: brokers.Broker, raw: socket.socket
) -> None:
    with session(broker) as (client, _, _):
        answer = ask(raw, b" " * 5000)
        assert answer == {"ok": False, "error": "the message is longer than 4096 bytes", "ended": True}
        with pytest.raises(protocol.Closed):
            protocol.receive(raw)
        assert client.status().sessions == 1


def test_random_bytes_do_not_end_the_broker(broker: brokers.Broker) -> None:
    for _ in range(200):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(broker.socket))
            connection.send(os.urandom(struct.unpack("B", os.urandom(1))[0] * 20 + 1))
    assert eventually(lambda: broker.sessions() == 0)


def test_a_client_that_asks_without_reading_answers_loses_its_connection_only(
    broker: brokers.Broker, raw: socket.socket
) -> None:
    raw.settimeout(0)
    with session(broker) as (client, _, _):
        with pytest.raises(ConnectionError):
            flood(raw)
        assert client.status().sessions == 1
        assert "Traceback" not in broker.log.read_text()


def flood(connection: socket.socket) -> None:
    deadline = time.monotonic() + brokers.PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            connection.send(b'{"op": "status"}')


def test_what_the_engine_refuses_is_said_and_nothing_is_kept_for_it(broker: brokers.Broker, raw: socket.socket) -> None:
    assert ask(raw, {"op": "status"})["ok"] is True
    before = descriptors(broker)
    answer = ask(raw, {"op": "open", "version": protocol.VERSION, "ring": 8192})
    assert answer == {"ok": False, "error": "the kernel did not give a map"}
    assert descriptors(broker) == before


def test_a_bug_of_the_engine_is_said_and_logged_and_the_connection_goes_on(
    broker: brokers.Broker, raw: socket.socket
) -> None:
    answer = ask(raw, {"op": "open", "version": protocol.VERSION, "ring": 16384})
    assert answer["error"] == "the broker failed at 'open': ZeroDivisionError: a bug of the engine"
    assert "Traceback" in broker.log.read_text()
    assert ask(raw, {"op": "status"})["ok"] is True


def test_connections_without_a_session_have_a_limit_that_sessions_do_not_meet(broker: brokers.Broker) -> None:
    with session(broker) as (client, _, _), contextlib.ExitStack() as stack:
        idle = [stack.enter_context(contextlib.closing(broker.client())) for _ in range(65)]
        assert eventually(lambda: readable(idle[64]))
        with pytest.raises(BrokerError) as caught:
            idle[64].raise_if_dead()
        assert str(caught.value) == (
            "pytest-ebpf: the broker closed the connection: the broker has 64 connections without a session, its limit"
        )
        assert client.status().sessions == 1
        idle[0].close()
        assert eventually(lambda: answers(broker))


def answers(broker: brokers.Broker) -> bool:
    with contextlib.closing(broker.client()) as client:
        try:
            return client.status().pid == broker.process.pid
        except BrokerError:
            return False


def test_a_broker_without_descriptors_left_goes_on_when_some_are_free_again(broker: brokers.Broker) -> None:
    pid = broker.process.pid
    with session(broker) as (client, _, _):
        for _ in range(3):  # so that it is done with opening the session and with the connections before
            client.status()
        before = descriptors(broker)
        taken = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
        limit = min(set(range(len(taken) + 1)) - taken)
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
        for _ in range(3):
            with pytest.raises(BrokerDied), contextlib.closing(broker.client()) as refused:
                refused.status()
        assert client.status().sessions == 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        assert answers(broker)
        assert "accept: [Errno 24] Too many open files" in broker.log.read_text()
        assert eventually(lambda: descriptors(broker) == before)
