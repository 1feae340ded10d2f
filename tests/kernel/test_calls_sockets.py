"""Sockets, with the addresses that they say themselves, as calls name them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from call_stream import FILE
from calls_stream import number_of

from pytest_ebpf.syscalls.table import CallSpec, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from call_stream import Tracing

TABLE = {number_of("lseek"): CallSpec((), (Slot("fd", 0),))}


def address(fd: int, which: str) -> bytes:
    """The bytes that getsockname(2) or getpeername(2) writes; none if it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer, size = ctypes.create_string_buffer(256), ctypes.c_uint(256)
    failed = getattr(libc, which)(fd, buffer, ctypes.byref(size))
    return b"" if failed else buffer.raw[: size.value]


@contextlib.contextmanager
def sockets(kind: str, folder: Path) -> Iterator[list[socket.socket]]:
    """Sockets of that kind, in each state that gives them other addresses."""
    with contextlib.ExitStack() as stack:

        def new(family: int, type_: int, protocol: int = 0) -> socket.socket:
            return stack.enter_context(socket.socket(family, type_, protocol))

        if kind == "netlink":
            family: int = socket.AF_NETLINK
            bound = new(family, socket.SOCK_RAW, 0)
            bound.bind((0, 0))
            connected = new(family, socket.SOCK_RAW, 0)
            connected.connect((0, 2))
            yield [new(family, socket.SOCK_RAW, 0), bound, connected]
            return
        if kind == "pair":
            yield [stack.enter_context(each) for each in socket.socketpair()]
            return
        names: dict[str, tuple[int, Any]] = {
            "inet": (socket.AF_INET, ("127.0.0.1", 0)),
            "inet6": (socket.AF_INET6, ("::1", 0)),
            "any inet6": (socket.AF_INET6, ("::", 0)),
            "unix": (socket.AF_UNIX, str(folder / "socket")),
            "abstract": (socket.AF_UNIX, b"\0abstract \xff %d" % os.getpid()),
        }
        family, name = names[kind]
        datagram, idle, listening = (new(family, type_) for type_ in (socket.SOCK_DGRAM, *[socket.SOCK_STREAM] * 2))
        listening.bind(name)
        listening.listen()
        client, unconnected = new(family, socket.SOCK_STREAM), new(family, socket.SOCK_STREAM)
        client.connect(listening.getsockname())
        accepted = stack.enter_context(listening.accept()[0])
        gone = new(family, socket.SOCK_STREAM)
        gone.connect(listening.getsockname())
        ended = stack.enter_context(listening.accept()[0])
        gone.shutdown(socket.SHUT_RDWR)
        gone.close()
        yield [datagram, idle, listening, client, unconnected, accepted, ended]


@pytest.mark.parametrize("kind", ["inet", "inet6", "any inet6", "unix", "abstract", "pair", "netlink"])
def test_a_sockets_addresses_are_those_that_it_would_say_itself(kind: str, tracing: Tracing, tmp_path: Path) -> None:
    with sockets(kind, tmp_path) as made:
        for each in made:
            seen = tracing.seen(each.fileno())
            assert seen.bits & FILE["FILE_SOCKET"]
            assert seen.local == address(each.fileno(), "getsockname"), each
            assert seen.remote == address(each.fileno(), "getpeername"), each
            assert (seen.socket_type, seen.socket_protocol) == (each.type, each.getsockopt(socket.SOL_SOCKET, 38))


def test_a_socket_that_gets_an_address_is_told_anew(tracing: Tracing) -> None:
    with socket.socket() as one, socket.socket() as other:
        seen = [tracing.seen(one.fileno())]
        one.bind(("127.0.0.1", 0))
        seen.append(tracing.seen(one.fileno()))
        seen.append(tracing.seen(one.fileno()))
        other.bind(("127.0.0.1", 0))
        other.listen()
        one.connect(other.getsockname())
        seen.append(tracing.seen(one.fileno()))
        port = one.getsockname()[1].to_bytes(2, "big")
    assert [each.local[2:4] for each in seen] == [b"\0\0", port, port, port]
    assert [bool(each.remote) for each in seen] == [False, False, False, True]
    assert seen[1].id == seen[2].id
    assert len({each.inode for each in seen}) == 1
