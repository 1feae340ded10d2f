"""What `wc` reads, summed up in the kernel by a BPF program in BCC's dialect: of a size it needs no contents."""

import subprocess
from pathlib import Path

import pytest

from pytest_ebpf import Trace

PROGRAM = """
struct reader { u32 session; char comm[16]; };
struct large { s64 bytes; char comm[16]; };

BPF_HASH(bytes_read, struct reader, u64);
BPF_PERF_OUTPUT(large_reads);

TRACEPOINT_PROBE(syscalls, sys_exit_read)
{
    struct reader reader = { .session = ebpf_session() };
    struct large large = { .bytes = args->ret };

    if (!reader.session || args->ret <= 0)
        return 0;                           /* no process of a test's, or nothing read */
    bpf_get_current_comm(reader.comm, sizeof(reader.comm));
    bytes_read.increment(reader, args->ret);
    if (args->ret < 8192)
        return 0;
    bpf_get_current_comm(large.comm, sizeof(large.comm));
    large_reads.perf_submit(args, &large, sizeof(large));
    return 0;
}
"""
SIZE = 10_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of many lines."""
    path = tmp_path / "file"
    path.write_bytes(b"a line that has fifty bytes, and one is its end .\n" * (SIZE // 50))
    return path


def test_the_size_of_a_file_is_told_without_reading_it(ebpf_trace: Trace, file: Path) -> None:
    program = ebpf_trace.bcc(PROGRAM)
    program["bytes_read"].clear()
    told = subprocess.run(["wc", "-c", file], check=True, capture_output=True, text=True).stdout

    assert int(told.split()[0]) == SIZE
    read = {reader.comm: total for reader, total in program["bytes_read"].items()}
    assert read[b"wc"] < SIZE / 100  # the C library, and what is left of the file's last page
    program.assert_no_event("large_reads", comm="wc")


def test_its_lines_are_not(ebpf_trace: Trace, file: Path) -> None:
    program = ebpf_trace.bcc(PROGRAM)
    program["bytes_read"].clear()
    told = subprocess.run(["wc", "-l", file], check=True, capture_output=True, text=True).stdout

    assert int(told.split()[0]) == SIZE / 50
    reads = program.assert_event("large_reads", comm="wc", count=lambda number: number > 100)
    assert sum(read["bytes"] for read in reads) <= SIZE
    (total,) = [total for reader, total in program["bytes_read"].items() if reader.comm == b"wc"]
    assert total >= SIZE
