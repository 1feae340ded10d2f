"""What clang, BCC and the verifier said, in the words of an error."""

from __future__ import annotations

import ctypes
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_ebpf.engine.native import library
from pytest_ebpf.errors import Unavailable
from pytest_ebpf.host.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NotLoaded", "listening", "refusal"]

_SHOWN = 24
"""Lines of clang's words in an error; the whole is its log."""
_VERDICT = 12
"""Lines of the verifier's."""
_MESSAGE = re.compile(r"\S.*?:\d+(?::\d+)?: (?P<sort>(?:fatal )?error|warning|note): ")
_LAST = 3
"""Lines of BCC's own words."""
_BYTES = re.compile(r"b'([^']*)'")
_PROCESSED = re.compile(r"processed \d+ insns|HINT:|bpf: Failed to load program")


class NotLoaded(Exception):  # noqa: N818 - becomes a `Refused`
    """The kernel refused a function."""

    def __init__(self, function: str, error: int) -> None:
        super().__init__(function)
        self.function, self.error = function, error


@contextmanager
def listening(said: bytearray) -> Iterator[None]:
    """Take what clang, BCC and libbpf write to stdout and stderr: they have no other way to say it."""
    libc, lib = ctypes.CDLL(None), library()[1]
    file = os.memfd_create("pytest-ebpf-bcc", os.MFD_CLOEXEC)
    libc.fflush(None)
    kept = [os.dup(1), os.dup(2)]
    try:
        for number in (1, 2):
            os.dup2(file, number)
        # Clang ends its process where it does not know what to do: the log shall have its words.
        lib.pe_tell_at_crash(file, kept[1])
        yield
    finally:
        lib.pe_tell_at_crash(-1, -1)
        libc.fflush(None)
        for number, former in zip((1, 2), kept, strict=True):
            os.dup2(former, number)
            os.close(former)
        said += os.pread(file, os.fstat(file).st_size, 0)
        os.close(file)


def refusal(error: Exception, said: str, *, compiled: bool) -> Exception:
    """Return what the client is told.

    Args:
        error: What was raised.
        said: What was written meanwhile.
        compiled: Whether it was raised later than that.
    """
    if isinstance(error, Unavailable | Refused):
        return error
    if not compiled:
        return Refused("compile", f"BCC cannot compile it\n{_clangs(said)}", said)
    if isinstance(error, NotLoaded):
        why = os.strerror(error.error) if error.error else "BCC does not say why"
        verdict = _verifiers(said)
        return Refused("verify", f"the kernel refused its function {error.function}: {why}{verdict}", said)
    words = [line for line in said.splitlines() if line.strip()][-_LAST:]
    told = "".join(f"\n    {line}" for line in words)
    return Refused("attach", f"BCC cannot attach it: {_BYTES.sub(_unquoted, str(error))}{told}", said)


def _unquoted(match: re.Match[str]) -> str:
    return match[1]


def _clangs(said: str) -> str:
    """Return the errors among clang's messages, each with its lines; warnings are left out."""
    lines, kept, keeping = said.splitlines(), [], False
    for line in lines:
        if match := _MESSAGE.match(line):
            keeping = match["sort"] in {"error", "fatal error"} or (keeping and match["sort"] == "note")
        if keeping:
            kept.append(line)
    shown = kept or [line for line in lines if line.strip()][-_LAST:]  # a map that the kernel does not make
    more = f"\n    … and {len(shown) - _SHOWN} lines more" if len(shown) > _SHOWN else ""
    return "\n".join(f"    {line}" for line in shown[:_SHOWN]) + more


def _verifiers(said: str) -> str:
    """Return the last of what the verifier said."""
    lines = [line for line in said.splitlines() if line.strip() and not _PROCESSED.match(line)]
    return "".join(f"\n    {line}" for line in lines[-_VERDICT:])
