"""What the calls of sockets are made with: addresses, messages, options."""

from __future__ import annotations

import errno
import socket
import struct

import pytest
from fake_calls import call

from pytest_ebpf._values import Cut
from pytest_ebpf.syscalls import text
from pytest_ebpf.syscalls.sockets import address_of
from pytest_ebpf.syscalls.values import Missing, Pointer

UNIX, INET, INET6, NETLINK, PACKET = 1, 2, 10, 16, 17
FOUR = struct.pack("=H", INET) + struct.pack("!H4s8x", 80, socket.inet_aton("127.0.0.1"))
SIX = struct.pack("=H", INET6) + struct.pack("!HI16s", 443, 7, socket.inet_pton(socket.AF_INET6, "fe80::1"))


@pytest.mark.parametrize(
    ("data", "fields", "written"),
    [
        (
            FOUR,
            {"family": socket.AF_INET, "port": 80, "address": "127.0.0.1"},
            '{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}',
        ),
        (
            SIX + struct.pack("I", 3),
            {"port": 443, "address": "fe80::1", "flow": 7, "scope": 3},
            (
                "{sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(7),"
                ' inet_pton(AF_INET6, "fe80::1", &sin6_addr), sin6_scope_id=3}'
            ),
        ),
        (
            SIX,
            {"port": 443, "scope": 0},
            (
                "{sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(7),"
                ' inet_pton(AF_INET6, "fe80::1", &sin6_addr)}'
            ),
        ),
        (
            struct.pack("H", UNIX) + b"/run/a\0garbage",
            {"path": "/run/a", "abstract": False},
            '{sa_family=AF_UNIX, sun_path="/run/a"}',
        ),
        (
            struct.pack("H", UNIX) + b"\0/run/a\0",
            {"path": "@/run/a\0", "abstract": True},
            r'{sa_family=AF_UNIX, sun_path=@"/run/a\0"}',
        ),
        (struct.pack("H", UNIX), {"path": None, "abstract": None}, "{sa_family=AF_UNIX}"),
        (
            struct.pack("=HHiI", NETLINK, 0, 42, 0x11),
            {"pid": 42, "groups": 0x11, "port": None},
            "{sa_family=AF_NETLINK, nl_pid=42, nl_groups=0x000011}",
        ),
        (
            struct.pack("=H", PACKET) + struct.pack("!H", 3) + struct.pack("=iHBB8s", 1, 1, 4, 2, b"\1\0"),
            {"interface": 1, "protocol": 3},
            (
                "{sa_family=AF_PACKET, sll_protocol=htons(ETH_P_ALL), sll_ifindex=1, sll_hatype=ARPHRD_ETHER,"
                " sll_pkttype=PACKET_OUTGOING, sll_halen=2, sll_addr=[0x1, 00]}"
            ),
        ),
        (FOUR[:8], {"family": INET, "port": None}, r'{sa_family=AF_INET, sa_data="\0P\177\0\0\1"}'),
        (struct.pack("H", 99) + b"xy", {"data": b"xy"}, '{sa_family=0x63, sa_data="xy"}'),
    ],
)
def test_an_address_has_what_its_family_has(data: bytes, fields: dict[str, object], written: str) -> None:
    found = address_of(data)
    assert found is not None
    assert {name: found[name] for name in fields} == fields
    assert str(found) == written


def test_no_address_is_shorter_than_its_family() -> None:
    assert address_of(b"") is None
    assert address_of(b"\2") is None


def test_an_abstract_name_is_not_the_path_that_looks_like_it() -> None:
    path, abstract = (address_of(struct.pack("H", UNIX) + name) for name in (b"/run/a", b"\0/run/a"))
    assert path is not None
    assert abstract is not None
    assert path != abstract
    assert path.path != abstract.path


def test_addresses_are_compared_as_mappings_and_with_each_other() -> None:
    one, other = address_of(FOUR), address_of(FOUR)
    assert one == other
    assert hash(one) == hash(other)
    assert one is not None
    assert one == dict(one)
    assert (one.family, one.address, one.port, one.path, one.abstract) == (2, "127.0.0.1", 80, None, False)


ONE, OTHER, NAME, VECTOR, CONTROL, DATA = (0x7F0000001000 + 0x1000 * at for at in range(6))


def test_an_address_that_is_passed_is_as_long_as_the_call_says() -> None:
    made = call("connect", 3, ONE, 16, memory={ONE: FOUR})
    assert made.args.addr.port == 80
    assert text.arguments(made) == '3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16'
    assert call("connect", 3, ONE, -1, memory={ONE: FOUR}).args.addr == Pointer(ONE)
    assert call("connect", 3, ONE, 1, memory={ONE: FOUR}).args.addr == Pointer(ONE)
    assert call("sendto", 3, 0, 0, 0, 0, 0).args.dest_addr is None


def test_an_address_that_is_returned_has_the_room_that_there_was() -> None:
    room, after = {OTHER: struct.pack("i", 128)}, {ONE: FOUR, OTHER: struct.pack("i", 16)}
    made = call("accept", 3, ONE, OTHER, result=4, memory=room, after=after)
    assert made.args.addr.port == 80
    assert (made.args.addrlen, made.args.addrlen.room) == (16, 128)
    assert text.arguments(made).endswith(", [128 => 16]")
    little = call("accept", 3, ONE, OTHER, result=4, memory={OTHER: struct.pack("i", 2)}, after=after)
    assert str(little.args.addr) == "{sa_family=AF_INET}", "there was room for two bytes"
    failed = call("accept", 3, ONE, OTHER, result=-errno.EAGAIN, memory=room)
    assert text.arguments(failed) == f"3, {ONE:#x}, [128]"
    assert text.arguments(call("accept", 3, 0, 0, result=4)) == "3, NULL, NULL"


def _message(*, name: int = 0, length: int = 0, count: int = 1, control: int = 0) -> bytes:
    return struct.pack("@QI4xQQQQi4x", name, length, VECTOR, count, CONTROL, control, 0)


def test_a_message_has_its_buffers_and_control_messages() -> None:
    control = struct.pack("@Qiiii", 24, 1, 1, 5, 6) + struct.pack("@QiiiII", 28, 1, 2, 42, 0, 0xFFFFFFFF)
    memory = {
        ONE: _message(count=2, control=len(control)),
        VECTOR: struct.pack("4Q", DATA, 3, OTHER, 0),
        CONTROL: control,
        DATA: b"abc",
    }
    made = call("sendmsg", 3, ONE, 0x4000, result=3, memory=memory)
    message = made.args.msg
    assert [each.iov_base for each in message.msg_iov] == [b"abc", b""]
    assert message.msg_control[0] == {"cmsg_len": 24, "cmsg_level": 1, "cmsg_type": 1, "cmsg_data": (5, 6)}
    assert message.msg_control[1].cmsg_data == {"pid": 42, "uid": 0, "gid": -1}
    assert text.arguments(made) == (
        '3, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="abc", iov_len=3}, {iov_base="", iov_len=0}],'
        " msg_iovlen=2, msg_control=[{cmsg_len=24, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[5, 6]},"
        " {cmsg_len=28, cmsg_level=SOL_SOCKET, cmsg_type=SCM_CREDENTIALS, cmsg_data={pid=42, uid=0, gid=-1}}],"
        " msg_controllen=52, msg_flags=0}, MSG_NOSIGNAL"
    )


def test_of_a_message_that_is_received_only_what_came_is_told() -> None:
    before = {ONE: _message(name=NAME, length=128), VECTOR: struct.pack("2Q", DATA, 4096), DATA: bytes(4096)}
    after = {ONE: _message(name=NAME, length=16), NAME: FOUR, DATA: b"abc"}
    message = call("recvmsg", 3, ONE, 0, result=3, memory=before, after=after).args.msg
    assert message.msg_name.port == 80
    assert message.msg_iov[0] == {"iov_base": b"abc", "iov_len": 4096}
    assert "msg_namelen=128 => 16" in str(message)
    failed = call("recvmsg", 3, ONE, 0, result=-errno.EAGAIN, memory=before)
    assert failed.args.msg == {"msg_namelen": 128}


def test_data_that_nobody_asked_for_says_how_to_ask() -> None:
    memory = {ONE: _message(), VECTOR: struct.pack("2Q", DATA, 3), DATA: b"abc"}
    missing = call("sendmsg", 3, ONE, 0, result=3, memory=memory, limit=0).args.msg.msg_iov[0].raw("iov_base")
    assert isinstance(missing, Missing)
    assert missing.remedy == 'ask for it: @pytest.mark.ebpf(data_limit="4K") or --ebpf-data-limit=4K'
    part = call("sendmsg", 3, ONE, 0, result=3, memory=memory, limit=2).args.msg.msg_iov[0].raw("iov_base")
    assert isinstance(part, Cut)
    assert part.value == b"ab"


def test_of_many_messages_each_has_its_own_length_and_room() -> None:
    before = b"".join(_message(name=NAME, length=room) + bytes(8) for room in (128, 2))
    after = b"".join(_message(name=NAME, length=16) + struct.pack("I4x", size) for size in (3, 1))
    made = call(
        *("recvmmsg", 3, ONE, 2, 0, OTHER),
        result=2,
        memory={ONE: before, VECTOR: struct.pack("2Q", DATA, 100), OTHER: struct.pack("2q", 1, 0)},
        after={ONE: after, NAME: FOUR, DATA: b"abc", OTHER: struct.pack("2q", 0, 5)},
    )
    first, second = made.args.msgvec
    assert (first.msg_len, first.msg_hdr.msg_iov[0].iov_base, first.msg_hdr.msg_name.port) == (3, b"abc", 80)
    assert (second.msg_len, second.msg_hdr.msg_iov[0].iov_base) == (1, b"a")
    assert str(second.msg_hdr.msg_name) == "{sa_family=AF_INET}", "there was room for two bytes"
    assert text.outcome(made) == "2 (left {tv_sec=0, tv_nsec=5})"


@pytest.mark.parametrize(
    ("level", "option", "data", "value", "written"),
    [
        (1, 2, struct.pack("i", 1), 1, "SOL_SOCKET, SO_REUSEADDR, [1], 4"),
        (
            1,
            13,
            struct.pack("ii", 1, 5),
            {"l_onoff": 1, "l_linger": 5},
            "SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=5}, 8",
        ),
        (1, 25, b"lo\0", b"lo\0", r'SOL_SOCKET, SO_BINDTODEVICE, "lo\0", 3'),
        (6, 13, b"reno", b"reno", 'SOL_TCP, TCP_CONGESTION, "reno", 4'),
        (
            *(1, 20, struct.pack("qq", 3, 7), {"tv_sec": 3, "tv_usec": 7}),
            "SOL_SOCKET, SO_RCVTIMEO_OLD, {tv_sec=3, tv_usec=7}, 16",
        ),
        (1, 9, b"\1\0", Pointer(ONE), f"SOL_SOCKET, SO_KEEPALIVE, {ONE:#x}, 2"),
        (999, 7, b"abc", b"abc", '0x3e7, 7, "abc", 3'),
    ],
)
def test_the_value_of_an_option_is_what_its_name_says(
    level: int, option: int, data: bytes, value: object, written: str
) -> None:
    made = call("setsockopt", 3, level, option, ONE, len(data), memory={ONE: data})
    assert made.args.optval == value
    assert text.arguments(made) == f"3, {written}"


def test_an_error_that_an_option_returns_has_its_name() -> None:
    room = struct.pack("i", 4)
    made = call("getsockopt", 3, 1, 4, ONE, OTHER, memory={OTHER: room}, after={ONE: struct.pack("i", 111)})
    assert text.arguments(made) == "3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]"
    assert made.args.optval.name == "ECONNREFUSED"
