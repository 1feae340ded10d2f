"""The tracers that `calls` compares with, each told to tell of one system call of one program.

Each is asked for as little as it can be asked for: bpftrace and BCC are not told to follow children, and record
the one call only, where `ebpf_trace` follows them and records every call with what its descriptors are.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import harness
from peers import CannotRun, found, run, with_tracefs
from programs import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["VARIANTS", "Variant"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the loop."""

    calls: int
    """How many are enough: the slow ones get fewer."""
    trace: Callable[[str, Sequence[str], Path], int]
    """Runs a command that makes a call over and over, in the folder of the programs; returns how many of the
    calls it told of."""


_BPFTRACE = {
    "getppid": "tracepoint:syscalls:sys_exit_getppid /pid == cpid/ "
    '{ printf("%d %d %d getppid\\n", nsecs, tid, args->ret); }',
    "openat": "tracepoint:syscalls:sys_enter_openat /pid == cpid/ { @path[tid] = args->filename; } "
    "tracepoint:syscalls:sys_exit_openat /@path[tid]/ "
    '{ printf("%d %d %s %d openat\\n", nsecs, tid, str(@path[tid]), args->ret); delete(@path[tid]); }',
}


def _untraced(call: str, command: Sequence[str], folder: Path) -> int:  # noqa: ARG001 - as the others
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    return 0


def _ours(call: str, command: Sequence[str], folder: Path) -> int:
    """Trace the command in a test of pytest, with all that is on by default."""
    told = folder / "told"
    pytest = harness.pytest_command("test_calls.py", "--ebpf=require")
    harness.run(pytest, result=told, call=call, command="\n".join(command))
    return int(told.read_text(encoding="utf-8"))


def _libbpf(kind: str) -> Callable[[str, Sequence[str], Path], int]:
    def trace(call: str, command: Sequence[str], folder: Path) -> int:
        output = folder / "attached"
        run([str(folder / "attach"), str(folder / f"{kind}-{call}.o"), *command], output)
        records, _lost = map(int, output.read_text().split())
        return records

    return trace


def _strace(call: str, command: Sequence[str], folder: Path) -> int:
    output = folder / "strace"
    run([found("strace"), "-f", "-o", str(output), *command], folder / "stdout")
    return len(re.findall(rf"^\d+ +{call}\(", output.read_text(errors="replace"), re.MULTILINE))


def _bpftrace(call: str, command: Sequence[str], folder: Path) -> int:
    output = folder / "bpftrace"
    run(with_tracefs([found("bpftrace"), "-e", _BPFTRACE[call], "-c", " ".join(command)]), output)
    return output.read_text(errors="replace").count(f" {call}\n")


def _bcc(call: str, command: Sequence[str], folder: Path) -> int:
    output = folder / "bcc"
    python = "/usr/bin/python3"  # the distribution's, to which BCC belongs
    if subprocess.run([python, "-c", "import bcc"], capture_output=True, check=False).returncode:
        raise CannotRun(f"{python} has no BCC (apt-get install python3-bpfcc)")
    run(with_tracefs([python, str(SOURCES / "bcc_calls.py"), call, *command]), output)
    return int(output.read_text().split()[-1])


VARIANTS = {
    "untraced": Variant(500_000, _untraced),
    "ebpf_trace": Variant(500_000, _ours),
    "libbpf, the least": Variant(500_000, _libbpf("floor")),
    "libbpf, wakes its reader": Variant(500_000, _libbpf("prompt")),
    "BCC, ring and callback": Variant(500_000, _bcc),
    "bpftrace printf": Variant(200_000, _bpftrace),
    "strace -f": Variant(10_000, _strace),
}
