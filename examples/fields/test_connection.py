"""A bit-field: ``tcp_sock.is_cwnd_limited``, whether what a connection sends filled its congestion window."""

import ctypes
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_ebpf import Program, Trace

HERE = Path(__file__).parent
SO_ATTACH_FILTER = 26  # asm-generic/socket.h


@pytest.fixture
def program(ebpf_trace: Trace) -> Program:
    return ebpf_trace.program(HERE / "connection.bpf.c")


@pytest.fixture
def pair(program: Program) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return both ends of a connection over loopback whose packets are small, so that a window holds 880 bytes."""
    del program  # it is there before
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        client.connect(server.getsockname())
        peer, _ = server.accept()
        with peer:
            yield client, peer


def drop_all(receiver: socket.socket) -> None:
    """Have the kernel drop what arrives, so that nothing is acknowledged: with a classic BPF program, "return 0"."""
    program = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0))
    receiver.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(program)))


def window(sender: socket.socket) -> tuple[int, int]:
    """Return how many packets are on their way, and how many may be (struct tcp_info, tcp(7))."""
    info = struct.unpack_from("=8B21I", sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8 + 4 * 21))
    return info[8 + 4], info[8 + 18]


def test_a_connection_whose_window_is_full(program: Program, pair: tuple[socket.socket, socket.socket]) -> None:
    client, peer = pair
    _, port = client.getsockname()
    drop_all(peer)
    client.send(bytes(10_000))
    on_the_way, most = window(client)
    client.close()

    assert on_the_way == most
    program.assert_event("closed", local_port=port, bitfield=1, bitfield_probed=1, count=1)


def test_a_connection_that_sends_little(program: Program, pair: tuple[socket.socket, socket.socket]) -> None:
    client, _ = pair
    _, port = client.getsockname()
    client.send(bytes(10))
    client.close()

    program.assert_event("closed", local_port=port, bitfield=0, bitfield_probed=0, count=1)
