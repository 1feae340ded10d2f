"""The helpers of ``pytest_ebpf.bcc.h`` read what the process says of itself, and BCC's plain access does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bcc_here import require_bcc
from tiers import require_command

if TYPE_CHECKING:
    from pytest_ebpf import Trace

TELLS = Path(__file__).parents[1] / "programs/tells_itself.py"

NAMESPACES = ("mnt", "pid", "pid_for_children", "net", "uts", "ipc", "cgroup", "time", "time_for_children", "user")

TEXT = """
#include <linux/sched.h>
#include <linux/nsproxy.h>
#include <linux/pid_namespace.h>

struct facts {
    u32 pid, tid, ppid, level;
    u32 numbers[4];
    u32 plain;
    u64 exe_inode;
#define EACH(name) u32 ns_##name;
    ALL
#undef EACH
};
BPF_HASH(seen, u32, struct facts);

TRACEPOINT_PROBE(syscalls, sys_enter_sched_yield)
{
    if (!ebpf_traced()) return 0;
    struct task_struct *task = (struct task_struct *)bpf_get_current_task();
    struct facts facts = {};
    u32 key = bpf_get_current_pid_tgid() >> 32, level = task->thread_pid->level;
    facts.pid = ebpf_namespace_pid(task);
    facts.tid = ebpf_namespace_tid(task);
    facts.ppid = ebpf_namespace_ppid(task);
    facts.level = ebpf_pid_level(task);
    for (int i = 0; i < 4; i++)
        facts.numbers[i] = ebpf_pid_at(task, i);
    facts.plain = task->group_leader->thread_pid->numbers[level].nr;
    facts.exe_inode = ebpf_exe_inode(task);
#define EACH(name) facts.ns_##name = ebpf_ns_##name(task);
    ALL
#undef EACH
    seen.update(&key, &facts);
    return 0;
}
"""
ALL = f"-DALL={' '.join(f'EACH({name})' for name in NAMESPACES)}"

PYTHON = [sys.executable, "-I", "-S", str(TELLS)]
NESTED = ["unshare", "--fork", "--pid"]


@pytest.fixture(autouse=True)
def _bcc() -> None:
    require_bcc()
    require_command("unshare")


def told_and_seen(trace: Trace, *command: str) -> tuple[dict[str, Any], Any]:
    """Run what tells of itself, and return that, and what the program saw."""
    program = trace.bcc(TEXT, cflags=[ALL])
    program["seen"].clear()
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    ((_, seen),) = [item for item in program["seen"].items() if item[1].exe_inode == told["exe_inode"]]
    return told, seen


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([], id="here"),
        pytest.param(NESTED, id="in a pid namespace"),
        pytest.param([*NESTED, *NESTED], id="in two"),
        pytest.param([*NESTED, "sh", "-c", '"$@"; true', "sh"], id="below its init"),
    ],
)
def test_pids_are_those_that_the_process_sees_itself(ebpf_trace: Trace, before: list[str]) -> None:
    told, seen = told_and_seen(ebpf_trace, *before, *PYTHON)
    assert (seen.pid, seen.tid, seen.ppid) == (told["pid"], told["tid"], told["ppid"])
    assert (seen.level, list(seen.numbers)) == (
        len(told["numbers"]) - 1,
        [*told["numbers"], *[0] * (4 - len(told["numbers"]))],
    )


def test_bccs_plain_access_reads_the_outermost_number(ebpf_trace: Trace) -> None:
    # Should it read the right one some day, the helper is no longer needed.
    told, seen = told_and_seen(ebpf_trace, *NESTED, *PYTHON)
    assert seen.plain == told["numbers"][0]
    assert seen.plain != told["pid"] == seen.pid


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([], id="here"),
        pytest.param(
            ["unshare", "--fork", "--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup", "--time", "--user"],
            id="in others",
        ),
    ],
)
def test_namespaces_are_those_of_proc(ebpf_trace: Trace, before: list[str]) -> None:
    told, seen = told_and_seen(ebpf_trace, *before, *PYTHON)
    assert {name: seen[f"ns_{name}"] for name in NAMESPACES} == {name: told["namespaces"][name] for name in NAMESPACES}
    changed = [name for name in NAMESPACES if seen[f"ns_{name}"] != Path(f"/proc/self/ns/{name}").stat().st_ino]
    assert changed == ([*NAMESPACES] if before else [])


def test_those_of_children_to_be_are_told_apart(ebpf_trace: Trace) -> None:
    told, seen = told_and_seen(ebpf_trace, *PYTHON, "unshare")
    for name in ("pid", "time", "time_for_children"):
        assert seen[f"ns_{name}"] == told["namespaces"][name]
    assert seen.ns_pid_for_children != seen.ns_pid
    assert seen.ns_time_for_children != seen.ns_time


def test_the_running_program_is_the_file_that_stat_tells_of(ebpf_trace: Trace) -> None:
    told, seen = told_and_seen(ebpf_trace, *PYTHON)
    assert seen.exe_inode == told["exe_inode"] == Path(sys.executable).stat().st_ino
