"""What BCC programs submit is in the trace: of whom it is about, when it happened, and whole."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
from bcc_here import require_bcc

from pytest_ebpf import TraceIncomplete, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf import Trace

SEEKING = """
enum whence { FROM_START, FROM_HERE, FROM_END };
struct sought {
    u32 fd;
    enum whence whence;
    s64 offset;
    char comm[16];
    u8 grid[2][3];
} __attribute__((packed));
struct answered { s64 result; };
struct long_one { u16 length; char text[1500]; };

BPF_PERF_OUTPUT(calls);
BPF_RINGBUF_OUTPUT(results, 1);
BPF_RINGBUF_OUTPUT(copies, 1);
BPF_PERF_OUTPUT(texts);
BPF_PERCPU_ARRAY(room, struct long_one, 1);

TRACEPOINT_PROBE(syscalls, sys_enter_lseek)
{
    struct sought sought = { .fd = args->fd, .whence = args->whence, .offset = args->offset };

    sought.grid[1][2] = 12;
    bpf_get_current_comm(sought.comm, sizeof(sought.comm));
    calls.perf_submit(args, &sought, sizeof(sought));
    return 0;
}

TRACEPOINT_PROBE(syscalls, sys_exit_lseek)
{
    struct answered *answered = results.ringbuf_reserve(sizeof(struct answered)), copy = { args->ret };
    struct long_one *text;
    int zero = 0;

    if (!answered) return 0;
    answered->result = args->ret;
    if (args->ret == 13)
        results.ringbuf_discard(answered, 0);
    else
        results.ringbuf_submit(answered, 0);
    copies.ringbuf_output(&copy, sizeof(copy), 0);
    text = room.lookup(&zero);
    if (!text) return 0;
    text->length = args->ret & 1023;
    text->text[0] = 'a';
    text->text[1] = 'b';
    texts.perf_submit(args, text, sizeof(text->length) + text->length);
    return 0;
}
"""


@pytest.fixture(autouse=True)
def _bcc() -> None:
    require_bcc()


@pytest.fixture
def seek() -> Callable[[int], int]:
    """Call lseek(2), of nothing else."""
    file = os.memfd_create("sought")
    libc: Any = ctypes.CDLL(None)
    return lambda offset: int(libc.lseek(file, ctypes.c_long(offset), 0))


def test_events_are_decoded_by_the_types_that_bcc_compiled(ebpf_trace: Trace, seek: Callable[[int], int]) -> None:
    program = ebpf_trace.bcc(SEEKING)
    seek(5)
    call = program.assert_event("calls", offset=5)
    assert (call["offset"], call.value.whence, str(call.value.whence), call.value.grid) == (
        5,
        0,
        "FROM_START",
        ((0, 0, 0), (0, 0, 12)),
    )
    assert (call.output, call.program) == ("calls", "<text>")
    assert call.process is not None
    assert (call.process.pid, call.tid) == (os.getpid(), threading.get_native_id())
    assert program.assert_event("results", result=5).value == {"result": 5}
    assert program.assert_event("copies", result=5).value == {"result": 5}


def test_a_length_that_is_known_at_run_time_only_is_that_of_the_event(
    ebpf_trace: Trace, seek: Callable[[int], int]
) -> None:
    program = ebpf_trace.bcc(SEEKING)
    seek(2)
    text = program.assert_event("texts")
    assert text.data == b"\2\0ab"
    assert text.value.length == 2
    with pytest.raises(TraceIncomplete, match="the program wrote 4 bytes of texts"):
        _ = text.value.text


def test_what_is_discarded_is_no_event(ebpf_trace: Trace, seek: Callable[[int], int]) -> None:
    program = ebpf_trace.bcc(SEEKING)
    seek(13)
    program.assert_event("copies", result=13)
    program.assert_no_event("results", result=13)
    with pytest.raises(AssertionError, match=r"^expected no program event written: <text>, copies, result=13"):
        program.assert_no_event("copies", result=13)


def test_events_stand_in_the_timeline_among_the_traces_own(ebpf_trace: Trace) -> None:
    program = ebpf_trace.bcc(
        "struct e { u32 pid; };\nBPF_PERF_OUTPUT(execs);\nRAW_TRACEPOINT_PROBE(sched_process_exec)"
        "\n{\n    struct e e = { bpf_get_current_pid_tgid() >> 32 };\n    execs.perf_submit(ctx, &e, sizeof(e));\n"
        "    return 0;\n}\n"
    )
    child = subprocess.Popen(["true"])
    child.wait()
    of_child = [event.kind for event in ebpf_trace.events if event.process.pid == child.pid]
    assert (sorted(of_child), of_child[-1]) == (["exec", "exit", "program-event"], "exit")
    (event,) = program.events
    assert event.process is not None
    assert (event.process.argv[0], event.value.pid) == ("true", event.process.host_pid)
    assert event.time_ns is not None
    assert event.process.start_ns < event.time_ns


def test_an_event_can_be_awaited(ebpf_trace: Trace, seek: Callable[[int], int]) -> None:
    program = ebpf_trace.bcc(SEEKING)
    later = threading.Timer(0.2, seek, [77])
    later.start()
    assert ebpf_trace.wait_for(program, offset=77).output == "calls"
    later.join()


def test_of_the_tests_processes_alone(ebpf_trace: Trace, seek: Callable[[int], int]) -> None:
    # Whatever else calls lseek(2) on this machine meanwhile.
    program = ebpf_trace.bcc(SEEKING)
    subprocess.run(["sh", "-c", "exec 3</etc/passwd; head -c 5 <&3 >/dev/null"], check=True)
    seek(1)
    pids = {event.process.pid for event in program.events if event.process}
    assert pids <= {process.pid for process in [*ebpf_trace.processes, ebpf_trace.root]}


def test_asking_again_in_the_same_window_begins_anew(ebpf_trace: Trace, seek: Callable[[int], int]) -> None:
    first = ebpf_trace.bcc(SEEKING)
    seek(100)
    second = ebpf_trace.bcc(SEEKING)
    seek(200)
    assert [event["offset"] for event in first.events.where("calls")] == [100, 200]
    assert [event["offset"] for event in second.events.where("calls")] == [200]


def test_a_section_has_its_own(ebpf_trace: Trace, seek: Callable[[int], int]) -> None:
    whole = ebpf_trace.bcc(SEEKING)
    seek(1)
    with ebpf_trace.section("inner") as inner:
        part = inner.bcc(SEEKING)
        seek(2)
    seek(3)
    assert [event["offset"] for event in part.events.where("calls")] == [2]
    assert [event["offset"] for event in whole.events.where("calls")] == [1, 2, 3]


def test_after_detach_it_has_no_more_and_says_so(ebpf_trace: Trace, seek: Callable[[int], int]) -> None:
    with ebpf_trace.bcc(SEEKING) as program:
        seek(1)
    seek(2)
    program.assert_event("calls", offset=1)
    with pytest.raises(TraceIncomplete, match="was detached before the window's end"):
        program.assert_event("calls", offset=2)
    with pytest.raises(TraceIncomplete, match="was detached before the window's end"):
        program.assert_no_event("calls", offset=2)


def test_one_who_has_not_asked_is_told_nothing(ebpf_trace: Trace, seek: Callable[[int], int]) -> None:
    # The same text runs on: the tests above asked for it.
    seek(5)
    assert not [event for event in ebpf_trace.events if event.kind == "program-event"]
    assert not ebpf_trace.losses


def test_an_output_of_that_name_is_not_there(ebpf_trace: Trace) -> None:
    program = ebpf_trace.bcc(SEEKING)
    with pytest.raises(UsageError, match=r"^<text> has no output 'cals'; did you mean 'calls'\?"):
        program.assert_no_event("cals")


def test_a_number_needs_its_type_to_be_said(ebpf_trace: Trace) -> None:
    text = (
        "BPF_PERF_OUTPUT(pids);\nRAW_TRACEPOINT_PROBE(sched_process_exec)\n{\n"
        "    u32 pid = bpf_get_current_pid_tgid() >> 32;\n    pids.perf_submit(ctx, &pid, sizeof(pid));\n"
        "    return 0;\n}\n"
    )
    with pytest.raises(UsageError, match=r"what is submitted to pids is no structure"):
        ebpf_trace.bcc(text).assert_no_event()
    program = ebpf_trace.bcc(text, types={"pids": ctypes.c_uint32})
    child = subprocess.Popen(["true"])
    child.wait()
    assert [event.value for event in program.events] == [ebpf_trace.assert_spawned("true").host_pid]


@pytest.mark.ebpf(ring_size="64KiB")
def test_a_flood_is_no_silence(ebpf_trace: Trace, seek: Callable[[int], int]) -> None:
    program = ebpf_trace.bcc(SEEKING)
    for offset in range(20000):
        seek(offset & 511)
    with pytest.raises(TraceIncomplete, match=r"records? did not fit|lost"):
        program.assert_no_event("calls", offset=5000)


def test_uprobes_are_attached_where_attach_says(ebpf_trace: Trace, program: Callable[[str], str]) -> None:
    text = (
        "struct call { s64 argument; };\nBPF_PERF_OUTPUT(calls);\nint on_call(struct pt_regs *ctx)\n{\n"
        "    struct call call = { PT_REGS_PARM1(ctx) };\n    calls.perf_submit(ctx, &call, sizeof(call));\n"
        "    return 0;\n}\n"
    )
    traced = ebpf_trace.bcc(text, attach={"on_call": f"uprobe:{program('exp')}:accept_exp"})
    subprocess.run([program("exp"), "1"], check=True, stdout=subprocess.DEVNULL)
    assert len(traced.events) == len(ebpf_trace.processes.where(comm="exp")) == 1
