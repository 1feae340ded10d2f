"""From a text of BCC's to a program that runs."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf.errors import ProgramError, UsageError
from pytest_ebpf.user_programs.bcc_types import BccTypes
from pytest_ebpf.user_programs.hosting import Hosted
from pytest_ebpf.user_programs.places import placed
from pytest_ebpf.user_programs.program import Program

if TYPE_CHECKING:
    from pytest_ebpf.history import History
    from pytest_ebpf.user_programs.types import BccRequest
    from pytest_ebpf.window import Window

__all__ = ["load_bcc"]

_TEXT = "<text>"


def load_bcc(history: History, asked: BccRequest, window: Window) -> Program:
    """Have a text compiled, loaded and attached; see `UserPrograms.bcc`."""
    text, shown, folder = _text_of(asked.program)
    host = history.session.host()
    since_ns = history.now()
    with placed(asked.attach) as places:
        body = {"name": shown, "attach": places.by_program, "cflags": [*asked.cflags, "-I", str(folder)]}
        try:
            answer = host.ask("load_bcc", text, places.files, **body)
        except ProgramError as error:
            raise ProgramError(f"pytest-ebpf: {shown} cannot be used: {error}", log=error.log) from None
    hosted = Hosted(host, answer)
    types = BccTypes(shown, base64.b64decode(answer.body["btf"]), answer.body["emits"], asked.types)
    return Program(history, hosted, types, window, shown, since_ns=since_ns, samples=places.samples)


def _text_of(program: str | os.PathLike[str]) -> tuple[bytes, str, Path]:
    """Return a text, what messages call it, and where the files lie that it includes.

    Raises:
        UsageError: There is no such file.
    """
    # No path has a line of C in it.
    if isinstance(program, str) and ("\n" in program or "{" in program):
        return program.encode("utf-8", "surrogateescape"), _TEXT, Path.cwd()
    path = Path(program)
    try:
        return path.read_bytes(), path.name, path.resolve().parent
    except OSError as error:
        raise UsageError(f"the program {os.fspath(program)} cannot be read: {error.strerror}") from None
