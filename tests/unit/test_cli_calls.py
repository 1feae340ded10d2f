"""What ``pytest-ebpf trace --syscalls`` writes of the calls that it is told of."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import time
from typing import Any

import calls_stream
import pytest
from model_calls import Calling, started, tell
from model_stream import World, decode

from pytest_ebpf import cli_trace
from pytest_ebpf.cli_calls import Calls, Choice, Lines, summary
from pytest_ebpf.engine.calls import CallStore
from pytest_ebpf.history import History
from pytest_ebpf.syscalls.call import Syscall


def lines(world: Calling, **choice: Any) -> list[str]:
    chosen = Choice(**choice)
    writer = Lines(world.opened, chosen)
    return [writer.write(item) for item in Calls(world.opened, chosen.wanted).take()]


def test_calls_and_ends_are_written_as_strace_writes_them() -> None:
    world, cat = started()
    world.call(cat, "close", (3,))
    world.call(cat, "close", (3,), -9)
    world.call(cat, "exit_group", (1,), unfinished=True)
    world.exit(cat, 1)

    assert lines(world) == [
        "close(3)                                = 0",
        "close(3)                                = -1 EBADF (Bad file descriptor)",
        "exit_group(1)                           = ?",
        "+++ exited with 1 +++",
    ]


def test_whose_a_line_is_stands_before_it_from_the_second_threads_first_line_on() -> None:
    world, cat = started()
    world.call(cat, "close", (3,))
    thread = world.thread(cat)
    world.call(cat, "close", (4,))
    world.call(thread, "close", (5,))
    world.call(cat, "close", (6,))
    world.exit(thread, live=1)

    assert [re.sub(r" += 0", "", line) for line in lines(world)] == [
        *("close(3)", "close(4)", "4102  close(5)", "4101  close(6)", "4102  +++ exited with 0 +++"),
    ]


def test_a_thread_that_the_test_cannot_see_has_its_number_on_the_host() -> None:
    world, cat = started()
    world.call(cat, "close", (3,))
    inner = world.exec(world.fork(cat, pid=0, tid=0), "true")
    world.call(inner, "close", (4,))

    assert lines(world)[1].startswith("host:4102 close(4) ")


def test_lines_stand_in_the_order_in_which_calls_returned() -> None:
    world, sh = started()
    child = world.exec(world.fork(sh), "true")
    early = world.tick()
    world.call(child, "close", (3,))
    world.exit(child)
    world.call(sh, "fsync", (4,), entered_ns=early, duration=world.now + 1 - early)

    assert [line.split(" = ")[0].rstrip() for line in lines(world)] == [
        *("close(3)", "+++ exited with 0 +++", "4101  fsync(4)"),
    ]


def test_what_this_tool_does_itself_is_left_out() -> None:
    world = Calling()
    world.call(world.root, "close", (3,))
    world.call(world.forked, "close", (4,))
    world.call(world.forked, "execve", (), -2)
    world.call(world.forked, "close", (5,))
    before = world.tick()
    cat = world.start()
    world.call(cat, "execve", entered_ns=before, duration=world.now + 1 - before)
    world.call(world.root, "close", (6,))
    world.exit(world.thread(world.root), live=1)

    assert [line.split("(")[0] for line in lines(world)] == ["execve"]


def test_each_call_is_told_once() -> None:
    world, cat = started()
    calls = Calls(world.opened, None)
    world.call(cat, "close", (3,))
    assert len(list(calls.take())) == 1
    assert list(calls.take()) == []
    world.call(cat, "close", (4,))
    world.exit(cat)
    [call, end] = calls.take()
    assert isinstance(call, Syscall)
    assert (call.args["fd"], end.kind if not isinstance(end, Syscall) else "call") == (4, "exit")
    assert list(calls.take()) == []


def test_a_call_that_has_not_returned_says_so() -> None:
    world, cat = started()
    world.call(cat, "fsync", (3,), in_progress=True)
    assert lines(world) == ["fsync(3 <unfinished ...>"]


def test_a_call_that_returned_while_it_was_looked_for_is_told_as_it_returned() -> None:
    world, cat = started()
    at = world.tick()
    world.call(cat, "fsync", (3,), in_progress=True, entered_ns=at)
    world.call(cat, "fsync", (3,), -5, entered_ns=at)
    assert lines(world) == ["fsync(3)                                = -1 EIO (Input/output error)"]


def test_a_call_in_which_its_thread_ended_says_so() -> None:
    world, cat = started()
    world.call(cat, "fsync", (3,), unfinished=True)
    world.exit(cat, signal=signal.SIGKILL)
    assert lines(world) == [
        "fsync(3 <unfinished ...>)               = ?",
        "+++ killed by SIGKILL +++",
    ]


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"signal": 11, "core": True}, "+++ killed by SIGSEGV (core dumped) +++"),
        ({"signal": 40}, "+++ killed by signal 40 +++"),
    ],
)
def test_a_signal_that_ended_a_process_is_told(how: dict[str, Any], text: str) -> None:
    world, cat = started()
    world.exit(cat, **how)
    assert lines(world) == [text]


def test_a_call_of_another_abi_is_marked() -> None:
    world, cat = started()
    world.call(cat, "close", (3,), abi="compat")
    world.call(cat, "close", (4,), abi="x32")
    assert [line.split(" =")[0].rstrip() for line in lines(world)] == ["[compat] close(3)", "[x32] close(4)"]


def test_a_call_without_a_name_has_its_number_and_its_words() -> None:
    world, cat = started()
    world.call(cat, 0x3E7, (1, 2), -38)
    assert lines(world) == [
        "syscall_0x3e7(0x1, 0x2, 0x0, 0x0, 0x0, 0x0) = -1 ENOSYS (Function not implemented)",
    ]


def test_times_are_of_the_day_and_durations_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    world, cat = started()
    monkeypatch.setattr("time.localtime", time.gmtime)
    at = world.now  # 11:22:33.5 on some day
    monkeypatch.setattr("time.time_ns", lambda: (20_000 * 86_400 + 11 * 3600 + 22 * 60 + 33) * 10**9 + 5 * 10**8)
    world.call(cat, "close", (3,), entered_ns=at, duration=1_234_567)
    world.call(cat, "fsync", (3,), entered_ns=at, duration=1_234_568, unfinished=True)

    assert lines(world, times=True) == [
        "11:22:33.500000 close(3)                = 0 <0.001235>",
        "11:22:33.500000 fsync(3 <unfinished ...>) = ?",
    ]


def test_paths_are_written_behind_descriptors_and_escaped() -> None:
    world, cat = started()
    world.session.calls += calls_stream.file(7, "/src/a\n>\udcff", window=1)
    world.call(cat, "close", (3,), files=(7,))
    world.call(cat, "openat", (-100, 0, 0), 3, files=(0, 7))

    assert lines(world)[0] == "close(3)                                = 0"
    close, openat = lines(world, paths=True)
    assert close == r"close(3</src/a\n>\377>)                 = 0"
    assert openat.startswith("openat(AT_FDCWD, NULL, ")
    assert openat.endswith(r" = 3</src/a\n>\377>")


def test_what_is_no_text_is_escaped() -> None:
    world, cat = started()
    world.call(cat, "openat", (-100, 1, 0), -2, pieces=[(0, b'/\xff\x1b[2J\n"')])
    [line] = lines(world)
    assert line.startswith(r'openat(AT_FDCWD, "/\377\33[2J\n\"", ')
    assert line.isascii()


def test_only_the_calls_that_were_asked_for_are_told() -> None:
    world, cat = started()
    world.call(cat, "close", (3,))
    # Recorded whether or not it was asked for.
    world.call(cat, "io_uring_setup", (1, 2), 5)
    # What has the number of another ABI's.
    world.call(cat, calls_stream.number_of("close"), (4,), abi="compat")
    world.exit(cat)
    assert lines(world, wanted={"native": {calls_stream.number_of("close")}}) == [
        "close(3)                                = 0",
        "+++ exited with 0 +++",
    ]


def counts(world: Calling, wanted: dict[str, set[int]] | None = None) -> dict[str, tuple[int, int]]:
    return {name: (count.calls, count.errors) for name, count in summary(world.opened, wanted).items()}


def test_a_summary_counts_what_the_lines_tell() -> None:
    world = Calling()
    world.call(world.root, "close", (3,))
    world.call(world.forked, "close", (4,))
    world.call(world.forked, "execve", (), -2)
    before = world.tick()
    cat = world.start()
    world.call(cat, "execve", entered_ns=before, duration=world.now + 1 - before)
    world.call(cat, "close", (5,))
    world.call(world.exec(world.fork(cat), "true"), "close", (6,), -9)

    assert counts(world) == {"execve": (1, 0), "close": (2, 1)}
    assert counts(world, {"native": {calls_stream.number_of("close")}}) == {"close": (2, 1)}


def test_a_summary_without_the_command_s_execve_has_nothing_of_what_was_before() -> None:
    world = Calling()
    world.call(world.forked, "close", (4,))
    world.call(world.start(), "close", (5,))

    assert counts(world) == {"close": (1, 0)}


def test_a_summary_of_a_command_that_never_began_is_empty() -> None:
    world = Calling()
    world.call(world.forked, "close", (4,))

    assert counts(world) == {}


def run(monkeypatch: pytest.MonkeyPatch, act: Any, choice: Choice, *, as_json: bool = False) -> list[str]:
    """Run ``true`` while the world tells what another command does."""
    world = World()
    original = subprocess.Popen

    def popen(*arguments: Any, **keywords: Any) -> Any:
        act(world)
        return original(*arguments, **keywords)

    monkeypatch.setattr("subprocess.Popen", popen)
    monkeypatch.setattr("pytest_ebpf.history.History.check_process", lambda _: None)
    monkeypatch.setattr("pytest_ebpf.history.History.is_running", lambda *_: False)
    out = io.StringIO()
    history = History(world.session, decode, calls=CallStore())
    assert cli_trace.run(["true"], history, as_json=as_json, calls=choice, out=out) == 0
    assert world.session.snapshots == (not choice.summary)
    return out.getvalue().splitlines()


def acting(world: World) -> None:
    cat = world.exec(world.fork(world.root), "cat")
    tell(world, cat, "close", (3,))
    tell(world, cat, "io_uring_setup", (1, 0), 3)
    world.exit(cat)
    world.session.lost.update(urings=1, lost_records=2, lost_bytes=10)


def test_what_is_missing_is_said_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run(monkeypatch, acting, Choice(wanted={"native": {calls_stream.number_of("close")}}))
    assert lines == [
        "close(3)                                = 0",
        "+++ exited with 0 +++",
        "incomplete: 2 records (10 B) did not fit in the ring of 8 MiB",
        "incomplete: 4101 cat (exit 0) has an io_uring: its operations are not system calls",
    ]


def test_a_summary_stands_in_the_place_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = run(monkeypatch, acting, Choice(summary=True))
    assert lines[0] == "% time     seconds  usecs/call     calls    errors syscall"
    assert [line.split()[-1] for line in lines[2:-4]] == ["close", "io_uring_setup"]
    assert lines[-3].split()[-2:] == ["2", "total"]
    assert [line.split(":")[0] for line in lines[-2:]] == ["incomplete"] * 2


def test_json_has_the_calls_then_the_processes_then_the_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = [json.loads(line) for line in run(monkeypatch, acting, Choice(), as_json=True)]
    assert [each["type"] for each in objects] == ["syscall", "syscall", "process", "losses"]
    assert [each["process"]["pid"] for each in objects[:2]] == [objects[2]["pid"]] * 2
    assert (objects[3]["lost_records"], objects[3]["complete"]) == (2, False)
    assert objects[3]["io_urings"] == [objects[0]["process"]]


GOOD = " (write all, none, or names, patterns and groups such as %file)"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--syscalls=close,opne"],
            "argument --syscalls: there is no system call 'opne' on this machine; did you mean 'open' or 'clone'?"
            + GOOD,
        ),
        (["--syscalls="], f"argument --syscalls: there is no system call '' on this machine{GOOD}"),
        (["--syscalls", "--data=32K"], "argument --data: at most 16K of a call's data can be copied, not 32K"),
        (
            ["--syscalls", "--data=-1"],
            "argument --data: '-1' is no size; write bytes, or a number with K, M or G, such as 8M",
        ),
        (["--data=1"], "argument --data: it is about system calls: say --syscalls too"),
        (["--times"], "argument --times: it is about system calls: say --syscalls too"),
        (["--paths"], "argument --paths: it is about system calls: say --syscalls too"),
        (["--summary"], "argument --summary: it is about system calls: say --syscalls too"),
        (["--syscalls", "--summary", "--json"], "argument --json: not allowed with argument --summary"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        cli_trace.main([*words, "--", "true"])
    assert refused.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "usage: pytest-ebpf trace [--syscalls[=SET]] [-e PROBE ...] [OPTION ...] -- COMMAND [ARGUMENT ...]",
        f"pytest-ebpf trace: error: {said}",
    ]


def test_a_file_that_cannot_be_written_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_trace.main(["-o", "/no/such/folder/file", "--", "true"]) == 125
    assert capsys.readouterr().err == (
        "pytest-ebpf trace: '/no/such/folder/file' cannot be written: No such file or directory\n"
    )


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["--syscalls", "--", "git", "--syscalls", "--", "x"], ["git", "--syscalls", "--", "x"]),
        (["--syscalls", "cat", "x"], ["cat", "x"]),
    ],
)
def test_the_set_of_calls_is_never_taken_from_the_command(words: list[str], command: list[str]) -> None:
    options, choice = cli_trace._options(words)
    assert (options.command, choice) == (command, Choice())
