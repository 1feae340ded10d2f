"""One system call's signature: read from its lines, and laid out as the kernel side copies it."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf.syscalls import buffers, kinds, structures  # noqa: F401 - they enter their kinds
from pytest_ebpf.syscalls.prototypes import PROTOTYPES
from pytest_ebpf.syscalls.results import RESULTS, Result
from pytest_ebpf.syscalls.table import CallSpec, Capture, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_ebpf.syscalls.kinds import Kind
    from pytest_ebpf.syscalls.view import View

__all__ = ["Meant", "Prototype", "Variant", "prototypes"]

_ARGUMENT = re.compile(r"(\w+)(?:#(\d)(?:/(\d))?)?:(\w+)(?:@(\w+)|\(([\w, ]*)\))?")
_CONDITION = re.compile(r"(\w+)(=|!)([\w|]+)")


class Meant(NamedTuple):
    """With which values of another argument something is copied."""

    arg: int
    flagset: str
    names: frozenset[str]


class Variant(NamedTuple):
    """What arguments and result are where others have certain values."""

    conditions: tuple[tuple[str, tuple[frozenset[str], bool]], ...]
    """Arguments, with names of values and whether one of them has to be there, or none."""
    arguments: Mapping[str, Kind]
    """Those that the call is made with."""
    result: Result
    meant: Meant | None
    """What the kernel side can know of the conditions; None: nothing."""


class Prototype(NamedTuple):
    """The arguments and the result of one system call."""

    name: str
    arguments: Mapping[str, Kind]
    """All that it can have."""
    result: Result
    variants: tuple[Variant, ...]
    captures: tuple[Capture, ...]
    """All its arguments', in order: `pytest_ebpf.engine.calls.Piece.capture` is an index into them."""
    meant: tuple[Meant | None, ...]
    """Of each of them, for which values of another argument it is; None: for all."""
    slots: tuple[Slot, ...]
    """All its arguments', in order, and its result's: `RawCall.files` are theirs."""
    moves: bool
    """Whether it may change the paths of files that it does not name."""

    def spec(self) -> CallSpec:
        """Return what the kernel side does."""
        pairs = zip(self.captures, self.meant, strict=True)
        captures = (capture if meant is None else _limited(capture, meant) for capture, meant in pairs)
        return CallSpec(tuple(captures), self.slots, self.moves)

    def of(self, view: View) -> tuple[Mapping[str, Kind], Result]:
        """Return the arguments that a call is made with, and what its result is."""
        arguments, result = self.arguments, self.result
        for variant in self.variants:
            if all(_holds(variant.arguments[name].value(view), *of) for name, of in variant.conditions):
                arguments, result = variant.arguments, variant.result
                break
        return {name: kind for name, kind in arguments.items() if kind.passed(view)}, result


def _holds(value: object, names: frozenset[str], wanted: bool) -> bool:  # noqa: FBT001 - it is read from a list
    found = {str(value), *getattr(value, "names", ())}
    return bool(found & names) is wanted


_WINDOW = 64
"""Values that `Capture.when` can tell apart."""


def _limited(capture: Capture, meant: Meant) -> Capture:
    """Let the kernel side copy something for some values of an argument only; for more, if they lie far apart."""
    # Needed when the wheel is built, not to decode.
    from pytest_ebpf.syscalls.flags import EnumSet  # noqa: PLC0415
    from pytest_ebpf.syscalls.flagsets import FLAGSETS  # noqa: PLC0415

    known = FLAGSETS[meant.flagset]
    values = {known.values[name] & 0xFFFFFFFF for name in meant.names if name in known.values}
    if not values or not isinstance(known, EnumSet):
        return capture
    mask = 0xFFFFFFFF
    if max(values) - min(values) >= _WINDOW:
        mask = _WINDOW - 1
        values = {value & mask for value in values}
    return replace(capture, when=tuple(sorted(values)), when_arg=meant.arg, when_mask=mask)


class _Layout:
    """Captures and slots, as one argument after the other asks for them."""

    def __init__(self) -> None:
        self.captures: list[Capture] = []
        self.meant: list[Meant | None] = []
        self.slots: list[Slot] = []

    def place(self, kind: Kind, meant: Meant | None) -> None:
        """Find room for a kind's; what another one of the same call asks for already is shared."""
        kind.first = self._captures(kind.captures(), meant)
        slot = kind.slot()
        if slot is not None:
            kind.slot_at = self._slot(slot)

    def _captures(self, wanted: Sequence[Capture], meant: Meant | None) -> int:
        """Return the index of the first. A longer one does not serve: it may end where nothing is mapped."""
        count = len(wanted)
        for at in range(len(self.captures) - count + 1):
            if tuple(self.captures[at : at + count]) == tuple(wanted):
                for place in range(at, at + count):
                    self.meant[place] = _either(self.meant[place], meant)
                return at
        self.captures += wanted
        self.meant += [meant] * count
        return len(self.captures) - count

    def share(self, kind: Kind, others: Mapping[str, Kind]) -> None:
        """Let the descriptor of a directory know what the path found there that starts from it."""
        if isinstance(kind, kinds.Path) and kind.parameters:
            others[kind.parameters[0]].slot_at = kind.slot_at

    def place_result(self, result: Result) -> None:
        """Find room for a result that is a descriptor."""
        if result.descriptor:
            result.slot_at = self._slot(Slot("result"))

    def _slot(self, slot: Slot) -> int:
        if slot not in self.slots:
            self.slots.append(slot)
        return self.slots.index(slot)


def _either(one: Meant | None, other: Meant | None) -> Meant | None:
    if one is None or other is None or one[:2] != other[:2]:
        return None
    return one._replace(names=one.names | other.names)


def _arguments(text: str, names: Sequence[str], *, portable: bool) -> Iterator[tuple[str, Kind]]:
    for name, _, _, kind_name, base, words in _ARGUMENT.findall(text):
        parameters = [base] if base else [word.strip() for word in words.split(",") if word.strip()]
        kind = kinds.KINDS[kind_name](names.index(name), names, parameters)
        if portable and not kind.portable:
            kind = kinds.KINDS["ptr"](names.index(name), names, ())
        yield name, kind


def _variant(line: str, names: Sequence[str], base: Mapping[str, Kind], result: Result, *, portable: bool) -> Variant:
    head, _, tail = line.partition("->")
    conditions = tuple((name, (frozenset(of.split("|")), sign == "=")) for name, sign, of in _CONDITION.findall(head))
    _check(line, head, *_CONDITION.finditer(head), *_ARGUMENT.finditer(head))
    own = dict(_arguments(head, names, portable=portable))
    last = max(names.index(name) for name, *_ in conditions)
    passed = {name: own.get(name, kind) for name, kind in base.items() if name in own or names.index(name) <= last}
    return Variant(conditions, passed, _result(tail.split()[0]) if tail else result, _meant(conditions, base))


def _meant(conditions: Iterable[tuple[str, tuple[frozenset[str], bool]]], base: Mapping[str, Kind]) -> Meant | None:
    for name, (of, wanted) in conditions:
        if wanted and base[name].flagset:
            return Meant(base[name].at, base[name].flagset, of)
    return None


def _result(text: str) -> Result:
    name, _, parameters = text.rstrip(")").partition("(")
    return RESULTS[name](*filter(None, parameters.split(",")))


def _check(line: str, text: str, *found: re.Match[str]) -> None:
    if len("".join(text.split())) != sum(len("".join(each.group().split())) for each in found):
        raise ValueError(f"a line of the prototypes cannot be read: {line}")


def _parse(line: str, variants: Iterable[str], *, portable: bool, backwards: bool) -> Prototype:
    head, _, tail = line.partition("->")
    name, *rest = head.split(None, 1)
    text, words = rest[0] if rest else "", tail.split()
    found = list(_ARGUMENT.finditer(text))
    _check(line, text, *found)
    # Where the order in which they are written is not that of the registers, each says its own.
    places = [int((backwards and each[3]) or each[2] or at) for at, each in enumerate(found)]
    names = [""] * 6
    for place, written in zip(places, found, strict=True):
        names[place] = written[1]
    arguments = dict(_arguments(text, names, portable=portable))
    result = _result(words[0])
    others = tuple(_variant(each, names, arguments, result, portable=portable) for each in variants)
    layout = _Layout()
    for each, meant in ((arguments, None), *((variant.arguments, variant.meant) for variant in others)):
        for argument, kind in each.items():
            layout.place(kind, None if kind is arguments[argument] else meant)
            layout.share(kind, each)
    for of in (result, *(variant.result for variant in others)):
        layout.place_result(of)
    return Prototype(
        name,
        arguments,
        result,
        others,
        tuple(layout.captures),
        tuple(layout.meant),
        tuple(layout.slots),
        moves="!moves" in words,
    )


def _blocks() -> Iterator[tuple[str, list[str]]]:
    """Take the lines apart: each call's, and those of its variants, which are indented."""
    line, variants = "", []
    for each in PROTOTYPES.splitlines():
        text = each.partition("  #")[0].rstrip()
        if text.startswith(" "):
            variants.append(text)
        elif text:
            if line:
                yield line, variants
            line, variants = text, []
    yield line, variants


@functools.cache
def prototypes(abi: str = "native") -> Mapping[str, Prototype]:
    """Return all, by name.

    Args:
        abi: ``native``; in ``compat`` and ``x32``, what has another layout there is not followed.
    """
    # CONFIG_CLONE_BACKWARDS: all but x86-64 among the machines that there are wheels for
    backwards = abi == "compat" or os.uname().machine != "x86_64"
    made = (_parse(line, variants, portable=abi != "native", backwards=backwards) for line, variants in _blocks())
    return {each.name: each for each in made}
