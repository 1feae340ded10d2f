"""Programs that wait in a call, for as long as a test likes."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from brokers import eventually
from calls_stream import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def waits_in(number: int, tid: int) -> bool:
    """Whether the thread sleeps in that call."""
    return Path(f"/proc/{tid}/syscall").read_text(encoding="ascii").split()[0] == str(number)


class Blocked(NamedTuple):
    process: subprocess.Popen[bytes]
    tids: set[int]

    def let_go(self, bytes_: int) -> None:
        assert self.process.stdin
        self.process.stdin.write(b"x" * bytes_)
        self.process.stdin.flush()


@contextlib.contextmanager
def blocked(path: str) -> Iterator[Blocked]:
    """A process of which two threads wait in read(2)."""
    with subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        tids = {int(process.stdout.readline()), int(process.stdout.readline())}
        assert eventually(lambda: all(waits_in(number_of("read"), tid) for tid in tids))
        yield Blocked(process, tids)
