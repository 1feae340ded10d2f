"""What ``pytest-ebpf list`` says of the kernel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import brokers
import pytest
from tiers import HAS_KPROBES, require_root

from pytest_ebpf import BrokerError, UsageError, cli_list
from pytest_ebpf.engine import tracefs
from pytest_ebpf.engine.native import library
from pytest_ebpf.probes import kallsyms

if TYPE_CHECKING:
    from pytest_ebpf import Trace

NOBODY = 65534
THIS = f"this kernel ({os.uname().release})"


def listed(probe: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert cli_list.main(probe) == 0
    return capsys.readouterr().out.splitlines()


def refused(probe: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli_list.main(probe) == 1
    said = capsys.readouterr()
    assert not said.out
    return said.err.removeprefix("pytest-ebpf list: ")


def test_tracepoints_are_listed_with_the_fields_of_their_records(capsys: pytest.CaptureFixture[str]) -> None:
    require_root()
    lines = listed("tracepoint:sched:sched_process_ex*", capsys)
    assert "tracepoint:sched:sched_process_exec    (char[] filename, s32 pid, s32 old_pid)" in lines
    assert any(
        line.startswith("tracepoint:sched:sched_process_exit    (char[16] comm, s32 pid, s32 prio") for line in lines
    )


def test_raw_tracepoints_are_listed_with_their_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert listed("raw_tracepoint:sched_process_f*", capsys) == [
        "raw_tracepoint:sched_process_fork    (struct task_struct * parent, struct task_struct * child)",
        "raw_tracepoint:sched_process_free    (struct task_struct * p)",
    ]


def test_functions_of_the_kernel_are_listed_where_they_can_be_probed(capsys: pytest.CaptureFixture[str]) -> None:
    if not HAS_KPROBES:
        assert refused("kprobe:do_unlink*", capsys) == (
            f"{THIS} has no kprobes\n"
            "  needs   a kernel built with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y\n"
            "  try     a tracepoint near do_unlink*: grep NAME /sys/kernel/tracing/available_events\n"
        )
        return
    assert listed("kprobe:do_unlink*", capsys) == [
        "kprobe:do_unlinkat    s32 do_unlinkat(s32 dfd, struct filename * name)"
    ]
    assert "nearest: do_unlinkat" in refused("kprobe:do_unlinkatt", capsys)


def test_what_the_kernel_does_not_have_is_said_with_what_comes_near(capsys: pytest.CaptureFixture[str]) -> None:
    require_root()
    assert refused("tracepoint:sched:sched_process_exc", capsys).startswith(
        f"{THIS} has no tracepoint sched:sched_process_exc; nearest: sched:sched_process_exec"
    )
    assert refused("raw_tracepoint:sched_process_exc", capsys).startswith(
        f"{THIS} has no raw tracepoint sched_process_exc; nearest: sched_process_exec"
    )
    assert refused("raw_tracepoint:qqqq*", capsys) == f"{THIS} has no raw tracepoint qqqq*\n"


def test_who_may_not_see_the_list_is_told_what_can_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    require_root()

    def nobody() -> str:
        return refused("tracepoint:sched:*", capsys)

    with brokers.forked(nobody, NOBODY) as (_, said):
        message = said()
    assert message.startswith(
        "the kernel does not list its tracepoints: fsopen(tracefs): Operation not permitted, and /sys/kernel/tracing: "
    )
    assert message.endswith(
        ": ask for the raw tracepoint\n"
        "  try     as root; or pytest-ebpf list 'raw_tracepoint:*', which is for everybody\n"
    )


def test_who_may_not_see_which_functions_can_be_traced_is_told_what_can_be_asked() -> None:
    require_root()
    _, lib = library()

    def nobody() -> str:
        with pytest.raises(BrokerError) as caught:
            tracefs.traceable(lib)
        return str(caught.value)

    with brokers.forked(nobody, NOBODY) as (_, said):
        message = said()
    assert message.startswith(
        "the kernel does not list its functions that can be traced: fsopen(tracefs): Operation not permitted, and"
        " /sys/kernel/tracing: "
    )
    assert message.endswith(": ask for each function by its name")


def test_a_name_that_several_functions_of_the_kernel_have_is_refused(ebpf_trace: Trace) -> None:
    require_root()
    known = kallsyms.functions().times
    name = next(name for name, count in known.items() if count > 1)
    with pytest.raises(UsageError) as caught:
        ebpf_trace.kernel_function(name, first="u64(arg0)")
    assert str(caught.value) == (
        f"kprobe:{name}: the kernel has {known[name]} functions of that name, and a probe would see the calls of one:"
        " probe what calls them"
    )
