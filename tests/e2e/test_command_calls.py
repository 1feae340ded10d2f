"""``pytest-ebpf trace --syscalls``, on real programs."""

from __future__ import annotations

import collections
import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import strace_lines
from e2e.typed import COMMAND, typed
from tiers import require_command

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.conftest import Suite

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _own_folder(suite: Suite) -> None:
    """Run directories lie where they are seen."""
    assert not suite.run_directories()


def traced(tmp_path: Path, *words: str, options: tuple[str, ...] = ()) -> list[str]:
    """Trace a command's system calls into a file; return the file's lines."""
    command = [COMMAND, "trace", "--syscalls", *options, "-o", str(tmp_path / "calls"), "--", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert done.stderr == b""
    return (tmp_path / "calls").read_text().splitlines()


def objects(tmp_path: Path, *words: str, options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Trace a command's system calls as JSON; return the calls."""
    found = [json.loads(line) for line in traced(tmp_path, *words, options=("--json", *options))]
    assert found[-1]["type"] == "losses"
    assert found[-1]["complete"]
    return [each for each in found if each["type"] == "syscall"]


def test_the_calls_of_one_process_read_like_strace(tmp_path: Path) -> None:
    file = tmp_path / "a file\n"
    file.write_text("content")
    lines = traced(tmp_path, "cat", str(file))

    # Nothing of what this tool did before the command ran, and in a process alone no numbers.
    assert re.fullmatch(r'execve\("/\S+/cat", \["cat", ".*/a file\\n"\], .*\) += 0', lines[0])
    assert sum(line.startswith("execve(") for line in lines) == 1
    assert lines[-2:] == ["exit_group(0)                           = ?", "+++ exited with 0 +++"]
    [opened] = [line for line in lines if line.startswith("openat(") and "a file" in line]
    assert re.fullmatch(r'openat\(AT_FDCWD, "/.*/a file\\n", .*\) += 3', opened)
    at = lines.index(opened)
    assert any(line.startswith("close(3) ") for line in lines[at:])


def test_each_line_of_several_processes_begins_with_its_number(tmp_path: Path) -> None:
    lines = traced(tmp_path, "sh", "-c", "echo data | cat; exit 3", options=("--paths", "--data=64"))

    born = re.search(r"^(?:v?fork|clone3?)\(.* = (\d+)$", "\n".join(lines), re.MULTILINE)
    assert born
    shell = [line for line in lines if not re.match(r"\d+ ", line)]
    assert shell
    assert lines[: len(shell)] == shell, "no line is without a number once there was one with it"
    whose = {line.split()[0] for line in lines[len(shell) :]}
    assert len(whose) == 3, "sh, its child that echoes, cat"
    assert born[1] in whose
    assert [line.split(None, 1)[1] for line in lines if "+++" in line] == [
        *["+++ exited with 0 +++"] * 2,
        "+++ exited with 3 +++",
    ]
    assert any(re.match(r'\d+ +read\(0<[^>]+>, "data\\n", \d+\) += 5$', line) for line in lines)


def test_a_program_that_a_signal_ended_is_told_with_the_call_that_it_was_in(tmp_path: Path) -> None:
    lines = traced(tmp_path, sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert lines[-2].startswith("kill(")
    assert lines[-1] == "+++ killed by SIGKILL +++"

    lines = traced(tmp_path, "timeout", "--signal=TERM", "0.5", "sleep", "60")
    [asleep] = [line for line in lines if re.search(r"nanosleep\(.* <unfinished \.\.\.>\) = \?$", line)]
    number = asleep.split()[0]
    assert f"{number} +++ killed by SIGTERM +++" in [" ".join(line.split()) for line in lines]


_THREADS = """
import os, sys, threading

def work():
    os.close(os.open(f"/proc/self/task/{threading.get_native_id()}", os.O_RDONLY))

for _ in range(3):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    print(thread.native_id)
"""


@pytest.mark.parametrize("through", [(), ("unshare", "--pid", "--fork", "--mount-proc")], ids=["", "namespace"])
def test_threads_are_told_apart_by_the_numbers_that_this_tool_sees(through: tuple[str, ...], own_broker: Suite) -> None:
    output = own_broker.path / "calls"
    command = [*through, COMMAND, "trace", "--syscalls", "-o", str(output), "--", sys.executable, "-c", _THREADS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = output.read_text().splitlines()
    assert len(done.stdout.split()) == 3
    for number in done.stdout.split():
        [opened] = [line for line in lines if f'"/proc/self/task/{number}"' in line]
        assert opened.split()[0] == number
        assert sum(" ".join(line.split()) == f"{number} +++ exited with 0 +++" for line in lines) == 1


def test_json_has_each_call_with_what_it_named(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"f\xff")
    file.write_bytes(b"\0\xffdata")
    calls = objects(tmp_path, "cat", str(file), options=("--data=4",))

    [opened] = [call for call in calls if call["name"] == "openat" and call["args"]["path"]["raw"] == str(file)]
    assert opened["result"]["value"] == 3
    assert opened["result"]["file"]["path"] == str(file)
    assert opened["result"]["file"]["inode"] == file.stat().st_ino
    assert opened["time_ns"] > opened["process"]["start_ns"]
    read = next(call for call in calls if call["name"] == "read" and call["args"]["fd"] == opened["result"])
    assert (read["args"]["buf"], read["result"], read["truncated"]) == ("\0\xffda", 6, ["buf"])
    assert read["raw_args"][0] == "0x3"
    assert {call["tid"] for call in calls} == {opened["process"]["pid"]}


_MUCH = """
import os, resource, select, signal, socket, subprocess, threading, time

one, other = socket.socketpair()
socket.send_fds(one, [b"hi"], [1])
socket.recv_fds(other, 10, 1)
one.sendmsg([b"x", b"yy"])
poll = select.epoll()
poll.register(other)
poll.poll(0)
select.select([other], [], [], 0)
server, client = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
server.bind("\\0" + str(os.getpid()))
server.listen()
client.connect(server.getsockname())
server.accept()[0].getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.kill(os.getpid(), signal.SIGUSR1)
signal.sigwaitinfo([signal.SIGUSR1])
resource.getrusage(resource.RUSAGE_SELF)
os.sched_getaffinity(0)
time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID)
os.times()
threading.Thread(target=time.sleep, args=[0]).start()
subprocess.run(["sh", "-c", "exit 4"])
os.waitid(os.P_PID, os.posix_spawn("/bin/true", ["true"], {}), os.WEXITED)
"""


def test_json_takes_whatever_arguments_can_be(tmp_path: Path) -> None:
    calls = objects(tmp_path, sys.executable, "-c", _MUCH, options=("--data=100",))

    def first(name: str) -> Any:
        return next(call["args"] for call in calls if call["name"] == name)

    [rights] = first("sendmsg")["msg"]["msg_control"]
    assert (rights["cmsg_type"]["name"], rights["cmsg_data"][0]["value"]) == ("SCM_RIGHTS", 1)
    assert [part["iov_base"] for part in first("sendmsg")["msg"]["msg_iov"]] == ["hi"]
    connected = next(call["args"]["addr"] for call in calls if call["name"] == "connect" and call["result"] == 0)
    assert (connected["family"]["name"], connected["abstract"]) == ("AF_UNIX", True)
    assert connected["path"] == f"@{calls[0]['process']['pid']}"
    assert first("getsockopt")["optlen"] == {"value": 8, "room": 8}
    assert [signal["name"] for signal in first("rt_sigtimedwait")["set"]] == ["SIGUSR1"]
    assert first("wait4")["wstatus"]["exit_code"] == 4
    assert first("waitid")["infop"]["si_code"]["name"] == "CLD_EXITED"
    assert first("getrusage")["usage"]["ru_utime"]["tv_sec"] == 0


def test_json_on_standard_output_is_alone_there() -> None:
    done = typed("trace", "--syscalls=execve", "--json", "--", "echo", "hello")
    assert done.stderr == "hello\n"
    assert [json.loads(line)["type"] for line in done.stdout.splitlines()] == ["syscall", "process", "losses"]


def test_a_set_of_calls_can_be_chosen(tmp_path: Path) -> None:
    done = typed("trace", "--syscalls=%file,clo*,!execve", "-o", tmp_path / "calls", "--", "true")
    assert (done.returncode, done.stderr) == (0, "")
    names = {line.split("(")[0] for line in (tmp_path / "calls").read_text().splitlines()}
    assert names >= {"openat", "close", "+++ exited with 0 +++"}
    assert not names & {"execve", "read", "mmap", "exit_group"}


def test_times_are_written_when_they_are_asked_for(tmp_path: Path) -> None:
    lines = traced(tmp_path, "sleep", "0.01", options=("--times",))
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{6} ", line) for line in lines)
    [slept] = [line for line in lines if "nanosleep(" in line]
    duration = re.search(r" <(\d+\.\d{6})>$", slept)
    assert duration
    assert 0.01 <= float(duration[1]) < 10


def test_a_summary_counts_as_strace_does(tmp_path: Path) -> None:
    require_command("strace")
    script = "ls /no/such; cat < /etc/hostname | wc -l; (exit 3)"
    done = typed("trace", "--syscalls", "--summary", "-o", tmp_path / "ours", "--", "sh", "-c", script)
    assert done.returncode == 3
    # Not strace -c: strace 6.1 crashes where it counts uretprobe(2), by which the return probes of other tests work.
    strace = ["strace", "-f", "-o", str(tmp_path / "theirs"), "sh", "-c", script]
    beside = subprocess.run(strace, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert beside.returncode == 3
    # How often the shell waits, and what signals interrupt, is another in each run.
    sure = {"execve", "openat", "close", "write", "access", "mmap", "mprotect"}
    lines = list(strace_lines.parse((tmp_path / "theirs").read_text().splitlines()))
    calls = collections.Counter(line.name for line in lines)
    errors = collections.Counter(line.name for line in lines if line.result.startswith("-1 "))
    rows = (line.split() for line in (tmp_path / "ours").read_text().splitlines()[2:-2])
    assert {row[-1]: row[3:-1] for row in rows if row[-1] in sure} == {
        name: [str(counted[name]) for counted in (calls, errors) if counted[name]] for name in sure
    }


def test_lines_appear_while_the_command_runs() -> None:
    script = "true < /first; read line; true < /second"
    # If it came only at the end, the second file would never be opened.
    command = [COMMAND, "trace", "--syscalls=openat", "--", "timeout", "20", "sh", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdin
        assert running.stdout
        assert any(b'"/first"' in line for line in running.stdout)
        rest, _ = running.communicate(b"\n", timeout=60)
        assert b'"/second"' in rest


def test_an_interrupt_is_left_to_the_command() -> None:
    script = "trap 'exit 7' INT; rmdir /no/such; while :; do sleep 0.01; done"
    # A shell cannot trap what was ignored when it began, as it is in a script's background.
    started = ["env", "--default-signal=INT", COMMAND, "trace", "--syscalls=rmdir,exit_group"]
    with subprocess.Popen(
        [*started, "--", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as running:
        assert running.stdout
        running.stdout.readline()
        # As a terminal does, to all of them.
        os.killpg(running.pid, signal.SIGINT)
        rest, _ = running.communicate(timeout=60)
        assert running.returncode == 7
        assert rest.splitlines()[-1].endswith(b"+++ exited with 7 +++")


def test_a_reader_that_has_enough_does_not_end_the_command(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9; do true | true; done; touch done"
    reading = f"'{COMMAND}' trace --syscalls -- sh -c '{script}' | head -n1"
    done = subprocess.run(["sh", "-c", reading], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.startswith("execve(")
    assert done.stderr == ""
    assert (tmp_path / "done").exists()


def test_what_lives_on_shows_the_call_that_it_is_in(tmp_path: Path) -> None:
    lines = traced(tmp_path, "sh", "-c", f"sleep 60 > /dev/null 2>&1 & echo $! > {tmp_path}/pid; sleep 0.2")
    number = (tmp_path / "pid").read_text().strip()
    os.kill(int(number), signal.SIGKILL)
    assert any(re.fullmatch(rf"{number} +\w*nanosleep\(.* <unfinished \.\.\.>", line) for line in lines), lines[-5:]


def test_who_sets_up_an_io_uring_is_named(tmp_path: Path) -> None:
    script = "import ctypes; print(ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120)))"
    output = tmp_path / "calls"
    done = typed("trace", "--syscalls=getppid", "-o", output, "--", sys.executable, "-c", script)
    assert int(done.stdout) >= 0, "io_uring_setup(2) did not succeed"
    assert re.fullmatch(
        r"incomplete: \d+ \S*python\S* -c .* \(exit 0\) has an io_uring: its operations are not system calls",
        output.read_text().splitlines()[-1],
    )


_LINKS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import asking

files = Path(f"/proc/{asking.status().pid}/fdinfo").iterdir()
print(sum("link_type:" in file.read_text() for file in files if file.exists()))
"""


def test_without_system_calls_nothing_that_records_them_is_attached(own_broker: Suite) -> None:
    def links(*options: str) -> int:
        command = [sys.executable, "-c", _LINKS, str(own_broker.path)]
        return int(typed("trace", *options, "-o", own_broker.path / "calls", "--", *command).stdout)

    assert links() < links("--syscalls=execve")
