"""Return probes and seccomp: what this kernel does is what is found out."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tiers import require_command

from pytest_ebpf.engine import uretprobe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_ebpf import Trace

SOURCE = r"""
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
int twice(int n) { return n * 2; }
int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 335, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { 4, code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		return 1;
	return twice(21) != 42;
}
"""


def test_a_program_under_a_filter_survives_or_the_danger_is_known(ebpf_trace: Trace, tmp_path: Path) -> None:
    require_command("gcc")
    command: list[str | Path] = ["gcc", "-g", "-x", "c", "-", "-o", tmp_path / "program"]
    subprocess.run(command, input=SOURCE, text=True, check=True)
    calls = ebpf_trace.uprobe(tmp_path / "program", "twice", returns="s32")
    status = subprocess.run([tmp_path / "program"], check=False).returncode
    filtered = ebpf_trace.window.history.session.returns_filtered()
    assert (status != 0) == filtered
    if not filtered:
        assert calls.one().result == 42


def outcome(number: int, filtered: int) -> Callable[[object], bool | None]:
    """What children meet on a kernel: that of the call, and that of the call under a filter."""
    found: dict[Any, int] = {uretprobe._call: number, uretprobe._filter_and_call: filtered}

    def killed(act: object) -> bool | None:
        return {signal.SIGILL: True, 0: False}.get(found[act])

    return killed


@pytest.mark.parametrize(
    ("number", "filtered", "expected"),
    [
        (signal.SIGILL, 0, True),  # 6.11: the filter's answer came
        (signal.SIGILL, signal.SIGILL, False),  # passed through
        (0, 0, False),  # 6.10 and earlier: there is no such call
        (signal.SIGILL, 99, False),  # no filter can be set: so nobody else has one
    ],
)
def test_what_children_meet_tells(monkeypatch: pytest.MonkeyPatch, number: int, filtered: int, expected: bool) -> None:
    monkeypatch.setattr(uretprobe, "_killed_by_sigill", outcome(number, filtered))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert uretprobe.filters_answer.__wrapped__() is expected


def test_no_child_is_left() -> None:
    assert uretprobe.filters_answer.__wrapped__() in {True, False}
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
