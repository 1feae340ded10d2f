"""Calls that do not return, or return elsewhere than they were made: exits, execs, forks, signals."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from brokers import eventually
from calls_stream import number_of
from waiting import waits_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from call_stream import Call, Tracing

MAKERS = {number_of(name) for name in ("fork", "vfork", "clone", "clone3")}


def run(tracing: Tracing, *command: str) -> tuple[list[Call], list[int]]:
    """The calls of a program, and the numbers that it says."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        said, _ = running.communicate()
    assert running.returncode == 0
    return tracing.calls(pid=running.pid), [int(word) for word in said.split()]


def named(calls: list[Call], name: str) -> list[Call]:
    return [call for call in calls if call.number == number_of(name)]


def test_the_end_of_a_process_is_its_only_unfinished_call(tracing: Tracing, program: Callable[[str], str]) -> None:
    calls, _ = run(tracing, program("caller"), "getppid")
    assert [call.number for call in calls if call.unfinished] == [number_of("exit_group")]
    last = calls[-1]
    assert (last.unfinished, last.args[0], last.result) == (True, 0, 0)


def test_the_end_of_a_thread_is_unfinished_and_the_others_go_on(
    tracing: Tracing, program: Callable[[str], str]
) -> None:
    calls, [tid] = run(tracing, program("ends"), "exit of a thread")
    [left] = named(calls, "exit")
    assert (left.host_tid, left.args[0], left.unfinished) == (tid, 7, True)
    assert left.host_pid != tid
    [ended] = named(calls, "exit_group")
    assert (ended.host_tid, ended.unfinished) == (left.host_pid, True)
    assert calls.index(left) < calls.index(ended)


def test_what_a_killed_process_was_in_is_unfinished_and_shows_no_error(
    tracing: Tracing, program: Callable[[str], str]
) -> None:
    with subprocess.Popen([program("ends"), "kill"], stdout=subprocess.PIPE) as running:
        assert running.stdout
        tids = {int(running.stdout.readline()), int(running.stdout.readline())}
        assert eventually(lambda: all(waits_in(number_of("pause"), tid) for tid in tids))
        running.send_signal(signal.SIGKILL)
    calls = tracing.calls(pid=running.pid)
    killed = [call for call in calls if call.unfinished]
    assert {call.host_tid for call in killed} == tids
    assert {call.number for call in killed} == {number_of("pause")}
    # The kernel's own "call again" (-514, ERESTARTNOHAND), which sys_exit sees, nobody was told.
    assert {call.result for call in killed} == {0}
    assert [call for call in named(calls, "pause") if not call.unfinished] == []


def test_an_exec_by_a_thread_that_is_not_the_leader_returns_and_ends_what_the_others_were_in(
    tracing: Tracing, program: Callable[[str], str]
) -> None:
    command = (program("ends"), "execve of a thread", "/bin/sh", "-c", "kill -0 $$; echo $$")
    calls, (tid, pid) = run(tracing, *command)
    [execve] = [call for call in named(calls, "execve") if call.host_tid != pid]
    assert (execve.host_tid, execve.result, execve.unfinished) == (tid, 0, False)
    [waited] = named(calls, "pause")
    assert (waited.host_tid, waited.unfinished, waited.result) == (pid, True, 0)
    after = [call for call in calls if call.entered_ns > execve.time_ns]
    assert {call.host_tid for call in after} == {pid}
    assert named(after, "kill")
    assert [call.number for call in after if call.unfinished] == [number_of("exit_group")]


def test_a_successful_exec_returns_under_its_own_number(tracing: Tracing, program: Callable[[str], str]) -> None:
    for name in ("execve", "execveat"):
        calls, _ = run(tracing, program("ends"), name, "/bin/true")
        first, own = (call for call in calls if call.number in {number_of("execve"), number_of("execveat")})
        assert (first.number, own.number) == (number_of("execve"), number_of(name))  # the first is subprocess's
        assert (own.result, own.unfinished) == (0, False)


def test_the_return_from_a_signal_handler_has_its_own_number(tracing: Tracing, program: Callable[[str], str]) -> None:
    calls, _ = run(tracing, program("ends"), "rt_sigreturn")
    [returned] = named(calls, "rt_sigreturn")
    before = calls[calls.index(returned) - 1]
    assert before.number == number_of("tgkill")
    # It gives back the registers of what was interrupted: tgkill(2), which had succeeded.
    assert (returned.result, returned.unfinished) == (0, False)
    # On x86-64 that leaves -1 where the number is: not a call more, none under another number.
    assert [call.number for call in calls[calls.index(returned) + 1 :]] == [number_of("exit_group")]


def test_a_child_has_no_part_of_the_call_that_made_it(tracing: Tracing, program: Callable[[str], str]) -> None:
    for how in ("vfork", "posix_spawn"):
        with subprocess.Popen([program("spawner"), how, "/bin/true"], stdout=subprocess.PIPE, text=True) as running:
            said, _ = running.communicate()
        child = int(said)
        calls = tracing.calls()
        [made] = [call for call in calls if call.host_pid == running.pid and call.number in MAKERS]
        assert (made.result, made.unfinished) == (child, False)
        of_child = [call for call in calls if call.host_pid == child]
        assert not {call.number for call in of_child} & MAKERS
        assert all(call.entered_ns > made.entered_ns for call in of_child)
        # The parent is held until the child has executed its program: so the first call is there, too.
        execve = next(call for call in of_child if call.number == number_of("execve"))
        assert execve.result == 0
        assert made.time_ns > execve.entered_ns
        assert of_child[-1].number == number_of("exit_group")


def test_a_forks_child_begins_with_its_own_first_call(tracing: Tracing) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.write(writing, b"x")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    calls = tracing.calls(pid=child)
    numbers = [call.number for call in calls]
    # Between fork(2) and these Python and the C library do what they must (set_robust_list, mmap, ...).
    assert not MAKERS & set(numbers)
    begin = numbers.index(number_of("close"))
    assert numbers[begin:] == [number_of(name) for name in ("close", "write", "exit_group")]
    assert (calls[begin].args[0], calls[begin + 1].args[0]) == (reading, writing)
    assert all(first.time_ns <= second.entered_ns for first, second in itertools.pairwise(calls))
