"""What calls read and write: data, buffers in rows, lists that the kernel returns; as far as it was copied."""

from __future__ import annotations

import errno
import struct

import pytest
from fake_calls import call
from hypothesis import given
from hypothesis import strategies as some

from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.syscalls import text

AT, THERE = 0x1000, 0x9000
NOT_ASKED = r'was not copied; try ask for it: @pytest\.mark\.ebpf\(data_limit="4K"\) or --ebpf-data-limit=4K$'


@given(some.binary(max_size=300))
def test_any_bytes_that_are_written_survive(data: bytes) -> None:
    assert call("write", 1, AT, len(data), memory={AT: data}, result=len(data)).args.buf == data


@given(some.binary(max_size=300))
def test_any_bytes_that_are_read_survive(data: bytes) -> None:
    assert call("read", 0, AT, 1000, after={AT: data}, result=len(data)).args.buf == data


def test_data_is_known_only_if_it_was_asked_for() -> None:
    written = call("write", 1, AT, 3, memory={AT: b"abc"}, result=3, limit=0)
    with pytest.raises(TraceIncomplete, match=r"^buf of write: the data of buf " + NOT_ASKED):
        _ = written.args.buf
    assert written.args["count"] == 3
    assert text.line(written) == "write(1, 0x1000, 3) = 3"


def test_data_that_is_longer_than_what_was_asked_for_is_known_to_its_end_only() -> None:
    written = call("write", 1, AT, 5, memory={AT: b"abcde"}, result=5, limit=3)
    with pytest.raises(
        TraceIncomplete, match=r"^buf of write: of buf only 3 bytes were copied; try a higher data_limit$"
    ):
        _ = written.args.buf
    assert written.seen("buf") == b"abc"
    assert text.line(written) == 'write(1, "abc"..., 5) = 5'


@pytest.mark.parametrize(
    ("name", "args", "result", "line"),
    [
        ("write", (1, 0, 0), 0, "write(1, NULL, 0) = 0"),
        ("write", (1, 0xDEAD, 3), -errno.EFAULT, "write(1, 0xdead, 3) = -1 EFAULT (Bad address)"),
        ("read", (0, AT, 5), 0, 'read(0, "", 5) = 0'),
        ("read", (-1, AT, 5), -errno.EBADF, "read(-1, 0x1000, 5) = -1 EBADF (Bad file descriptor)"),
        ("read", (0, AT, 5), -512, "read(0, 0x1000, 5) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)"),
        ("read", (0, AT, 5), -514, "read(0, 0x1000, 5) = ? ERESTARTNOHAND (To be restarted if no handler)"),
    ],
)
def test_what_was_not_transferred_is_an_address(name: str, args: tuple[int, ...], result: int, line: str) -> None:
    assert text.line(call(name, *args, result=result, after={AT: b""})) == line


def test_a_call_that_never_returned_filled_nothing_in() -> None:
    assert text.line(call("read", 0, AT, 5, unfinished=True)) == "read(0, 0x1000, 5) = ?"


VECTOR = struct.pack("@6Q", AT, 3, 0, 0, AT + 100, 4)


def test_buffers_in_a_row_have_their_data_together() -> None:
    memory = {THERE: VECTOR, AT: b"one", AT + 100: b"two2"}
    written = call("writev", 1, THERE, 3, memory=memory, result=7)
    assert written.args.iov.data == b"onetwo2"
    assert written.args.iov[2] == {"iov_base": b"two2", "iov_len": 4}
    line = 'writev(1, [{iov_base="one", iov_len=3}, {iov_base=NULL, iov_len=0}, {iov_base="two2", iov_len=4}], 3) = 7'
    assert text.line(written) == line


def test_buffers_are_read_into_as_far_as_the_result_says() -> None:
    read = call("readv", 0, THERE, 3, memory={THERE: VECTOR}, after={AT: b"one", AT + 100: b"tw"}, result=5)
    assert read.args.iov.data == b"onetw"
    assert [each.iov_base for each in read.args.iov] == [b"one", None, b"tw"]
    failed = call("readv", -1, THERE, 3, memory={THERE: VECTOR}, result=-errno.EBADF)
    assert failed.args.iov[0].iov_base == AT
    assert text.arguments(failed).startswith("-1, [{iov_base=0x1000, iov_len=3}, {iov_base=NULL, iov_len=0}, ")


def test_the_data_of_buffers_is_known_only_if_it_was_asked_for_their_lengths_always() -> None:
    written = call("writev", 1, THERE, 3, memory={THERE: VECTOR, AT: b"one", AT + 100: b"two2"}, result=7, limit=0)
    assert [each.iov_len for each in written.args.iov] == [3, 0, 4]
    with pytest.raises(TraceIncomplete, match=r"^iov_base: the data of iov " + NOT_ASKED):
        _ = written.args.iov.data


def test_no_buffers_and_buffers_that_cannot_be_read() -> None:
    assert call("writev", 1, THERE, 0).args.iov == ()
    assert text.arguments(call("writev", 1, THERE, 0)) == "1, [], 0"
    assert text.arguments(call("writev", 1, 0, 0)) == "1, NULL, 0"
    assert text.arguments(call("writev", 1, 0xDEAD, 2, result=-errno.EFAULT)) == "1, 0xdead, 2"


def test_another_process_s_buffers_are_addresses() -> None:
    memory = {THERE: struct.pack("@2Q", AT, 3), THERE + 100: struct.pack("@2Q", 0x7F00, 3)}
    read = call("process_vm_readv", 7, THERE, 1, THERE + 100, 1, 0, memory=memory, after={AT: b"abc"}, result=3)
    assert read.args.local_iov.data == b"abc"
    assert text.arguments(read) == '7, [{iov_base="abc", iov_len=3}], 1, [{iov_base=0x7f00, iov_len=3}], 1, 0'


def test_names_of_attributes_come_one_by_one() -> None:
    listed = call("flistxattr", 3, AT, 100, after={AT: b"user.a\0user.b\0"}, result=14)
    assert listed.args.list == ("user.a", "user.b")
    assert text.line(listed) == r'flistxattr(3, "user.a\0user.b\0", 100) = 14'
    asked = call("flistxattr", 3, AT, 0, after={AT: b""}, result=14)
    assert asked.args.list == ()


def _entry(inode: int, kind: int, name: bytes) -> bytes:
    size = (19 + len(name) + 1 + 7) // 8 * 8
    return (struct.pack("@QqHB", inode, 9, size, kind) + name).ljust(size, b"\0")


@given(some.lists(some.binary(min_size=1, max_size=255).filter(lambda name: not {0, 47} & set(name)), max_size=9))
def test_entries_of_a_directory_come_one_by_one(names: list[bytes]) -> None:
    data = b"".join(_entry(5, 8, name) for name in names)
    listed = call("getdents64", 3, AT, 32768, after={AT: data}, result=len(data))
    assert [each.d_name for each in listed.args.dirp] == [name.decode(errors="surrogateescape") for name in names]
    assert text.arguments(listed) == f"3, 0x1000 /* {len(names)} entries */, 32768"


def test_a_long_directory_is_known_to_its_end_only() -> None:
    data = b"".join(_entry(5, 8, b"name-%04d" % number) for number in range(200))
    listed = call("getdents64", 3, AT, 32768, after={AT: data}, result=len(data))
    with pytest.raises(TraceIncomplete, match=r"^dirp of getdents64: of dirp only 4096 bytes were copied$"):
        _ = listed.args.dirp
    assert listed.seen("dirp")[0].d_name == "name-0000"


def test_texts_that_the_kernel_returns_come_without_their_end() -> None:
    assert call("getcwd", AT, 100, after={AT: b"/home\0"}, result=6).args.buf == "/home"
    read = call("readlink", THERE, AT, 3, memory={THERE: b"/l\0"}, after={AT: b"abc"}, result=3)
    assert (read.args.buf, read.args.path) == ("abc", "/l")


def test_an_attribute_that_is_asked_for_its_size_only_has_no_value() -> None:
    asked = call("fgetxattr", 3, THERE, AT, 0, memory={THERE: b"user.a\0"}, after={AT: b"stale"}, result=5)
    # strace writes what was there before.
    assert text.line(asked) == 'fgetxattr(3, "user.a", "", 0) = 5'


def test_an_offset_is_known_before_and_after() -> None:
    memory, after = {AT: struct.pack("@q", 3)}, {AT: struct.pack("@q", 8)}
    sent = call("sendfile", 4, 3, AT, 5, memory=memory, after=after, result=5)
    assert (sent.args.offset, sent.args.offset.after) == (3, 8)
    assert text.line(sent) == "sendfile(4, 3, [3] => [8], 5) = 5"
    failed = call("sendfile", 4, -1, AT, 5, memory=memory, result=-errno.EBADF)
    assert text.arguments(failed) == "4, -1, [3], 5"
