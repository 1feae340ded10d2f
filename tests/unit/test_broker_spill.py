"""A ring that fills up is emptied by the broker, unless its client is about to."""

from __future__ import annotations

import fcntl
import os
import resource
from typing import TYPE_CHECKING

import brokers
import pytest
from brokers import eventually, readable, session
from fake_broker import BROKEN, DRAINS, WAKE

from pytest_ebpf.errors import BrokerDied, BrokerError

if TYPE_CHECKING:
    from fake_broker import Page

    from pytest_ebpf.broker.client import Client, Opened


def spilled(opened: Opened) -> bytes:
    return os.pread(opened.spill_fd, 1 << 16, 0)


def wake(opened: Opened) -> None:
    """What the kernel does when a record finds the ring a quarter full."""
    os.eventfd_write(opened.ring_fd, 1)


def test_a_ring_that_fills_up_is_emptied_into_the_spill(broker: brokers.Broker) -> None:
    with session(broker) as (_, opened, page):
        for piece in (b"some ", b"records"):
            page.fill(30, piece)
            wake(opened)
            assert eventually(lambda: page.filled == 0)
        assert eventually(lambda: spilled(opened) == b"some records")


def test_the_spill_goes_on_at_its_start_when_the_client_has_read_it(broker: brokers.Broker) -> None:
    with session(broker) as (_, opened, page):
        page.fill(30, b"read already")
        wake(opened)
        assert eventually(lambda: spilled(opened) == b"read already")
        os.ftruncate(opened.spill_fd, 0)
        page.fill(30, b"new")
        wake(opened)
        assert eventually(lambda: spilled(opened) == b"new")


def untouched(client: Client, opened: Opened, page: Page) -> bool:
    """Whether the broker leaves a ring alone that has just woken it."""
    wake(opened)
    client.status()  # the broker has seen both by now, the wake-up first or in the same batch
    client.status()
    return page.bytes[DRAINS] == 0 and spilled(opened) == b""


def test_a_ring_is_left_to_a_client_that_waits_at_it(broker: brokers.Broker) -> None:
    with session(broker) as (client, opened, page):
        page.bytes[WAKE] = 1
        page.fill(90, b"the client's")
        assert untouched(client, opened, page)
        page.bytes[WAKE] = 0
        assert not untouched(client, opened, page)


def test_a_ring_with_little_in_it_is_left_alone(broker: brokers.Broker) -> None:
    with session(broker) as (client, opened, page):
        page.fill(19, b"little")
        assert untouched(client, opened, page)
        page.fill(20, b"more")
        assert not untouched(client, opened, page)


def test_a_ring_is_left_to_a_client_that_is_draining_it(broker: brokers.Broker) -> None:
    with session(broker) as (client, opened, page):
        fcntl.flock(opened.spill_fd, fcntl.LOCK_EX)
        page.fill(90, b"the client's")
        assert untouched(client, opened, page)
        fcntl.flock(opened.spill_fd, fcntl.LOCK_UN)
        assert not untouched(client, opened, page)


def test_a_spill_that_cannot_grow_ends_its_session_with_the_reason_and_no_other(broker: brokers.Broker) -> None:
    with session(broker) as (other, _, _), session(broker) as (client, opened, page):
        # ulimit -f, in bytes.
        resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (4, resource.RLIM_INFINITY))
        page.fill(90, b"too much")
        wake(opened)
        assert eventually(lambda: readable(client))
        with pytest.raises(BrokerError) as caught:
            client.raise_if_dead()
        assert str(caught.value) == (
            "pytest-ebpf: the broker closed the connection: "
            "the session was ended, what its ring held could not be kept: File too large"
        )
        with pytest.raises(BrokerError, match="File too large"):
            client.missed()
        assert other.status().sessions == 1
        assert spilled(opened) == b""


def test_a_bug_while_draining_ends_that_session_only(broker: brokers.Broker) -> None:
    with session(broker) as (other, _, _), session(broker) as (client, opened, page):
        page.bytes[BROKEN] = 1
        page.fill(90, b"x")
        wake(opened)
        assert eventually(lambda: readable(client))
        with pytest.raises(BrokerDied):
            client.raise_if_dead()
        assert other.status().sessions == 1
        assert "ZeroDivisionError" in broker.log.read_text()


def test_a_client_whose_spill_takes_all_the_memory_is_left_to_lose_its_own_records(broker: brokers.Broker) -> None:
    with session(broker) as (client, opened, page):
        os.ftruncate(opened.spill_fd, 1 << 50)
        page.fill(90, b"x")
        wake(opened)
        assert client.status().sessions == client.status().sessions == 1
        assert page.bytes[DRAINS] == 0
        os.ftruncate(opened.spill_fd, 0)
        assert not untouched(client, opened, page)
