"""Messages: what fits, what is refused, what happens to descriptors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ebpf.broker import protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_a_message_arrives_with_its_descriptors(pair: Pair) -> None:
    reading, writing = os.pipe()
    protocol.send(pair[0], {"op": "open", "ring": 4096}, [writing])
    os.close(writing)
    message = protocol.receive(pair[1], descriptors=True)
    (received,) = message.descriptors
    os.write(received, b"through")
    assert message.body == {"op": "open", "ring": 4096}
    assert os.read(reading, 100) == b"through"
    assert not os.get_inheritable(received)
    os.close(received)
    os.close(reading)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"nonsense",
        b"[1]",
        b'"op"',
        b"7",
        b"null",
        b"[" * 4096,
        b'{"op":',
        b'{"op":"open"}x',
        b'{"a":' * 800,
    ],
)
def test_what_is_no_json_object_is_malformed(pair: Pair, data: bytes) -> None:
    pair[0].send(data)
    with pytest.raises(protocol.Malformed) as caught:
        protocol.receive(pair[1])
    assert not isinstance(caught.value, protocol.Oversized)


def test_the_longest_message_arrives(pair: Pair) -> None:
    body = {"x": "y" * (protocol.MESSAGE_LIMIT - len('{"x": ""}'))}
    assert len(json.dumps(body)) == 4096
    protocol.send(pair[0], body)
    assert protocol.receive(pair[1]).body == body


def test_one_byte_more_is_not_sent(pair: Pair) -> None:
    body = {"x": "y" * (protocol.MESSAGE_LIMIT - len('{"x": ""}') + 1)}
    with pytest.raises(ValueError, match=r"^a message of 4097 bytes; 4096 at most$"):
        protocol.send(pair[0], body)


@pytest.mark.parametrize("size", [4097, 100_000])
def test_a_longer_message_is_told_from_a_malformed_one(pair: Pair, size: int) -> None:
    pair[0].send(b"{}".ljust(size))
    with pytest.raises(protocol.Oversized, match=r"^the message is longer than 4096 bytes$"):
        protocol.receive(pair[1])


def test_descriptors_that_nobody_asked_for_are_refused_and_not_kept(pair: Pair) -> None:
    before = open_descriptors()
    socket.send_fds(pair[0], [b"{}"], [0, 1, 2])
    with pytest.raises(protocol.Malformed, match=r"^the message carries descriptors, and none are taken$"):
        protocol.receive(pair[1])
    assert open_descriptors() == before


def test_the_descriptors_of_a_malformed_message_are_closed(pair: Pair) -> None:
    before = open_descriptors()
    socket.send_fds(pair[0], [b"nonsense"], [0, 1, 2])
    with pytest.raises(protocol.Malformed):
        protocol.receive(pair[1], descriptors=True)
    assert open_descriptors() == before


@pytest.mark.parametrize("last", [b"", None], ids=["an empty packet", "closed"])
def test_the_end_is_told(pair: Pair, last: bytes | None) -> None:
    pair[0].close() if last is None else pair[0].send(last)
    with pytest.raises(protocol.Closed):
        protocol.receive(pair[1])


def test_what_was_sent_before_closing_arrives_though_our_last_message_was_never_read(pair: Pair) -> None:
    protocol.send(pair[1], {"unread": True})
    protocol.send(pair[0], {"reason": "full"})
    pair[0].close()
    assert protocol.receive(pair[1]).body == {"reason": "full"}
    with pytest.raises(protocol.Closed):
        protocol.receive(pair[1])


def test_closing_without_having_read_is_the_end_like_any_other(pair: Pair) -> None:
    protocol.send(pair[1], {"unread": True})
    pair[0].close()
    with pytest.raises(protocol.Closed):
        protocol.receive(pair[1])


@given(st.text(max_size=3000) | st.text("\U0001f600\udcff\0", max_size=3000))
def test_any_refusal_fits_into_a_message(text: str) -> None:
    body = protocol.failure(text)
    assert len(json.dumps({**body, "ended": True})) <= protocol.MESSAGE_LIMIT
    assert body["error"][:50] == text[:50]


def test_a_refusal_that_fits_is_not_cut() -> None:
    assert protocol.failure("x" * 4000) == {"ok": False, "error": "x" * 4000}


def test_sending_to_who_is_gone_does_not_kill_a_process_that_lets_sigpipe_kill() -> None:
    program = (
        "import signal, socket\n"
        "from pytest_ebpf.broker import protocol\n"
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
        "ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "theirs.close()\n"
        "try: protocol.send(ours, {})\n"
        "except BrokenPipeError: print('survived')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr
