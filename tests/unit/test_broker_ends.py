"""How a broker ends, and what it leaves: nothing, and its last words."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import brokers
import pytest
from brokers import forked, gone, session

from pytest_ebpf.errors import BrokerDied


def test_the_owner_stops_the_broker_and_nothing_is_left(broker: brokers.Broker) -> None:
    with contextlib.closing(broker.client()) as client:
        client.stop()
        assert not broker.run_directory.exists()
    assert broker.process.wait(brokers.PATIENCE) == 0


def test_the_broker_ends_with_its_owner_and_nothing_is_left(tmp_path: Path) -> None:
    with (
        forked(lambda: "up") as (owner, _),
        brokers.running(tmp_path / "run", owner=owner) as broker,
        session(broker) as (client, _, _),
    ):
        os.kill(owner, signal.SIGKILL)
        assert broker.process.wait(brokers.PATIENCE) == 0
        assert not broker.run_directory.exists()
        with pytest.raises(BrokerDied):
            client.status()


def test_sigterm_ends_the_broker_and_nothing_is_left(broker: brokers.Broker) -> None:
    broker.process.terminate()
    assert broker.process.wait(brokers.PATIENCE) == 0
    assert not broker.run_directory.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_a_terminal_sends_does_not_end_the_broker(broker: brokers.Broker, number: signal.Signals) -> None:
    broker.process.send_signal(number)
    assert broker.sessions() == 0
    assert Path(f"/proc/{broker.process.pid}/stat").read_text().split()[2] != "Z"


def test_a_broker_that_is_killed_leaves_its_last_words_to_its_clients(broker: brokers.Broker) -> None:
    with session(broker) as (client, _, _), contextlib.closing(broker.client()) as asking:
        client.raise_if_dead()
        broker.process.kill()
        assert gone(broker.process.pid)
        expected = (
            f"pytest-ebpf: the broker died ({broker.socket})\n"
            "  its last words:\n"
            f"    pytest-ebpf broker: pid {broker.process.pid}, uid {os.geteuid()}, "
            f"serves uid {os.geteuid()} for process {os.getpid()}"
        )
        with pytest.raises(BrokerDied) as caught:
            client.raise_if_dead()
        assert str(caught.value) == expected
        with pytest.raises(BrokerDied) as caught:
            asking.status()
        assert str(caught.value) == expected


def test_a_broker_for_an_owner_that_has_ended_does_not_start(tmp_path: Path) -> None:
    with forked(lambda: "up") as (pid, _):
        pass
    with brokers.running(tmp_path / "run", owner=pid) as broker:
        assert broker.first_line == {"error": "the broker cannot start: [Errno 3] No such process"}
        assert broker.process.wait(brokers.PATIENCE) == 1
