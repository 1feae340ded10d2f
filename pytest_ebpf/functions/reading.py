"""What to read of a call: what the author of the test says, and what the debug information says of the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.arguments import places, result_place
from pytest_ebpf.probes.ctypes_types import from_ctypes
from pytest_ebpf.probes.planner import Argument
from pytest_ebpf.probes.text_types import Text, is_text, parse_text
from pytest_ebpf.probes.types import Integer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.probes.machines import Machine
    from pytest_ebpf.probes.planner import Asked
    from pytest_ebpf.probes.signature import Signature
    from pytest_ebpf.probes.types import Type

__all__ = ["Reads", "reads_of"]

_WORD = Integer(8, signed=False)


class Reads(NamedTuple):
    """What is read."""

    values: Mapping[str, Asked]
    result: Asked | None


def reads_of(wanted: Wanted, on: Machine, signature: Callable[[], Signature | None] | None) -> Reads:
    """Decide what to read.

    What is said is read, and nothing else; where nothing is said, all that the debug information knows. ``...`` stands
    for what it knows of that argument.

    Args:
        wanted: What is said.
        on: Whose registers.
        signature: Looks into the debug information; None: there is no single function to look for.

    Raises:
        UsageError: What is said cannot be.
    """
    said = [*wanted.types, *(value for _, value in wanted.values)]
    asks = not said or not all(map(is_text, said)) or wanted.returns in {True, ...}
    found = signature() if signature is not None and asks else None
    known = (
        [] if found is None else [(name or f"arg{place}", kind) for place, (name, kind) in enumerate(found.arguments)]
    )
    wants = (
        list(_said(wanted, known)) if said else [_Want(name, place, kind) for place, (name, kind) in enumerate(known)]
    )
    types = {each.place: each.what for each in wants if each.place is not None and not isinstance(each.what, Text)}
    # Where one is depends on the types of all before it.
    every = [
        types.get(place, known[place][1] if place < len(known) else _WORD)
        for place in range(max(types, default=-1) + 1)
    ]
    placements = places(every, on, None if found is None else found.result)
    values: dict[str, Asked] = {
        each.name: each.what
        if isinstance(each.what, Text) or each.place is None
        else Argument(each.what, placements[each.place])
        for each in wants
    }
    return Reads(values, _result(wanted, on, found))


class _Want(NamedTuple):
    """One value that is read."""

    name: str
    place: int | None
    """Of the argument; None: a text says where it is."""
    what: Any
    """A type, or a `Text`."""


def _said(wanted: Wanted, known: list[tuple[str, Type]]) -> Iterator[_Want]:
    taken = set()
    for place, given in enumerate(wanted.types):
        taken.add(place)
        name = known[place][0] if place < len(known) else f"arg{place}"
        yield _Want(name, place, _what(name, given, place, known, wanted))
    names = [name for name, _ in known]
    for name, given in wanted.values:
        if is_text(given):
            yield _Want(name, None, _parsed(name, given))
            continue
        place = names.index(name) if name in names else next(at for at in range(len(taken) + 1) if at not in taken)
        if place in taken:
            raise UsageError(f"{name}= is the argument {place}, whose type is given already")
        taken.add(place)
        yield _Want(name, place, _what(name, given, place, known, wanted))


def _parsed(name: str, text: str) -> Text:
    try:
        return parse_text(text)
    except UsageError as error:
        raise UsageError(f"{name}={text!r}: {error}") from None


def _what(name: str, given: Any, place: int, known: list[tuple[str, Type]], wanted: Wanted) -> Type | Text:
    """Return the type of the argument at a place, or the text that says how to read it."""
    if given is ...:
        if place >= len(known):
            raise UsageError(
                f"{wanted.function}: the debug information says nothing of the argument {place}: say its type instead"
                " of `...`"
            )
        return known[place][1]
    if isinstance(given, str):
        return _parsed(name, given if is_text(given) else bare(given, f"arg{place}"))
    return from_ctypes(given)


def bare(text: str, base: str) -> str:
    """Return the text form of a type alone, such as ``s32`` or ``str``: of the value that is in `base`."""
    name = text.partition("[")[0]
    return f"{text}@{base}" if name in {"str", "buf"} else f"{text}({base})"


def _result(wanted: Wanted, on: Machine, found: Signature | None) -> Asked | None:
    given = wanted.returns
    if given is None or given is False:
        return None
    if given is True or given is ...:
        if found is None or found.result is None:
            return None
        return Argument(found.result, result_place(found.result, on), at_return=True)
    if isinstance(given, str):
        return _parsed("returns", given if is_text(given) else bare(given, "ret"))
    kind = from_ctypes(given)
    return Argument(kind, result_place(kind, on), at_return=True)
