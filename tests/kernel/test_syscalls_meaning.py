"""Calls of sockets, processes and sandboxes, asserted by what they mean."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import subprocess
import sys
from socket import inet_aton
from typing import TYPE_CHECKING

import pytest
from tiers import require_root

from pytest_ebpf import Trace, TraceIncomplete, UsageError, family

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def server() -> socket.socket:
    """A socket that listens on the loopback."""
    made = socket.create_server(("127.0.0.1", 0))
    made.settimeout(5)
    return made


def test_where_a_program_connects_to(ebpf_trace: Trace, server: socket.socket) -> None:
    port = server.getsockname()[1]
    with server, socket.create_connection(("127.0.0.1", port)):
        pass
    connected = ebpf_trace.assert_syscall("connect", family="AF_INET", port=port, address="127.0.0.1")
    assert (connected.args.addr.family, connected.args.addr.port) == (socket.AF_INET, port)
    ebpf_trace.assert_syscall("connect", port=port, family=socket.AF_INET)
    ebpf_trace.assert_no_syscall("connect", family="AF_INET6")
    ebpf_trace.assert_no_syscall("connect", address="127.0.0.2")
    ebpf_trace.assert_no_syscall("connect", port=port + 1)
    for wrong in ({"address": "127.0.0.1"}, {"port": port}, {"family": "AF_INET"}):
        with pytest.raises(AssertionError):
            ebpf_trace.assert_no_syscall("connect", **wrong)
    with pytest.raises(UsageError):
        ebpf_trace.assert_no_syscall("connect", family="AF_INTE")


def test_where_packets_go_and_what_sockets_of_unix_are_called(ebpf_trace: Trace, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as packets:
        packets.bind(("::1", 0))
        packets.sendto(b"packet", packets.getsockname())
        port = packets.getsockname()[1]
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        named.bind(path)
        abstract.bind("\0pytest-ebpf\0name")
    ebpf_trace.assert_syscall("sendto", address="::1", port=port)
    ebpf_trace.assert_syscall("bind", family="AF_UNIX", path=path, abstract=False)
    ebpf_trace.assert_syscall("bind", path="@pytest-ebpf\0name", abstract=True)
    ebpf_trace.assert_no_syscall("bind", path="pytest-ebpf\0name")
    ebpf_trace.assert_no_syscall("sendto", address="::2")


def test_where_many_messages_go_at_once(ebpf_trace: Trace) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver, socket.socket(type=socket.SOCK_DGRAM) as sender:
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        _send_to_each(sender, ("127.0.0.1", port), ("127.0.0.2", 9))
    ebpf_trace.assert_syscall(family.send, address="127.0.0.1", port=port)
    ebpf_trace.assert_syscall("sendmmsg", address="127.0.0.2", port=9)
    ebpf_trace.assert_no_syscall("sendmmsg", address="127.0.0.2", port=port)
    with pytest.raises(AssertionError):
        ebpf_trace.assert_no_syscall(family.send, address="127.0.0.2")


def _send_to_each(sender: socket.socket, *addresses: tuple[str, int]) -> None:
    """Send nothing to each of some addresses, by one call of sendmmsg(2)."""
    names = [
        ctypes.create_string_buffer(struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, inet_aton(host)))
        for host, port in addresses
    ]
    listed = b"".join(struct.pack("@QI44xI4x", ctypes.addressof(name), 16, 0) for name in names)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.sendmmsg(sender.fileno(), listed, len(names), 0) == len(names), os.strerror(ctypes.get_errno())


def test_where_a_32_bit_message_goes_is_not_known(ebpf_trace: Trace, program: Callable[[str], str]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        subprocess.run([program("sends_compat"), str(receiver.getsockname()[1])], check=True)
        assert receiver.recv(10) == bytes(4)
    ebpf_trace.assert_syscall("sendmsg", abi="compat", result=4)
    ebpf_trace.assert_no_syscall("sendmsg", path="/run/socket")  # its socket has no path
    for asked in ({"address": "127.0.0.1"}, {"address": "10.0.0.1"}, {"msg_iovlen": 2}):
        with pytest.raises(TraceIncomplete, match="32-bit calls"):
            ebpf_trace.assert_no_syscall("sendmsg", **asked)


def test_descriptors_that_are_passed(ebpf_trace: Trace) -> None:
    one, other = socket.socketpair()
    with one, other:
        socket.send_fds(one, [b"here"], [one.fileno(), other.fileno()])
        _, received, *_ = socket.recv_fds(other, 10, 2)
        for fd in received:
            os.close(fd)
        passed = (one.fileno(), other.fileno())
    (sent,) = ebpf_trace.assert_syscall("sendmsg").args.msg.msg_control
    (came,) = ebpf_trace.assert_syscall("recvmsg").args.msg.msg_control
    assert (sent.cmsg_type, sent.cmsg_data) == (socket.SCM_RIGHTS, passed)
    assert (came.cmsg_type, came.cmsg_data) == (socket.SCM_RIGHTS, tuple(received))


def test_who_was_forked_waited_for_and_killed(ebpf_trace: Trace) -> None:
    child = subprocess.Popen(["sleep", "60"])
    child.terminate()
    child.wait()
    sleep = ebpf_trace.assert_spawned("sleep", signal=signal.SIGTERM)
    killed = ebpf_trace.assert_syscall("kill", pid=child.pid, sig="SIGTERM")
    assert killed.args.pid.process == sleep
    waited = ebpf_trace.assert_syscall("wait4", pid=child.pid, result=child.pid)
    assert waited.result.process == sleep
    assert (waited.args.wstatus.signal, waited.args.wstatus.exit_code) == (signal.SIGTERM, None)
    made = ebpf_trace.assert_syscall(family.fork, result=child.pid)
    assert made.result.process == sleep
    ebpf_trace.assert_no_syscall("kill", sig="SIGKILL")


def test_a_process_in_a_namespace_of_its_own_counts_otherwise(ebpf_trace: Trace) -> None:
    require_root()
    subprocess.run(["unshare", "--pid", "--fork", "sh", "-c", "sleep 0 & wait"], check=True)
    ebpf_trace.assert_syscall("unshare", flags={"CLONE_NEWPID"})
    inner = ebpf_trace.assert_spawned("sh", namespace_pid=1)
    sleep = ebpf_trace.assert_spawned("sleep")
    forked = ebpf_trace.assert_syscall(family.fork, process=inner)
    assert (forked.result, sleep.namespace_pid) == (2, 2)
    assert forked.result.process == sleep
    assert forked.result != sleep.pid


def test_which_signals_are_blocked(ebpf_trace: Trace) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGUSR2})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1, signal.SIGUSR2})
    ebpf_trace.assert_syscall("rt_sigprocmask", how="SIG_BLOCK", set={"SIGUSR1"})
    ebpf_trace.assert_syscall("rt_sigprocmask", how="SIG_UNBLOCK", set={"SIGUSR1", signal.SIGUSR2})
    ebpf_trace.assert_no_syscall("rt_sigprocmask", how="SIG_BLOCK", set={"SIGHUP"})
    with pytest.raises(AssertionError):
        ebpf_trace.assert_no_syscall("rt_sigprocmask", how="SIG_BLOCK", set={"SIGUSR2"})


def test_what_a_process_does_to_itself(ebpf_trace: Trace) -> None:
    script = (
        "import ctypes, resource, signal\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.prctl(15, b'renamed', 0, 0, 0); libc.prctl(38, 1, 0, 0, 0); libc.prctl(1, 15, 0, 0, 0)\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); signal.signal(signal.SIGUSR1, signal.SIG_IGN)"
    )
    subprocess.run([sys.executable, "-S", "-c", script], check=True)
    ebpf_trace.assert_syscall("prctl", option="PR_SET_NAME", arg2="renamed")
    ebpf_trace.assert_syscall("prctl", option="PR_SET_NO_NEW_PRIVS", arg2=1)
    ebpf_trace.assert_syscall("prctl", option="PR_SET_PDEATHSIG", arg2=signal.SIGTERM)
    ebpf_trace.assert_syscall("prlimit64", resource="RLIMIT_CORE", new_limit={"rlim_cur": 0, "rlim_max": 0})
    ignored = ebpf_trace.assert_syscall("rt_sigaction", signum="SIGUSR1", sa_handler="SIG_IGN")
    assert str(ignored.args.act.sa_handler) == "SIG_IGN"
    ebpf_trace.assert_no_syscall("prctl", option="PR_SET_SECCOMP")
