"""Static probes (USDT): the places of one, and what is read there of the operands that its notes name."""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_ebpf.binaries.nearest import nearest_names
from pytest_ebpf.errors import UsageError
from pytest_ebpf.functions.planning import planned
from pytest_ebpf.functions.reading import Reads, bare
from pytest_ebpf.probes.arguments import Nowhere
from pytest_ebpf.probes.ctypes_types import from_ctypes
from pytest_ebpf.probes.machines import machine
from pytest_ebpf.probes.planner import Argument
from pytest_ebpf.probes.spec import Place
from pytest_ebpf.probes.text_types import Anchor, Text, is_text, parse_text
from pytest_ebpf.probes.types import Chars, Float, Integer, pointer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_ebpf.binaries.binary import Binary
    from pytest_ebpf.binaries.usdt import Usdt
    from pytest_ebpf.binaries.usdt_arguments import UsdtArgument
    from pytest_ebpf.functions.definition import Group
    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.probes.machines import Machine
    from pytest_ebpf.probes.planner import Asked
    from pytest_ebpf.probes.types import Type

__all__ = ["own_type", "usdt_groups", "usdt_probes"]


def usdt_groups(wanted: Wanted, binary: Binary, shown: str) -> Iterator[Group]:
    """Find the places of static probes; those whose operands are the same are read alike.

    Raises:
        UsageError: There is none of that name, or it has no such arguments.
    """
    on = machine(binary.machine)
    alike: dict[tuple[UsdtArgument, ...], list[Usdt]] = {}
    for each in usdt_probes(wanted, binary, shown):
        alike.setdefault(each.arguments, []).append(each)
    for operands, those in alike.items():
        yield planned(
            wanted,
            Reads(_values(wanted, operands, on), None),
            [Place(each.offset, each.semaphore_offset or 0) for each in those],
            [each.name for each in those],
            on,
        )


def usdt_probes(wanted: Wanted, binary: Binary, shown: str) -> list[Usdt]:
    """Find static probes.

    Raises:
        UsageError: There is none of that name.
    """
    there = binary.usdt()
    found = [
        each
        for each in there
        if fnmatch.fnmatchcase(each.provider, wanted.provider) and fnmatch.fnmatchcase(each.name, wanted.function)
    ]
    if found:
        return found
    names = list(dict.fromkeys(f"{each.provider}:{each.name}" for each in there))
    if not names:
        raise UsageError(
            f"{shown}: it has no static probes (USDT), which are compiled in with <sys/sdt.h>: ask for a function, by"
            " uprobe()"
        )
    asked = wanted.function if wanted.provider == "*" else f"{wanted.provider}:{wanted.function}"
    near = nearest_names(asked, names) or names[:4]
    raise UsageError(
        f"{shown}: it has no static probe {asked!r}; nearest: {', '.join(near)} (pytest-ebpf list 'usdt:{shown}:*'"
        " lists all)"
    )


def _values(wanted: Wanted, operands: Sequence[UsdtArgument], on: Machine) -> dict[str, Asked]:
    values: dict[str, Asked] = {}
    place = 0
    for given in wanted.types:
        values[f"arg{place}"] = _read(f"arg{place}", given, place, operands, on)
        place += 1
    for name, given in wanted.values:
        if is_text(given):
            values[name] = _rooted(name, parse_text(given), operands, on)
            continue
        values[name] = _read(name, given, place, operands, on)
        place += 1
    if not values:
        return {f"arg{at}": _operand(own_type(each), each, on) for at, each in enumerate(operands)}
    return values


def own_type(operand: UsdtArgument) -> Type:
    """Return the type that the note says."""
    return Float(operand.size) if operand.is_float else Integer(operand.size, operand.signed)


def _read(name: str, given: Any, place: int, operands: Sequence[UsdtArgument], on: Machine) -> Asked:
    if place >= len(operands):
        raise UsageError(
            f"{name}: the probe has {len(operands)} {'argument' if len(operands) == 1 else 'arguments'}, and none at"
            f" {place} (counted from 0)"
        )
    operand = operands[place]
    if given is ...:
        return _operand(own_type(operand), operand, on)
    if isinstance(given, str):
        if is_text(given):
            return _rooted(name, parse_text(given), operands, on)
        text = parse_text(bare(given, "arg0"))
        # Of a string the operand is the address.
        return _operand(pointer(text.type, "char *") if isinstance(text.type, Chars) else text.type, operand, on)
    return _operand(from_ctypes(given), operand, on)


def _operand(kind: Type, operand: UsdtArgument, on: Machine) -> Asked:
    """Read an operand as a value of a type."""
    start = _start(operand, on)
    if isinstance(start, str):
        return Argument(kind, Nowhere(start))
    anchor, offsets = start
    return Text(operand.text, kind, anchor, offsets or (0,), in_memory=bool(offsets))


def _start(operand: UsdtArgument, on: Machine) -> tuple[Anchor, tuple[int, ...]] | str:
    """Return where the value of an operand is, and the offset of what is in memory; or why nobody can read it."""
    if operand.problem is not None:
        return operand.problem
    if operand.kind == "constant":
        return Anchor("constant", operand.constant), ()
    names = {word: name for name, word in on.registers.items()}
    name, index = names.get(operand.register), names.get(operand.index, "")
    if operand.shift or (index and name is None):
        return f"the operand {operand.text} is not followed"
    if operand.kind == "register":
        return Anchor("register", name=name or ""), ()
    if name is None:
        return Anchor("constant", operand.displacement), (0,)
    return Anchor("register", name=name, index=index, scale=operand.scale), (operand.displacement,)


def _rooted(name: str, text: Text, operands: Sequence[UsdtArgument], on: Machine) -> Asked:
    """Let ``arg0`` in a text be the probe's argument, and not that of a function."""
    if isinstance(text.length, Text):
        length = _rooted(name, text.length, operands, on)
        if not isinstance(length, Text):
            return length
        text = replace(text, length=length)
    if text.anchor.kind != "argument":
        return text
    if text.anchor.number >= len(operands):
        raise UsageError(f"{name}={text.text!r}: the probe has {len(operands)} arguments: arg0 is the first one")
    start = _start(operands[text.anchor.number], on)
    if isinstance(start, str):
        return Argument(text.type, Nowhere(start))
    anchor, offsets = start
    if not text.in_memory and offsets and text.offsets != (0,):
        return Argument(text.type, Nowhere(f"{text.text} adds to an operand in memory"))
    if not text.in_memory:
        return replace(text, anchor=anchor, offsets=offsets or text.offsets, in_memory=bool(offsets))
    return replace(text, anchor=anchor, offsets=(*offsets, *text.offsets))
