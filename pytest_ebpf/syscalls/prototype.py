"""One system call's signature: read from its line, and laid out as the kernel side copies it."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf.syscalls import buffers, kinds, structures  # noqa: F401 - they enter their kinds
from pytest_ebpf.syscalls.prototypes import PROTOTYPES
from pytest_ebpf.syscalls.results import RESULTS, Result
from pytest_ebpf.syscalls.table import CallSpec, Capture, Slot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.syscalls.kinds import Kind

__all__ = ["Prototype", "prototypes"]

_ARGUMENT = re.compile(r"(\w+):(\w+)(?:@(\w+)|\(([\w, ]*)\))?")


class Prototype(NamedTuple):
    """The arguments and the result of one system call."""

    name: str
    arguments: Mapping[str, Kind]
    result: Result
    captures: tuple[Capture, ...]
    """All its arguments', in order: `pytest_ebpf.engine.calls.Piece.capture` is an index into them."""
    slots: tuple[Slot, ...]
    """All its arguments', in order, and its result's: `RawCall.files` are theirs."""
    moves: bool
    """Whether it may change the paths of files that it does not name."""

    def spec(self) -> CallSpec:
        """Return what the kernel side does."""
        return CallSpec(self.captures, self.slots, self.moves)


def _parse(line: str, *, portable: bool) -> Prototype:
    head, _, tail = line.partition("->")
    name, *rest = head.split(None, 1)
    found = list(_ARGUMENT.finditer(rest[0] if rest else ""))
    if "".join((rest[0] if rest else "").split()) != "".join("".join(each.group().split()) for each in found):
        raise ValueError(f"the prototype of {name} cannot be read: {line}")
    names = [each[1] for each in found]
    words = tail.split()
    arguments: dict[str, Kind] = {}
    captures: tuple[Capture, ...] = ()
    slots: tuple[Slot, ...] = ()
    for at, each in enumerate(found):
        parameters = [each[3]] if each[3] else [word.strip() for word in (each[4] or "").split(",") if word.strip()]
        kind = kinds.KINDS[each[2]](at, names, parameters)
        if portable and not kind.portable:
            kind = kinds.KINDS["ptr"](at, names, ())
        kind.first = len(captures)
        captures += kind.captures()
        slot = kind.slot()
        if slot is not None:
            kind.slot_at = len(slots)
            slots += (slot,)
        arguments[each[1]] = kind
    result = RESULTS[words[0]]()
    if result.descriptor:
        result.slot_at = len(slots)
        slots += (Slot("result"),)
    return Prototype(name, arguments, result, captures, slots, moves="!moves" in words)


@functools.cache
def prototypes(*, portable: bool = False) -> Mapping[str, Prototype]:
    """Return all, by name.

    Args:
        portable: For another ABI than the machine's own: what has another layout there is not followed.
    """
    lines = (line.partition("#")[0].strip() for line in PROTOTYPES.splitlines())
    return {made.name: made for made in (_parse(line, portable=portable) for line in lines if line)}
