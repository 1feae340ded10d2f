"""The tracers that `spawn` compares with, each started as its manual says.

Those that need tracefs get it in a mount namespace of their own, if it is not mounted: nothing is left behind.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import harness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["PEERS", "CannotRun", "Peer", "ebpf_trace", "found", "run", "untraced", "with_tracefs"]

_TRACEFS = Path("/sys/kernel/tracing")
_START_TIMEOUT = 30.0
"""Seconds; BCC compiles its program with clang at every start."""

_BPFTRACE = """\
tracepoint:sched:sched_process_exec { printf("exec %d %s\\n", pid, str(args->filename)); }
tracepoint:sched:sched_process_exit { printf("exit %d\\n", pid); }
"""


class CannotRun(Exception):  # noqa: N818 - it is an answer, not an error
    """A peer cannot run on this machine; says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A tracer."""

    spawns: int
    """How many spawns are enough: the slow ones get fewer."""
    trace: Callable[[Sequence[str], Path], int]
    """Runs a command under the tracer, in a folder, and returns how many ``/bin/true`` it told of."""


def found(program: str) -> str:
    """Return where a program is; raise `CannotRun` if nowhere."""
    path = shutil.which(program)
    if path is None:
        raise CannotRun(f"{program} is not installed")
    return path


def with_tracefs(command: Sequence[str]) -> list[str]:
    """Return a command that runs that one with tracefs mounted, if it is not."""
    if (_TRACEFS / "events").exists():
        return list(command)
    mount = f'mount -t tracefs tracefs {_TRACEFS} && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, "sh", *command]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it ended and said nothing"])[-1]


def run(command: Sequence[str], output: Path) -> None:
    """Run a tracer that runs the command itself, with what it tells in a file."""
    with output.open("wb") as stdout:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
        )
    if done.returncode:
        raise CannotRun(_last_line(done.stderr))


def _strace(*options: str) -> Callable[[Sequence[str], Path], int]:
    def trace(command: Sequence[str], folder: Path) -> int:
        output = folder / "strace"
        run([found("strace"), *options, "-f", "-e", "trace=execve", "-o", str(output), *command], folder / "stdout")
        return output.read_text(errors="replace").count('execve("/bin/true"')

    return trace


def _bpftrace(command: Sequence[str], folder: Path) -> int:
    # It starts the command itself (-c), by execve without a search of PATH, and splits at blanks.
    output = folder / "bpftrace"
    run(with_tracefs([found("bpftrace"), "-e", _BPFTRACE, "-c", " ".join(command)]), output)
    return output.read_text(errors="replace").count(" /bin/true\n")


def _execsnoop(command: Sequence[str], folder: Path) -> int:
    """Run BCC's execsnoop beside the command, from its heading on until what it tells stops coming."""
    output = b""
    with (
        (folder / "stderr").open("w+", encoding="utf-8") as stderr,
        subprocess.Popen(
            with_tracefs([found("execsnoop-bpfcc")]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr
        ) as tracer,
    ):
        assert tracer.stdout is not None  # noqa: S101 - it is a pipe
        try:
            if not select.select([tracer.stdout], [], [], _START_TIMEOUT)[0]:
                raise CannotRun(f"said nothing for {_START_TIMEOUT:g} s")
            if not os.read(tracer.stdout.fileno(), 65536):
                tracer.wait()
                stderr.seek(0)
                raise CannotRun(_last_line(stderr.read()))
            with subprocess.Popen(command, stdin=subprocess.DEVNULL) as spawner:
                while (ready := select.select([tracer.stdout], [], [], 1.0)[0]) or spawner.poll() is None:
                    piece = os.read(tracer.stdout.fileno(), 65536) if ready else b""
                    if ready and not piece:
                        tracer.wait()
                        stderr.seek(0)
                        raise CannotRun(_last_line(stderr.read()))
                    output += piece
        finally:
            tracer.terminate()
    time.sleep(0.1)  # its perf buffers are gone before the next variant begins
    return output.count(b"/bin/true")


PEERS = {
    "strace --seccomp-bpf": Peer(200, _strace("--seccomp-bpf")),
    "strace": Peer(200, _strace()),
    "bpftrace": Peer(500, _bpftrace),
    "BCC execsnoop": Peer(500, _execsnoop),
}


def ebpf_trace(*options: str) -> Callable[[Sequence[str], Path], int]:
    """Return what traces the command in a test of pytest, which also asks for all processes."""

    def trace(command: Sequence[str], folder: Path) -> int:
        told = folder / "told"
        run = harness.pytest_command("test_spawn.py", "--ebpf=require", *options)
        harness.run(run, result=told, command="\n".join(command))
        return int(told.read_text(encoding="utf-8").split()[0])

    return trace


def untraced(command: Sequence[str], folder: Path) -> int:  # noqa: ARG001 - as the others
    """Run the command with nothing attached."""
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    return 0
