"""Values of arguments: as Python sees them, and as strace writes them."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.syscalls.values import (
    Descriptor,
    Device,
    DirectoryDescriptor,
    Fields,
    Hex,
    HexBytes,
    Missing,
    PathName,
    Permissions,
    Pointed,
    Pointer,
    Unreadable,
    quoted,
    written,
)

ESCAPES = {"n": 10, "t": 9, "r": 13, "v": 11, "f": 12}
LOST = Gap("its record was lost")


def read_c(text: str) -> bytes:
    """Read a C string as a C compiler does."""
    out = bytearray()
    for octal, letter, plain in re.findall(r'\\([0-7]{1,3})|\\(.)|([^\\"])', text[1:-1]):
        out.append(int(octal, 8) if octal else ESCAPES.get(letter, ord(letter or plain)))
    return bytes(out)


@given(some.binary())
@example(b"\0001")
@example(b'\1772\n7\x0b\x0c"\\')
def test_any_bytes_are_written_so_that_c_reads_the_same_bytes(data: bytes) -> None:
    text = quoted(data)
    assert text.isascii()
    assert text.isprintable()
    assert read_c(text) == data
    assert quoted(os.fsdecode(data)) == text


def test_an_escape_is_as_short_as_what_follows_allows() -> None:
    assert quoted(b"\0a\0001\x018\xff") == r'"\0a\0001\18\377"'
    assert quoted(b"ab", cut=True) == '"ab"...'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (5, "5"),
        (Pointer(0x7F00), "0x7f00"),
        (Hex(0), "0"),
        (Hex(255), "0xff"),
        (HexBytes(b"\0a\xff"), r'"\x00\x61\xff"'),
        (Permissions(0), "000"),
        (Permissions(0o7), "007"),
        (Permissions(0o4755), "04755"),
        (Device(os.makedev(1, 3)), "makedev(0x1, 0x3)"),
        (Device(5), "makedev(0, 0x5)"),
        (Pointed(3), "[3]"),
        (b"a\n", r'"a\n"'),
        ("é", r'"\303\251"'),
        (("a", "b"), '["a", "b"]'),
        ((), "[]"),
        (PathName("/home/us/x", "x"), '"x"'),
        (Descriptor(-100), "-100"),
        (DirectoryDescriptor(-100), "AT_FDCWD"),
        (DirectoryDescriptor(3), "3"),
        (Unreadable(0xDEAD), "0xdead"),
        (Missing("it was not copied", address=0xBEEF), "0xbeef"),
        (LOST, "?"),
        (Cut("ab", LOST), '"ab"...'),
        (Cut(("a", "b"), LOST), '["a", "b", ...]'),
        (Cut(PathName("…/x", "x"), LOST, start_missing=True), '"x"'),
        (Fields({"tv_sec": 1, "name": b"x"}), '{tv_sec=1, name="x"}'),
        (Fields({"iov_base": LOST}), "{iov_base=?}"),
    ],
)
def test_each_value_is_written_as_strace_does(value: object, text: str) -> None:
    assert written(value) == text


def test_a_number_that_a_call_changed_says_both() -> None:
    number = Pointed(3)
    number.after = Pointed(8)
    assert written(number) == "[3] => [8]"
    assert number == 3
    number.after = Pointed(3)
    assert written(number) == "[3]"


def test_fields_are_read_by_name_and_equal_a_dict() -> None:
    time = Fields({"tv_sec": 1, "tv_nsec": 5})
    assert (time.tv_sec, time["tv_nsec"], list(time), len(time)) == (1, 5, ["tv_sec", "tv_nsec"], 2)
    assert time == {"tv_sec": 1, "tv_nsec": 5}
    assert time != {"tv_sec": 1}
    assert time != {"tv_sec": 1, "tv_nsec": 6}
    assert time != 1
    assert hash(time) == hash(Fields({"tv_sec": 1, "tv_nsec": 5}))


def test_a_field_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(AttributeError, match=r"^there is no field 'tv_usec', only tv_sec, tv_nsec$"):
        _ = Fields({"tv_sec": 1, "tv_nsec": 5}).tv_usec


@pytest.mark.parametrize(
    "value", [Gap("it was not copied", "ask for it"), Cut(b"a", Gap("it was not copied", "ask for it"))]
)
def test_a_field_that_is_not_known_whole_is_refused_and_never_compared(value: object) -> None:
    fields = Fields({"iov_base": value, "iov_len": 5})
    said = r"^iov_base: it was not copied; try ask for it$"
    with pytest.raises(TraceIncomplete, match=said):
        _ = fields.iov_base
    with pytest.raises(TraceIncomplete, match=said):
        _ = fields == {"iov_base": b"abc", "iov_len": 5}
    # What is known already differs.
    assert fields != {"iov_base": b"abc", "iov_len": 6}
    assert fields.raw("iov_base") is value
