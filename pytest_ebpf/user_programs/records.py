"""The records of a program's own buffers, as the host writes them down (``engine/native_buffers.h``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf.engine.native import library

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BufferRecord", "records_of"]

_RING = 0xFFFFFFFF


class BufferRecord(NamedTuple):
    """One event."""

    output: int
    """Which buffer, by its number."""
    time_ns: int
    """When it was written (CLOCK_MONOTONIC), or, if it was to a ring, taken."""
    of_ring: bool
    """Whether its buffer tells no more than the data."""
    pid: int
    """Who wrote it, as the host's pid namespace counts."""
    tid: int
    data: bytes
    """With some zeros after it, perhaps: a perf buffer fills up to eight bytes (``perf_prepare_sample()``)."""


def records_of(data: bytes) -> Iterator[BufferRecord]:
    """Read whole records."""
    ffi, _ = library()
    head = ffi.sizeof("struct pe_output_record")
    start, at = ffi.from_buffer(data), 0
    while at < len(data):
        record = ffi.cast("struct pe_output_record *", start + at)
        begin = at + head
        found = data[begin : begin + record.length]
        yield BufferRecord(record.output, record.time_ns, record.cpu == _RING, record.pid, record.tid, found)
        at += record.size
