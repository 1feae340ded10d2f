"""The tracers that `functions` compares with, each told to tell of one function of one program."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import harness
from peers import CannotRun, found, run, with_tracefs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["VARIANTS", "Variant"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the loop."""

    calls: int
    """How many are enough: the slow ones get fewer."""
    trace: Callable[[Sequence[str], Path], int]
    """Runs a command that calls ``called`` over and over, in the folder of the programs; returns how many of the
    calls it told of."""


def _untraced(command: Sequence[str], folder: Path) -> int:  # noqa: ARG001 - as the others
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    return 0


def _ours(command: Sequence[str], folder: Path) -> int:
    """Trace the command in a test of pytest; no system calls, of which the others do not tell."""
    told = folder / "told"
    pytest = harness.pytest_command("test_functions.py", "--ebpf=require", "--ebpf-syscalls=none")
    harness.run(pytest, result=told, command="\n".join(command))
    return int(told.read_text(encoding="utf-8"))


def _bpftrace(program: str, told: str) -> Callable[[Sequence[str], Path], int]:
    def trace(command: Sequence[str], folder: Path) -> int:
        output = folder / "bpftrace"
        text = program.format(path=command[0])
        run(with_tracefs([found("bpftrace"), "-e", text, "-c", " ".join(command)]), output)
        lines = output.read_text(errors="replace")
        if count := re.search(r"^@: (\d+)$", lines, re.MULTILINE):
            return int(count[1])
        return lines.count(told)

    return trace


def _ltrace(command: Sequence[str], folder: Path) -> int:
    output = folder / "ltrace"
    run([found("ltrace"), "-x", "called", "-L", "-o", str(output), *command], folder / "stdout")
    return output.read_text(errors="replace").count("called")


def _gdb(command: Sequence[str], folder: Path) -> int:
    output = folder / "gdb"
    text = r'dprintf called,"%d %ld %s\n", $edi, $rsi, (char *)$rdx'
    asked = ["-batch", "-nx", "-ex", "set debuginfod enabled off", "-ex", text, "-ex", "run"]
    run([found("gdb"), *asked, "--args", *command], output)
    told = output.read_text(errors="replace").count("a name of some letters")
    if not told:
        raise CannotRun("gdb told of no call")
    return told


VARIANTS = {
    "untraced": Variant(1_000_000, _untraced),
    "ebpf_trace": Variant(1_000_000, _ours),
    "bpftrace @ = count()": Variant(1_000_000, _bpftrace("uprobe:{path}:called {{ @ = count(); }}", "")),
    "bpftrace printf": Variant(
        200_000,
        _bpftrace('uprobe:{path}:called {{ printf("%d %d %s\\n", arg0, arg1, str(arg2)); }}', " a name of some"),
    ),
    "gdb dprintf": Variant(1_000, _gdb),
    "ltrace -x": Variant(5_000, _ltrace),
}
