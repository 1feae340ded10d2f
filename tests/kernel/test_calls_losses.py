"""What does not fit in the ring: counted, each record of it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from call_stream import LAYOUTS, MARK, TYPES, tracing
from calls_stream import number_of

from pytest_ebpf.syscalls.table import CallSpec, Capture, Slot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WRITE = number_of("write")
TABLE = {
    WRITE: CallSpec((Capture("bytes", 1, 1, data=True, length="arg", length_arg=2),), (Slot("fd", 0),)),
    number_of("lseek"): CallSpec((), (Slot("fd", 0),)),
}
COUNT, SIZE = 3000, 16000
PROCESS = ("RECORD_FORK", "RECORD_EXEC", "RECORD_EXIT")


def size_of(name: str, more: int = 0) -> int:
    return LAYOUTS.structs[name].size + more


@pytest.mark.parametrize(("data_limit", "size"), [(SIZE, SIZE), (SIZE, 1), (0, SIZE)])
def test_each_call_and_each_piece_is_told_or_counted_as_lost(
    data_limit: int, size: int, call_broker: Path, program: Callable[[str], str]
) -> None:
    with tracing(call_broker, ring=1 << 16) as traced:
        traced.session.want_calls({"native": [WRITE]})
        traced.session.data_limit = data_limit
        # Enough, whatever is read meanwhile: the broker makes room when the ring is filled by a quarter.
        subprocess.run([program("writer"), str(COUNT), str(size)], check=True)
        told = len(traced.calls())
        pieces = sum(map(len, traced.stream.pieces.values()))
        lost = traced.session.counters()
    others = {name: 1 - traced.stream.others.count(TYPES[name]) for name in PROCESS}
    assert others["RECORD_FORK"] == others["RECORD_EXEC"] == 0
    missing, unseen = COUNT - told, (COUNT if data_limit else 0) - pieces
    travels = size == 1  # with its call
    assert unseen == missing or not travels
    # The file is told once: before the first piece, into an empty ring.
    assert len(traced.stream.files) == 1
    assert lost["lost_records"] == missing + (0 if travels else unseen) + others["RECORD_EXIT"]
    assert lost["lost_bytes"] == (
        missing * size_of("call_record", size_of("call_piece", 8) if travels else 0)
        + (0 if travels else unseen * size_of("call_data_record", size))
        + others["RECORD_EXIT"] * size_of("exit_record")
    )
    assert lost["lost_records"] > 0 or data_limit != size


def test_a_file_of_which_the_record_was_lost_is_told_when_it_is_named_again(call_broker: Path, tmp_path: Path) -> None:
    # Before the session: open() asks for the position itself.
    with (tmp_path / "file").open("w") as file, tracing(call_broker, ring=1 << 16) as traced:
        with traced.session._draining():  # nobody else does: the broker waits
            while not traced.session.counters()["lost_records"]:
                os.getppid()
            with pytest.raises(OSError, match="Invalid argument"):
                os.lseek(file.fileno(), 0, MARK)
        assert not traced.every()[0].files[0]
        assert not traced.stream.files
        assert traced.seen(file.fileno()).path == os.fsencode(tmp_path / "file")
