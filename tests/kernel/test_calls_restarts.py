"""Calls that a signal interrupts: each try is a call, told as strace tells it of the very same run."""

from __future__ import annotations

import errno
import itertools
import subprocess
from typing import TYPE_CHECKING

import pytest
import strace_lines
from calls_stream import number_of
from tiers import require_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from call_stream import Call, Tracing

RESTARTS = {512: "ERESTARTSYS", 513: "ERESTARTNOINTR", 514: "ERESTARTNOHAND", 516: "ERESTART_RESTARTBLOCK"}
"""``linux/errno.h``: of the kernel's own; errno(3) has none of them."""

Told = tuple[int, str]
"""A call: its number and how it ended."""


def ours(calls: list[Call]) -> Iterator[Told]:
    for call in calls:
        if call.unfinished:
            yield call.number, "?"
        elif -call.result in RESTARTS:
            yield call.number, f"? {RESTARTS[-call.result]}"
        elif -4096 < call.result < 0:
            yield call.number, f"-1 {errno.errorcode[-call.result]}"
        else:
            yield call.number, str(call.result)


def theirs(lines: list[strace_lines.Line]) -> Iterator[Told]:
    for line in lines:
        words = line.result.split()
        if words[0] == "?" or words[0] == "-1":
            yield number_of(line.name), " ".join(words[:2])
        else:
            yield number_of(line.name), str(int(words[0], 0))


@pytest.fixture
def beside(
    tracing: Tracing, program: Callable[[str], str], tmp_path: Path
) -> tuple[list[Call], list[strace_lines.Line]]:
    """The calls of the interrupted program, ours and strace's."""
    require_command("strace")
    output = tmp_path / "strace"
    subprocess.run(["strace", "-f", "-o", str(output), program("interrupted")], check=True)
    with output.open(encoding="utf-8", errors="surrogateescape") as file:
        return tracing.calls(), list(strace_lines.parse(file))


def test_each_try_of_an_interrupted_call_is_one_as_strace_tells_it(
    beside: tuple[list[Call], list[strace_lines.Line]],
) -> None:
    calls, lines = beside
    tids = list(dict.fromkeys(line.tid for line in lines))
    assert len(tids) == 2
    for tid in tids:
        told = list(ours([call for call in calls if call.host_tid == tid]))
        if tid == tids[0]:
            # What strace's child did before it executed the program.
            told = list(itertools.dropwhile(lambda each: each[0] != number_of("execve"), told))
        assert told == list(theirs([line for line in lines if line.tid == tid]))
    seen = {end for _, end in theirs(lines)}
    assert seen >= {"? ERESTARTSYS", "? ERESTARTNOHAND", "? ERESTART_RESTARTBLOCK", "-1 EINTR"}
    assert number_of("restart_syscall") in {number_of(line.name) for line in lines}


def test_a_call_that_goes_on_after_the_handler_is_made_anew(tracing: Tracing, program: Callable[[str], str]) -> None:
    with subprocess.Popen([program("interrupted")]) as running:
        pass
    assert running.returncode == 0
    calls = [call for call in tracing.calls(pid=running.pid) if call.entered_ns]
    reads = [call for call in calls if call.number == number_of("read") and call.args[2] == 1]
    # Of the first the last try got the byte; the second was not restarted (no SA_RESTART).
    assert [call.result for call in reads] == [-512, -512, 1, -512]
    assert all(before.time_ns < after.entered_ns for before, after in itertools.pairwise(reads))
    returns = [call.result for call in calls if call.number == number_of("rt_sigreturn")]
    # The registers that it gives back: the first two are set to call again, the others say EINTR.
    assert returns[:2] == [number_of("read"), number_of("read")]
    assert set(returns[2:]) >= {-errno.EINTR}
    assert all(not call.unfinished for call in calls[:-1])
    slept = [call for call in calls if call.number in {number_of("nanosleep"), number_of("restart_syscall")}]
    assert [(call.number, call.result) for call in slept] == [
        (number_of("nanosleep"), -516),
        (number_of("nanosleep"), -516),
        (number_of("restart_syscall"), 0),
    ]
