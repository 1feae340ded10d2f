"""What strace(1) wrote with ``-f -o FILE``, taken apart: one entry a call, its two halves put together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Line", "parse"]

_UNFINISHED = re.compile(r"^(\w+)\((.*?) ?<unfinished \.\.\.>\)? *(?:= \?)?$", re.DOTALL)
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
_WHOLE = re.compile(r"^(\w+)\((.*)\) += (.*)$", re.DOTALL)


class Line(NamedTuple):
    """One call."""

    tid: int
    name: str
    arguments: str
    result: str

    def __str__(self) -> str:
        return f"{self.tid} {self.name}({self.arguments}) = {self.result}"


_PROBES_OWN = {"uretprobe", "uprobe", "syscall_0x14f", "syscall_0x150"}
"""What the kernel makes a thread call where somebody has a probe; under xdist another test has."""


def parse(lines: Iterable[str]) -> Iterator[Line]:
    """Read the calls; what else there is (signals, exits, probes) is left out."""
    return (line for line in _all(lines) if line.name not in _PROBES_OWN)


def _all(lines: Iterable[str]) -> Iterator[Line]:
    begun: dict[int, tuple[str, str]] = {}
    for line in lines:
        number, _, text = line.rstrip("\n").partition(" ")
        tid, text = int(number), text.strip()
        if text.startswith(("---", "+++")):
            if text.startswith("+++") and tid in begun:
                name, head = begun.pop(tid)
                yield Line(tid, name, head.rstrip(", "), "?")
            continue
        if resumed := _RESUMED.match(text):
            name, head = begun.pop(tid)
            assert name == resumed[1], line
            text = f"{name}({head}{resumed[2]}"
        elif unfinished := _UNFINISHED.match(text):
            if text.endswith("= ?"):
                yield Line(tid, unfinished[1], unfinished[2].rstrip(), "?")
            else:
                begun[tid] = (unfinished[1], unfinished[2])
            continue
        whole = _WHOLE.match(text)
        assert whole, f"this line of strace is not understood: {line!r}"
        yield Line(tid, *whole.groups())
    for tid, (name, head) in begun.items():
        yield Line(tid, name, head.rstrip(", "), "?")
