"""``pytest-ebpf trace``: run a command and show what could be asserted of it."""

from __future__ import annotations

import argparse
import contextlib
import heapq
import json
import math
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from pytest_ebpf import report
from pytest_ebpf.broker.launch import new_run_directory
from pytest_ebpf.cli_calls import Calls, Choice, Endings, Lines, summary, told_ns
from pytest_ebpf.cli_functions import FunctionCalls
from pytest_ebpf.errors import BrokerError, Unavailable, UsageError
from pytest_ebpf.functions.call import FunctionCall
from pytest_ebpf.functions.wanted import parse
from pytest_ebpf.jsonable import function_to_dict, losses_to_dict, process_to_dict, reference, syscall_to_dict
from pytest_ebpf.processes import Process
from pytest_ebpf.settings import MAX_DATA_LIMIT, Settings, Syscalls, data_limit
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.syscalls.selection import parse_recorded
from pytest_ebpf.trace import Trace
from pytest_ebpf.tracer import Tracer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_ebpf._values import Gap
    from pytest_ebpf.cli_calls import Ending
    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.history import History

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
        usage="pytest-ebpf trace [--syscalls[=SET]] [-e PROBE ...] [OPTION ...] -- COMMAND [ARGUMENT ...]",
        description="Run a command and draw the tree of its processes, or write its system calls as strace(1) does, or "
        "its calls of functions. The exit status is the command's.",
    )
    made.add_argument(
        "-e",
        "--probe",
        action="append",
        default=[],
        metavar="PROBE",
        help="write the calls of a function, each when it was called, or has returned if that is asked for: "
        "'uprobe:./program:function num=s32@arg0'; likewise usdt:, tracepoint:, kprobe:; may be repeated",
    )
    made.add_argument(
        "--syscalls",
        metavar="[=SET]",
        help="write the system calls, each when it has returned; SET: only these: names, patterns such as open* and "
        "groups such as %%file, separated by commas, with ! before each that is left out",
    )
    made.add_argument("--times", action="store_true", help="write when each call was entered, and how long it took")
    made.add_argument("--paths", action="store_true", help="write what the file descriptors are")
    made.add_argument(
        "--data",
        type=_data_limit,
        default=0,
        metavar="N",
        help=f"write up to N bytes of what each call reads or writes (default: 0; at most {MAX_DATA_LIMIT})",
    )
    form = made.add_mutually_exclusive_group()
    form.add_argument("--summary", action="store_true", help="count the calls, and do not write them")
    form.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a line: each call and each process with all its fields, then the losses; the "
        "command's own standard output goes to standard error, unless there is -o",
    )
    made.add_argument("--environ", action="store_true", help="show the environment of each program too (with --json)")
    made.add_argument("-o", "--output", metavar="FILE", help="write to this file, and not to standard output")
    made.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, and its arguments")
    return made


def _data_limit(word: str) -> int:
    try:
        return data_limit(word, "--data")
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("--data: ")) from None


def _options(words: Sequence[str]) -> tuple[argparse.Namespace, Choice | None]:
    """Read the command line; exit with status 2 if it cannot be understood."""
    made = parser()
    # The option's value is optional, and no word that follows can be taken for it: that is the command.
    end = words.index("--") if "--" in words else len(words)
    options = made.parse_args(
        ["--syscalls=all" if word == "--syscalls" else word for word in words[:end]] + [*words[end:]]
    )
    try:
        options.probe = [parse(text) for text in options.probe]
    except UsageError as error:
        made.error(f"argument -e: {error}")
    if options.syscalls is None:
        for name in ("times", "paths", "data", "summary"):
            if getattr(options, name) and not (name == "times" and options.probe):
                made.error(f"argument --{name}: it is about system calls: say --syscalls too")
        return options, None
    try:
        numbers = parse_recorded(options.syscalls, "--syscalls").numbers()
    except UsageError as error:
        made.error(f"argument {error}")
    wanted = None if numbers is None else {abi: frozenset(each) for abi, each in numbers.items()}
    return options, Choice(wanted=wanted, times=options.times, paths=options.paths, summary=options.summary)


def main(words: Sequence[str]) -> int:
    """Run the subcommand; return its exit status.

    Args:
        words: The command line after ``trace``.
    """
    options, choice = _options(words)
    try:
        out = sys.stdout if options.output is None else open(options.output, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - of the same name as typed; closed below
    except OSError as error:
        sys.stderr.write(f"pytest-ebpf trace: {options.output!r} cannot be written: {error.strerror}\n")
        return _CANNOT_TRACE
    broker = os.environ.get("PYTEST_EBPF_BROKER") or None
    try:
        tracer = Tracer(new_run_directory(), os.getpid(), broker, ends=True, calls=choice is not None)
        try:
            history = tracer.apply(
                Settings(
                    environ=options.environ,
                    syscalls=Syscalls(options.syscalls or "none", "--syscalls"),
                    data_limit=options.data,
                    children_only=True,
                )
            )
            return run(
                options.command,
                history,
                as_json=options.json,
                calls=choice,
                probes=options.probe,
                times=options.times,
                out=out,
            )
        finally:
            tracer.close()
            if out is not sys.stdout:
                out.close()
    except UsageError as error:
        sys.stderr.write(f"pytest-ebpf trace: {error}\n")
        return _CANNOT_TRACE
    except (Unavailable, BrokerError) as error:
        sys.stderr.write(f"{error}\n")
        return _CANNOT_TRACE


def run(  # noqa: PLR0913 - all by their names
    command: Sequence[str],
    history: History,
    *,
    as_json: bool,
    calls: Choice | None = None,
    probes: Sequence[Wanted] = (),
    times: bool = False,
    out: TextIO | None = None,
) -> int:
    """Run a command in a session of its own; return its exit status as a shell would.

    Args:
        command: And its arguments.
        history: Of a session that is open, and this process's.
        as_json: One object a line, not text.
        calls: Which system calls to write as they return; None: none, and the session records none.
        probes: Functions whose calls to write.
        times: Whether to write when these were made, and how long they took.
        out: Where to print; None: standard output.

    Raises:
        UsageError: There is no such function.
    """
    out = sys.stdout if out is None else out
    with Trace(history) as trace:
        functions = FunctionCalls(trace, [trace.probe(each) for each in probes])
        live = None
        if probes or not (calls is None or calls.summary):
            live = _live(trace, calls or Choice(times=times), functions, as_json=as_json, calls=calls is not None)
        try:
            # Where the JSON goes, nothing else does.
            process = subprocess.Popen(command, stdout=sys.stderr if as_json and out is sys.stdout else None)
        except OSError as error:
            sys.stderr.write(f"pytest-ebpf trace: {command[0]!r} cannot be run: {error.strerror}\n")
            return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
        with _interrupts_are_the_commands():
            status = (
                process.wait()
                if live is None
                else _follow(process, trace, lambda *, last: _print(live(last=last), out))
            )
        _print(_rest(trace, calls, as_json=as_json, tree=not probes), out)
    return _BY_SIGNAL - status if status < 0 else status


@contextlib.contextmanager
def _interrupts_are_the_commands() -> Iterator[None]:
    """Leave it to the command what a Ctrl-C does: the terminal sends it there too."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


class _Live(Protocol):
    def __call__(self, *, last: bool) -> Iterator[str]: ...


class _Show(Protocol):
    def __call__(self, *, last: bool) -> None: ...


def _live(trace: Trace, choice: Choice, functions: FunctionCalls, *, as_json: bool, calls: bool) -> _Live:
    """Return what gives the lines of what returned since it was last called; at the end, of all."""
    system = Calls(trace, choice.wanted) if calls else Endings(trace, killed=True)
    lines = Lines(trace, choice)

    def take(*, last: bool) -> Iterator[Syscall | FunctionCall | Ending]:
        of_functions = functions.take(last=last)  # which learns what is new, for the other too
        return heapq.merge(system.take(), of_functions, key=told_ns)

    if as_json:
        return lambda *, last: (
            json.dumps(_to_dict(each)) for each in take(last=last) if isinstance(each, Syscall | FunctionCall)
        )
    return lambda *, last: map(lines.write, take(last=last))


def _to_dict(call: Syscall | FunctionCall) -> dict[str, Any]:
    return syscall_to_dict(call) if isinstance(call, Syscall) else function_to_dict(call)


def _follow(process: subprocess.Popen[bytes], trace: Trace, show: _Show) -> int:
    """Show what is new whenever there is something, until the command has ended; return its status."""
    session = trace.window.history.session
    ended = os.pidfd_open(process.pid)
    try:
        while process.poll() is None:
            session.wait(math.inf, ended)
            show(last=False)
        if trace.window.history.has_calls:
            # Those of its descendants that live on are inside.
            session.snapshot()
        show(last=True)
    finally:
        os.close(ended)
        status = process.wait()
    return status


def _print(lines: Iterable[str], out: TextIO) -> None:
    try:
        for line in lines:
            print(line, file=out)
        out.flush()
    except BrokenPipeError:
        # Whoever read has enough. The command goes on, and what is still in the buffer has to go somewhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)


def _rest(trace: Trace, calls: Choice | None, *, as_json: bool, tree: bool) -> Iterator[str]:
    """Return the lines that the end brings."""
    if as_json:
        yield from to_json(trace, calls=calls is not None)
    elif calls is None and tree:
        yield from to_text(trace)
    else:
        if calls is not None and calls.summary:
            yield str(summary(trace, calls.wanted))
        yield from _warnings(trace)


def to_text(trace: Trace) -> Iterator[str]:
    """Draw the processes of a trace, without the one that runs them, and say what is missing."""
    yield from report.tree(trace.window, with_test=False)
    yield from _warnings(trace)


def to_json(trace: Trace, *, calls: bool = False) -> Iterator[str]:
    """Write each process of a trace, and then the losses, as a line of JSON.

    Args:
        trace: Whose.
        calls: Whether system calls were recorded, so that it is known who does things without them.
    """
    for process in trace.processes.seen():
        if process != trace.root:
            yield json.dumps(process_to_dict(process))
    losses = losses_to_dict(trace.losses)
    if calls:
        window = trace.window
        losses["io_urings"] = [reference(Process(life, window)) for life, _ in window.history.urings.users(window)]
    functions = [gap.why for gap in _function_gaps(trace)]
    if functions:
        losses.update(complete=False, functions=functions)
    yield json.dumps(losses)


def _function_gaps(trace: Trace) -> list[Gap]:
    """Say what may be missing of function calls, beside what is missing of everything."""
    if not trace.window.history.functions.of(trace.window):
        return []
    general = trace.window.gaps()
    return [gap for gap in trace.functions.evidence()[1] if gap not in general]


def _warnings(trace: Trace) -> Iterator[str]:
    window = trace.window
    for gap in [*window.gaps(), *_function_gaps(trace)]:
        yield f"incomplete: {gap.why}"
    for life, _ in window.history.urings.users(window):
        who = report.brief(Process(life, window))
        yield f"incomplete: {who} has an io_uring: its operations are not system calls"
