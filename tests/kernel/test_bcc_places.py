"""Where BCC programs are attached: by their names and macros, and by ``attach``.

What is on functions of the kernel needs one with kprobes; ``tests/vm`` runs that.
"""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bcc_here import require_bcc
from tiers import with_kprobes

from pytest_ebpf import ProgramError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf import Trace
    from pytest_ebpf.user_programs.program import Program

AT_FDCWD = -100  # linux/fcntl.h
PYTHON = "/usr/bin/python3"

UNLINKING = """
#include <uapi/linux/ptrace.h>
#include <linux/fs.h>

enum how { KPROBE, KRETPROBE, KFUNC, KRETFUNC };
struct call { enum how how; int dfd; int result; char path[128]; };
BPF_PERF_OUTPUT(calls);

static void tell(void *ctx, enum how how, int dfd, struct filename *name, int result)
{
    struct call call = { .how = how, .dfd = dfd, .result = result };

    if (!ebpf_traced())
        return;
    if (name)
        bpf_probe_read_kernel_str(call.path, sizeof(call.path), (void *)name->name);
    calls.perf_submit(ctx, &call, sizeof(call));
}
"""
BY_NAME = """
int kprobe__do_unlinkat(struct pt_regs *ctx, int dfd, struct filename *name)
{
    tell(ctx, KPROBE, dfd, name, 0);
    return 0;
}

int kretprobe__do_unlinkat(struct pt_regs *ctx)
{
    tell(ctx, KRETPROBE, 0, NULL, PT_REGS_RC(ctx));
    return 0;
}
"""
BY_MACRO = """
KFUNC_PROBE(do_unlinkat, int dfd, struct filename *name)
{
    tell(ctx, KFUNC, dfd, name, 0);
    return 0;
}

KRETFUNC_PROBE(do_unlinkat, int dfd, struct filename *name, int result)
{
    tell(ctx, KRETFUNC, dfd, NULL, result);
    return 0;
}
"""
BY_ATTACH = BY_NAME.replace("kretprobe__do_unlinkat", "on_return").replace("kprobe__do_unlinkat", "on_call")


@pytest.fixture(autouse=True)
def _bcc() -> None:
    require_bcc()


def unlink_twice(path: Path) -> None:
    """Unlink a file, and try to once more."""
    path.touch()
    path.unlink()
    path.unlink(missing_ok=True)


def told(program: Program) -> list[tuple[str, int, bytes, int]]:
    """What was told of each call, in order."""
    return [
        (str(event.value.how), event["dfd"], event["path"], event["result"]) for event in program.events.where("calls")
    ]


@with_kprobes
@pytest.mark.parametrize(
    ("text", "attach"),
    [
        pytest.param(BY_NAME, {}, id="by name"),
        pytest.param(
            BY_ATTACH, {"on_call": "kprobe:do_unlinkat", "on_return": "kretprobe:do_unlinkat"}, id="by attach"
        ),
        # What bpftrace calls so is a kprobe here, as in `ebpf_trace.kernel_function`.
        pytest.param(BY_ATTACH, {"on_call": "fentry:do_unlinkat", "on_return": "fexit:do_unlinkat"}, id="as bpftrace"),
    ],
)
def test_a_function_of_the_kernel_is_entered_and_left(
    ebpf_trace: Trace, tmp_path: Path, text: str, attach: dict[str, str | None]
) -> None:
    program = ebpf_trace.bcc(UNLINKING + text, attach=attach)
    path = tmp_path / "twice"
    unlink_twice(path)
    entry = ("KPROBE", AT_FDCWD, bytes(path), 0)
    assert told(program) == [entry, ("KRETPROBE", 0, b"", 0), entry, ("KRETPROBE", 0, b"", -errno.ENOENT)]


@with_kprobes
def test_a_return_by_a_macro_has_the_arguments_too(ebpf_trace: Trace, tmp_path: Path) -> None:
    program = ebpf_trace.bcc(UNLINKING + BY_MACRO)
    path = tmp_path / "twice"
    unlink_twice(path)
    entry = ("KFUNC", AT_FDCWD, bytes(path), 0)
    assert told(program) == [
        *(entry, ("KRETFUNC", AT_FDCWD, b"", 0)),
        *(entry, ("KRETFUNC", AT_FDCWD, b"", -errno.ENOENT)),
    ]


@with_kprobes
@pytest.mark.parametrize(
    ("name", "attach"),
    [
        ("syscall__on_mkdirat", {"syscall__on_mkdirat": "kprobe:sys_mkdirat"}),
        ("syscall__on_mkdirat", {"syscall__on_mkdirat": "kprobe:__x64_sys_mkdirat"}),
        ("kprobe____x64_sys_mkdirat", {}),
    ],
)
def test_a_system_call_is_called_as_each_kernel_calls_it(
    ebpf_trace: Trace, tmp_path: Path, name: str, attach: dict[str, str | None]
) -> None:
    program = ebpf_trace.bcc(
        "struct call { int dfd; u32 mode; char path[128]; };\nBPF_PERF_OUTPUT(calls);\n"
        f"int {name}(struct pt_regs *ctx, int dfd, const char __user *path, umode_t mode)\n{{\n"
        "    struct call call = { .dfd = dfd, .mode = mode };\n"
        "    bpf_probe_read_user_str(call.path, sizeof(call.path), (void *)path);\n"
        "    calls.perf_submit(ctx, &call, sizeof(call));\n    return 0;\n}\n",
        attach=attach,
    )
    folder = os.open(tmp_path, os.O_PATH)
    os.mkdir("made", 0o700, dir_fd=folder)
    os.close(folder)
    program.assert_event("calls", dfd=folder, mode=0o700, path="made", count=1)


@with_kprobes
def test_a_function_that_the_kernel_has_not(ebpf_trace: Trace) -> None:
    with pytest.raises(ProgramError) as caught:
        ebpf_trace.bcc("int kprobe__nope_nope(struct pt_regs *ctx) { return 0; }\n")
    said = str(caught.value)
    assert said.startswith(
        "pytest-ebpf: <text> cannot be used: BCC cannot attach it: Failed to attach BPF program kprobe__nope_nope to"
        ' kprobe nope_nope, it\'s not traceable (either non-existing, inlined, or marked as "notrace")'
    )


@with_kprobes
def test_a_macro_for_a_function_that_the_kernel_has_not(ebpf_trace: Trace) -> None:
    with pytest.raises(ProgramError) as caught:
        ebpf_trace.bcc("KFUNC_PROBE(nope_nope, int number) { return 0; }\n")
    assert str(caught.value).startswith(
        "pytest-ebpf: <text> cannot be used: the kernel refused its function kfunc__nope_nope: "
    )


@pytest.mark.parametrize(
    ("text", "attach"),
    [
        pytest.param("int tracepoint__sched__sched_process_exec(void *ctx)", {}, id="tracepoint__"),
        pytest.param("TRACEPOINT_PROBE(sched, sched_process_exec)", {}, id="TRACEPOINT_PROBE"),
        pytest.param("int on_it(void *ctx)", {"on_it": "tracepoint:sched:sched_process_exec"}, id="tracepoint:"),
        pytest.param("int raw_tracepoint__sched_process_exec(void *ctx)", {}, id="raw_tracepoint__"),
        pytest.param("RAW_TRACEPOINT_PROBE(sched_process_exec)", {}, id="RAW_TRACEPOINT_PROBE"),
        pytest.param("int on_it(void *ctx)", {"on_it": "raw_tracepoint:sched_process_exec"}, id="raw_tracepoint:"),
    ],
)
def test_a_tracepoint_is_named_in_each_way(ebpf_trace: Trace, text: str, attach: dict[str, str | None]) -> None:
    context = "args" if text.startswith("TRACEPOINT_PROBE") else "ctx"
    program = ebpf_trace.bcc(
        f"struct ran {{ u32 pid; }};\nBPF_PERF_OUTPUT(runs);\n{text}\n{{\n"
        f"    struct ran ran = {{ bpf_get_current_pid_tgid() >> 32 }};\n"
        f"    runs.perf_submit({context}, &ran, sizeof(ran));\n    return 0;\n}}\n",
        attach=attach,
    )
    subprocess.run(["true"], check=True)
    program.assert_event("runs", pid=ebpf_trace.assert_spawned("true").host_pid, count=1)


SOLD = """
struct sold { int number; char name[16]; };
struct closed { s64 sum; };
BPF_PERF_OUTPUT(sales);
BPF_PERF_OUTPUT(ends);

int on_sold(struct pt_regs *ctx)
{
    struct sold sold = {};
    u64 name = 0;

    bpf_usdt_readarg(1, ctx, &sold.number);
    bpf_usdt_readarg(2, ctx, &name);
    bpf_probe_read_user_str(sold.name, sizeof(sold.name), (void *)name);
    sales.perf_submit(ctx, &sold, sizeof(sold));
    return 0;
}

int on_closed(struct pt_regs *ctx)
{
    struct closed closed = {};

    bpf_usdt_readarg(1, ctx, &closed.sum);
    ends.perf_submit(ctx, &closed, sizeof(closed));
    return 0;
}
"""


def test_static_probes_are_attached_at_all_their_places(ebpf_trace: Trace, program: Callable[[str], str]) -> None:
    path = program("sells")
    traced = ebpf_trace.bcc(SOLD, attach={"on_sold": f"usdt:{path}:shop:sold", "on_closed": f"usdt:{path}:closed"})
    subprocess.run([path, "3", "40"], check=True)
    subprocess.run([path, "-5"], check=True)
    sold = [(event["number"], event["name"]) for event in traced.events.where("sales")]
    assert sold == [(3, b"3"), (40, b"40"), (-5, b"-5")]
    assert [event["sum"] for event in traced.events.where("ends")] == [43, 5]
    assert {event.process.comm for event in traced.events if event.process} == {"sells"}


def test_a_static_probe_with_a_semaphore_is_refused_as_bcc_cannot_set_it(ebpf_trace: Trace) -> None:
    if b"gc__start" not in Path(PYTHON).read_bytes():
        pytest.skip("needs a python3 with static probes, as Debian's")
    text = "int on_start(struct pt_regs *ctx) { return 0; }\n"
    with pytest.raises(ProgramError) as caught:
        ebpf_trace.bcc(text, attach={"on_start": f"usdt:{PYTHON}:python:gc__start"})
    assert str(caught.value) == (
        "pytest-ebpf: <text> cannot be used: BCC cannot use the USDT probe python:gc__start: Failed to enable USDT"
        " probe 'python:gc__start'\n"
        "  needs   a probe without a semaphore: BCC can set those of one process only\n"
        '  try     ebpf_trace.probe("usdt:PATH:python:gc__start"), or a program of libbpf\'s'
    )


def test_a_static_probe_that_is_not_there(ebpf_trace: Trace, program: Callable[[str], str]) -> None:
    place = f"usdt:{program('sells')}:shop:sald"
    with pytest.raises(UsageError) as caught:
        ebpf_trace.bcc(SOLD, attach={"on_sold": place, "on_closed": None})
    assert str(caught.value).startswith(f"attach={{'on_sold': {place!r}}}: ")
    assert "it has no static probe 'shop:sald'; nearest: shop:sold" in str(caught.value)
