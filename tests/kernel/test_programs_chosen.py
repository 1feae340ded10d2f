"""Programs of a test's own whose object leaves something to whoever loads it: sizes, a choice of programs, samples."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from bcc_here import require_bcc
from tiers import HAS_KPROBES, require_root, with_kprobes

from pytest_ebpf import ProgramError, Trace, TraceIncomplete, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZES = {"counts": {"max_entries": 4096}, "stacks": {"max_entries": 1024, "value_size": 1016}}
NEITHER = ["on_sample", "on_function"]
PAGES = "import mmap; memory = mmap.mmap(-1, 1000 * mmap.PAGESIZE); memory[:: mmap.PAGESIZE] = bytes(1000)"
BUSY = "import time; until = time.process_time() + 0.3\nwhile time.process_time() < until: pass"

SAMPLING = """
#include <uapi/linux/bpf_perf_event.h>

struct event { u32 pid; };

BPF_HASH(counts, u32);
BPF_PERF_OUTPUT(events);

int on_sample(struct bpf_perf_event_data *context)
{
    struct event event = { .pid = bpf_get_current_pid_tgid() >> 32 };

    counts.increment(event.pid);
    if (!ebpf_traced())
        return 0;
    events.perf_submit(context, &event, sizeof(event));
    return 0;
}
"""


@pytest.fixture(autouse=True)
def _as_root() -> None:
    require_root()


def refusal(ask: Callable[[], object]) -> str:
    """What it says that it is not done."""
    with pytest.raises((UsageError, ProgramError)) as caught:
        ask()
    return str(caught.value)


def without_log(message: str) -> str:
    """A message without what libbpf said."""
    return message.partition("\n  says ")[0]


# --- samples ---


def test_a_program_runs_each_time_that_something_was_counted(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(
        bpf("chosen"), attach={"on_sample": "software:page-faults:1"}, maps=SIZES, without=["on_function"]
    )
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", PAGES])
    assert child.wait() == 0
    assert program["counts"][child.pid] >= 1000
    assert len(program["stacks"]) > 0
    process = program.assert_event("events", pid=child.pid).process
    assert process is not None
    assert process.pid == child.pid


def test_a_program_samples_all_cpus(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(
        bpf("chosen"), attach={"on_sample": "profile:hz:500"}, maps=SIZES, without=["on_function"]
    )
    cpus = os.sched_getaffinity(0)
    busy = [subprocess.Popen(["taskset", "-c", str(cpu), sys.executable, "-I", "-S", "-c", BUSY]) for cpu in cpus]
    assert all(child.wait() == 0 for child in busy)
    # Some 150 each; as few as a machine gives where the others have it.
    assert all(program["counts"].get(child.pid, 0) >= 5 for child in busy)


def test_what_happens_between_two_samples_is_not_said_to_be_absent(
    ebpf_trace: Trace, bpf: Callable[[str], str]
) -> None:
    program = ebpf_trace.program(
        bpf("chosen"), attach={"on_sample": "software:page-faults:100000"}, maps=SIZES, without=["on_function"]
    )
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(TraceIncomplete) as caught:
        program.assert_no_event("events", pid=child.pid)
    assert "chosen.bpf.o runs at samples (software:page-faults:100000): what is between them, it does not see" in str(
        caught.value
    )
    assert "attach it to a function or a tracepoint, which it sees each time" in str(caught.value)


def test_a_program_of_bccs_samples_too(ebpf_trace: Trace) -> None:
    require_bcc()
    program = ebpf_trace.bcc(SAMPLING, attach={"on_sample": "profile:hz:99"})
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", BUSY])
    assert child.wait() == 0
    assert program["counts"][child.pid] >= 3
    with pytest.raises(TraceIncomplete, match=r"runs at samples \(profile:hz:99\)"):
        program.assert_no_event("events", pid=1)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("profile:hz:0", "it names no samples (such as 'profile:hz:99')"),
        ("profile:s:1", "it names no samples (such as 'profile:hz:99')"),
        ("software:page-faults", "it names no samples (such as 'software:page-faults:1')"),
        ("software:pagefaults:1", "there is no software counter 'pagefaults'; did you mean page-faults or "),
    ],
)
def test_what_is_no_sample_is_refused(ebpf_trace: Trace, bpf: Callable[[str], str], place: str, message: str) -> None:
    said = refusal(lambda: ebpf_trace.program(bpf("chosen"), attach={"on_sample": place}))
    assert said.startswith(f"attach={{'on_sample': '{place}'}}: {message}")


def test_a_program_that_samples_is_told_where_to_write_how_often(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    assert refusal(lambda: ebpf_trace.program(bpf("chosen"), maps=SIZES, without=["on_function"])) == (
        "pytest-ebpf: chosen.bpf.o cannot be used: its program on_sample cannot be attached: its section"
        ' SEC("perf_event") does not say where to\n'
        '  try     attach={"on_sample": "profile:hz:99"} (or software:page-faults:1, hardware:cache-misses:1000000),'
        ' or {"on_sample": None} if something else calls it'
    )


# --- sizes ---


def test_a_map_has_the_size_that_the_test_says(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    program = ebpf_trace.program(bpf("chosen"), maps={**SIZES, "counts": {"max_entries": 2}}, without=NEITHER)
    program["counts"][1] = program["counts"][2] = 7
    assert "counts" in refusal(lambda: program["counts"].__setitem__(3, 7))
    assert sorted(program["counts"].items()) == [(1, 7), (2, 7)]


def test_a_map_without_a_size_is_told_how_it_gets_one(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    path = bpf("chosen")
    assert without_log(refusal(lambda: ebpf_trace.program(path, without=NEITHER))) == (
        "pytest-ebpf: chosen.bpf.o cannot be used: its map counts, of 0 entries with values of 4 bytes, cannot be made"
        ' (Invalid argument)\n  try     maps={"counts": {"max_entries": 1024}}, or what size it is to have'
    )
    maps = {"counts": SIZES["counts"]}
    assert without_log(refusal(lambda: ebpf_trace.program(path, maps=maps, without=NEITHER))) == (
        "pytest-ebpf: chosen.bpf.o cannot be used: its map stacks, of 0 entries with values of 0 bytes, cannot be made"
        ' (Invalid argument)\n  try     maps={"stacks": {"max_entries": 1024, "value_size": 1016}}, or what size it is'
        " to have"
    )


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"count": {}}, "maps={'count': …}: chosen.bpf.o has no map 'count'; did you mean counts?"),
        (
            {"counts": {"entries": 1}},
            "maps={'counts': {'entries': …}}: a map has no such size; did you mean max_entries?",
        ),
        (
            {"counts": {"max_entries": 0}},
            "maps={'counts': {'max_entries': 0}}: it is a number from 1 to 4,294,967,295",
        ),
    ],
)
def test_what_is_no_size_is_refused(
    ebpf_trace: Trace, bpf: Callable[[str], str], maps: dict[str, Any], message: str
) -> None:
    assert refusal(lambda: ebpf_trace.program(bpf("chosen"), maps=maps)) == message


# --- which programs ---


def test_an_optional_program_is_loaded_where_the_test_says_its_place(
    ebpf_trace: Trace, bpf: Callable[[str], str]
) -> None:
    place = {"on_exec": "tracepoint:sched:sched_process_exec"}
    left = ebpf_trace.program(bpf("chosen"), maps=SIZES, without=["on_sample", "on_function"])
    used = ebpf_trace.program(bpf("chosen"), maps=SIZES, attach=place, without=["on_sample", "on_function"])
    subprocess.run(["true"], check=True)
    assert left.variables["optional"] == 0
    assert used.variables["optional"] >= 1


def test_a_program_for_a_function_that_is_not_there_can_be_done_without(
    ebpf_trace: Trace, bpf: Callable[[str], str]
) -> None:
    message = refusal(lambda: ebpf_trace.program(bpf("chosen"), maps=SIZES, without=["on_sample"]))
    assert without_log(message) == (
        "pytest-ebpf: chosen.bpf.o cannot be used: its program on_function is for a_function_of_no_kernel, and this"
        f" kernel ({os.uname().release}) has no such function or tracepoint, or does not describe it\n"
        '  try     attach={"on_function": "fentry:function"} with another, or without=["on_function"]'
    )


@with_kprobes
def test_a_program_for_one_function_is_for_the_one_that_the_test_says(
    ebpf_trace: Trace, bpf: Callable[[str], str], tmp_path: Path
) -> None:
    attach = {"on_function": "fentry:do_unlinkat"}
    program = ebpf_trace.program(bpf("chosen"), maps=SIZES, attach=attach, without=["on_sample"])
    (tmp_path / "file").touch()
    (tmp_path / "file").unlink()
    assert program.variables["entered"] >= 1


def test_a_program_for_one_function_is_not_for_two_nor_for_a_tracepoint(
    ebpf_trace: Trace, bpf: Callable[[str], str]
) -> None:
    attach = {"on_function": "tracepoint:sched:sched_switch"}
    assert refusal(lambda: ebpf_trace.program(bpf("chosen"), maps=SIZES, attach=attach)) == (
        "pytest-ebpf: chosen.bpf.o cannot be used: its program on_function is for one function of the kernel, and not"
        " for tracepoint sched:sched_switch"
    )
    attach = {"on_function": "fentry:another_function_of_no_kernel"}
    assert without_log(refusal(lambda: ebpf_trace.program(bpf("chosen"), maps=SIZES, attach=attach))) == (
        "pytest-ebpf: chosen.bpf.o cannot be used: its program on_function is for another_function_of_no_kernel, and"
        f" this kernel ({os.uname().release}) has no such function or tracepoint, or does not describe it\n"
        '  try     attach={"on_function": "fentry:function"} with another, or without=["on_function"]'
    )


def test_what_no_object_has_cannot_be_left_out(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    path = bpf("chosen")
    assert refusal(lambda: ebpf_trace.program(path, without=["on_exek"])) == (
        "without=['on_exek']: chosen.bpf.o has no program 'on_exek'; did you mean on_exec?"
    )
    assert refusal(lambda: ebpf_trace.program(path, without="on_exec")) == (
        "without='on_exec': it is a list of programs: without=['on_exec']"
    )
    assert refusal(lambda: ebpf_trace.program(path, attach={"on_exec": None}, without=["on_exec"])) == (
        "the program on_exec of chosen.bpf.o is both in attach= and in without=: say one of them"
    )


# --- what is no place to trace ---


def test_a_program_that_does_not_trace_can_only_be_loaded(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    path = bpf("packets")
    assert refusal(lambda: ebpf_trace.program(path)) == (
        "pytest-ebpf: packets.bpf.o cannot be used: its program on_packet cannot be attached: pytest-ebpf attaches"
        " programs that trace, and this is one of the type sched_cls\n"
        '  try     attach={"on_packet": None} to have it loaded only, or without=["on_packet"]'
    )
    ebpf_trace.program(path, attach={"on_packet": None})


def test_a_place_that_a_section_names_and_that_is_not_there(
    ebpf_trace: Trace, bpf: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = refusal(lambda: ebpf_trace.program(bpf("placed")))
    assert said.startswith("the program on_entry is for uprobe:./exp:accept_exp: "), said


def test_a_system_call_by_name_needs_kprobes(ebpf_trace: Trace, bpf: Callable[[str], str], tmp_path: Path) -> None:
    if HAS_KPROBES:
        program = ebpf_trace.program(bpf("ksyscall"))
        (tmp_path / "file").touch()
        os.unlink(tmp_path / "file")  # noqa: PTH108 - the system call of that name
        assert program.variables["unlinks"] >= 1
        return
    assert refusal(lambda: ebpf_trace.program(bpf("ksyscall"))) == (
        "pytest-ebpf: ksyscall.bpf.o cannot be used: its program on_unlink cannot be attached: this kernel"
        f" ({os.uname().release}) has no kprobes\n"
        "  needs   a kernel built with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y\n"
        "  try     a tracepoint near unlink: grep NAME /sys/kernel/tracing/available_events"
    )
