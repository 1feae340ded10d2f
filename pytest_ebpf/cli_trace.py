"""``pytest-ebpf trace``: run a command and show what could be asserted of it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, TextIO

from pytest_ebpf import report
from pytest_ebpf.broker.launch import new_run_directory
from pytest_ebpf.errors import BrokerError, Unavailable
from pytest_ebpf.jsonable import losses_to_dict, process_to_dict
from pytest_ebpf.settings import Settings
from pytest_ebpf.trace import Trace
from pytest_ebpf.tracer import Tracer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_ebpf.history import History
    from pytest_ebpf.losses import Losses

__all__ = ["main", "parser", "run", "to_json", "to_text"]

# What a shell returns (POSIX, 2.8.2 Exit Status for Commands).
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127
_BY_SIGNAL = 128
_CANNOT_TRACE = 125  # as env(1) and timeout(1) say that they themselves failed


def parser() -> argparse.ArgumentParser:
    """Return the parser of the subcommand's arguments."""
    made = argparse.ArgumentParser(
        prog="pytest-ebpf trace",
        usage="pytest-ebpf trace [--json] [--environ] -- COMMAND [ARGUMENT ...]",
        description="Run a command and draw the tree of its processes. The exit status is the command's.",
    )
    made.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a line: each process with all its fields, then the losses; the command's own "
        "standard output goes to standard error",
    )
    made.add_argument("--environ", action="store_true", help="show the environment of each program too (with --json)")
    made.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, and its arguments")
    return made


def main(words: Sequence[str]) -> int:
    """Run the subcommand; return its exit status.

    Args:
        words: The command line after ``trace``.
    """
    options = parser().parse_args(words)
    try:
        tracer = Tracer(new_run_directory(), os.getpid(), os.environ.get("PYTEST_EBPF_BROKER") or None, ends=True)
        try:
            history = tracer.history(Settings().ring_size)
            session = tracer.session
            session.capture_environ = options.environ
            return run(options.command, history, as_json=options.json)
        finally:
            tracer.close()
    except (Unavailable, BrokerError) as error:
        sys.stderr.write(f"{error}\n")
        return _CANNOT_TRACE


def run(
    command: Sequence[str],
    history: History,
    *,
    as_json: bool,
    out: TextIO | None = None,
) -> int:
    """Run a command in a session of its own; return its exit status as a shell would.

    Args:
        command: And its arguments.
        history: Of a session that is open, and this process's.
        as_json: One object a line, not a tree.
        out: Where to print; None: standard output.
    """
    out = sys.stdout if out is None else out
    with Trace(history) as trace:
        try:
            # Standard output is for the JSON alone.
            process = subprocess.Popen(command, stdout=sys.stderr if as_json else None)
        except OSError as error:
            sys.stderr.write(f"pytest-ebpf trace: {command[0]!r} cannot be run: {error.strerror}\n")
            return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
        try:
            status = process.wait()
        except KeyboardInterrupt:  # the terminal sent it to the command too
            status = process.wait()
        lines = to_json(trace) if as_json else to_text(trace)
        for line in lines:
            print(line, file=out, flush=True)
    return _BY_SIGNAL - status if status < 0 else status


def to_text(trace: Trace) -> Iterator[str]:
    """Draw the processes of a trace, without the one that runs them, and say what is missing."""
    yield from report.tree(trace.window, with_test=False)
    yield from _warnings(trace.losses, trace.window.history.session.ring_size)


def to_json(trace: Trace) -> Iterator[str]:
    """Write each process of a trace, and then the losses, as a line of JSON."""
    for process in trace.processes.seen():
        if process != trace.root:
            yield json.dumps(process_to_dict(process))
    yield json.dumps(losses_to_dict(trace.losses))


def _warnings(losses: Losses, ring_size: int) -> Iterator[str]:
    for gap in losses.gaps(ring_size):
        yield f"incomplete: {gap.why}"
