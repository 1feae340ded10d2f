"""The command ``pytest-ebpf``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Args:
        arguments: Without the command's name; None: those of this process.
    """
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Who reads has seen enough; the interpreter's own last flush is not to complain (SIGPIPE, signal(3)).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _run(words: list[str]) -> int:
    if words[:1] == ["trace"]:
        # Its own parser knows where the traced command's arguments begin.
        from pytest_ebpf import cli_trace  # noqa: PLC0415 - loads the extension

        return int(cli_trace.main(words[1:]))
    options = _parser().parse_args(words)
    if options.command == "serve":
        from pytest_ebpf.broker.administrator import serve  # noqa: PLC0415 - each command pays for itself

        return serve(options.uid, options.socket, allow_programs=options.allow_programs)
    if options.command == "list":
        from pytest_ebpf import cli_list  # noqa: PLC0415 - reads binaries

        return cli_list.main(options.probe)
    from pytest_ebpf.doctor import doctor  # noqa: PLC0415 - likewise

    return doctor()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pytest-ebpf", description="Kernel-behaviour assertions for pytest.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "doctor",
        help="what this machine can do, what is missing, and what mends it",
        description="Check whether tests can trace here. Exit status: 0 if they can, 1 if not.",
    )
    commands.add_parser("trace", help="run a command and show what it did", add_help=False)
    listing = commands.add_parser(
        "list",
        help="what can be probed: functions and static probes, with their arguments where these are known",
        description="List what can be probed. Exit status: 0 if there is anything, 1 if not.",
    )
    listing.add_argument("probe", metavar="PROBE", help="'uprobe:./program:*' or 'usdt:/usr/bin/python3:*'")
    serve = commands.add_parser(
        "serve",
        help="run a broker for a user who has no privilege (as root)",
        description="Load the kernel programs, and trace for one user until interrupted. Prints what that user pastes.",
    )
    serve.add_argument("--uid", type=_uid, required=True, metavar="N", help="the user to serve, besides root")
    serve.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="where to listen, in a directory that exists (default: /run/pytest-ebpf/N/socket)",
    )
    serve.add_argument(
        "--allow-programs",
        action="store_true",
        help="let that user load BPF programs too, which can read whatever the kernel can: as good as root",
    )
    return parser


def _uid(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) >= 2**32 - 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no user id; it is a number, as `id --user` prints it")
    return int(text)
