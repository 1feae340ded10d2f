"""Bytes as a ring has them, decoded by the layouts of the compiled object."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ebpf.engine.layout import layouts, load
from pytest_ebpf.engine.records import Decoder

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES = layouts().enums["record_type"]
TEXTS = layouts().enums["text_field"]


def record(structure: str, data: bytes = b"", **fields: Any) -> bytes:
    """A ring record with these fields by their dotted names, all others zero."""
    layout = layouts().structs[structure]
    values = [fields.pop(name.replace(".", "__"), None) for name in layout.names]
    assert not fields, f"no such field: {fields}"
    zero = layout.unpacker.unpack(bytes(layout.size))
    body = layout.unpacker.pack(*(old if new is None else new for new, old in zip(values, zero, strict=True))) + data
    return struct.pack("<II", len(body), 0) + body + bytes(-len(body) % 8)


def text(field: str, data: bytes, *, tid: int = 7, time_ns: int = 100, room: int = 64) -> bytes:
    return record(
        "text_record",
        data.ljust(room, b"\xaa"),
        type=TYPES["RECORD_TEXT"],
        host_tid=tid,
        time_ns=time_ns,
        field=TEXTS[field],
        length=len(data),
    )


def executed(*, tid: int = 7, time_ns: int = 100, captured: int = 31, truncated: int = 0) -> bytes:
    return record(
        "exec_record",
        header__type=TYPES["RECORD_EXEC"],
        header__host_tid=tid,
        header__time_ns=time_ns,
        captured=captured,
        truncated=truncated,
    )


def decode(*pieces: bytes) -> list[tuple[str, Mapping[str, Any]]]:
    return list(Decoder().decode(b"".join(pieces)))


def test_an_exec_takes_its_texts_along() -> None:
    [(name, fields)] = decode(
        text("TEXT_FILENAME", b"./run\0"),
        text("TEXT_INTERP", b"/bin/sh\0"),
        text("TEXT_EXE", b"dash\0bin\0usr\0"),
        text("TEXT_CWD", b""),
        text("TEXT_ARGV", b"sh\0\xff\0"),
        executed(),
    )
    assert name == "exec"
    texts = {key: fields[key] for key in ("filename", "interp", "exe", "cwd", "argv", "environ")}
    assert texts == {
        "filename": b"./run",
        "interp": b"/bin/sh",
        "exe": b"/usr/bin/dash",
        "cwd": b"/",
        "argv": b"sh\0\xff\0",
        "environ": None,
    }


def test_a_long_text_is_put_together_from_its_pieces_and_padding_is_left_out() -> None:
    [(_, fields)] = decode(text("TEXT_ARGV", b"a" * 64), text("TEXT_ARGV", b"b\0"), executed())
    assert fields["argv"] == b"a" * 64 + b"b\0"


def test_pieces_wait_for_an_exec_that_comes_with_the_next_pull() -> None:
    decoder = Decoder()
    assert list(decoder.decode(text("TEXT_ARGV", b"x\0"))) == []
    [(_, fields)] = decoder.decode(executed())
    assert fields["argv"] == b"x\0"


def test_texts_of_an_exec_whose_record_was_lost_do_not_reach_the_next_one() -> None:
    [(_, fields)] = decode(text("TEXT_ARGV", b"old\0", time_ns=50), text("TEXT_ARGV", b"new\0"), executed())
    assert fields["argv"] == b"new\0"


def test_texts_of_two_threads_are_not_mixed() -> None:
    (_, one), (_, two) = decode(
        text("TEXT_ARGV", b"one\0", tid=1),
        text("TEXT_ARGV", b"two\0", tid=2),
        executed(tid=1),
        executed(tid=2),
    )
    assert (one["argv"], two["argv"]) == (b"one\0", b"two\0")


def test_a_path_that_was_cut_at_its_root_is_not_shown_as_absolute() -> None:
    [(_, fields)] = decode(text("TEXT_EXE", b"c\0b\0"), executed(truncated=1 << TEXTS["TEXT_EXE"]))
    assert fields["exe"].decode() == "…/b/c"


def test_a_record_that_the_kernel_discarded_is_no_record() -> None:
    discarded = bytearray(executed())
    struct.pack_into("<I", discarded, 0, struct.unpack_from("<I", discarded)[0] | 1 << 30)
    assert [fields["host_tid"] for _, fields in decode(bytes(discarded), executed(tid=9))] == [9]


def test_a_structure_that_an_object_does_not_have_is_named() -> None:
    with pytest.raises(LookupError, match="the kernel object has no structure 'nothing' in its BTF"):
        load("tracing", ("nothing",), ())


def test_an_event_of_a_users_program_comes_with_its_bytes_and_without_the_padding() -> None:
    [(name, fields)] = decode(
        record(
            "program_record",
            b"\1\2\3" + b"\xaa" * 5,
            header__type=TYPES["RECORD_PROGRAM"],
            header__window=3,
            header__time_ns=100,
            header__host_tid=7,
            program=5,
            event=12,
            length=3,
        )
    )
    assert name == "program"
    found = {key: fields[key] for key in ("window", "time_ns", "host_tid", "program", "event", "length", "data")}
    assert found == {
        "window": 3,
        "time_ns": 100,
        "host_tid": 7,
        "program": 5,
        "event": 12,
        "length": 3,
        "data": b"\1\2\3",
    }
    assert dict(fields)["data"] == b"\1\2\3"
    assert len(dict(fields)) == len(fields)
