"""The types of a BCC program's maps and events, as BCC compiled them.

BCC gives its maps' types to the kernel as BTF (``struct ____btf_map_NAME`` of its ``helpers.h``), and our header those
of what is submitted (``struct ____ebpf_output``). Its own descriptions (``bpf_table_leaf_desc()``,
``bpf_perf_event_field()``) would not do: they know neither arrays of arrays nor, of an event, any type but the simplest
or where in a packed structure a field is. They tell which output gets which structure.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.btf_types import Btf
from pytest_ebpf.probes.ctypes_types import from_ctypes
from pytest_ebpf.probes.types import Opaque, Structure, spelled
from pytest_ebpf.user_programs.registry import EventType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_ebpf.probes.types import Type
    from pytest_ebpf.user_programs.types import Variable

__all__ = ["BccTypes"]

_MAP = "____btf_map_"
_OUTPUT = "____ebpf_output"

_INTEGER = re.compile(r"(?:__)?(?P<sign>[us]|uint|int)(?P<bits>8|16|32|64)(?:_t)?")
_WORDS = {
    "char": "char",
    "bool": "bool",
    "_Bool": "bool",
    "signed char": "s8",
    "unsigned char": "u8",
    "short": "s16",
    "unsigned short": "u16",
    "int": "s32",
    "unsigned int": "u32",
    "long": "s64",
    "unsigned long": "u64",
    "long long": "s64",
    "unsigned long long": "u64",
    "__int128": "s128",
    "unsigned __int128": "u128",
}


class BccTypes:
    """What BCC and the kernel say of a program's types."""

    def __init__(
        self, shown: str, btf: bytes, outputs: Iterable[Mapping[str, Any]], given: Mapping[str, Any] | None = None
    ) -> None:
        """Take it.

        Args:
            shown: What messages call the program.
            btf: That the kernel has of it.
            outputs: Of each ``name``; ``number``, by which its events refer to it; and ``fields``, BCC's description of
                what is submitted: ``name#type`` each; none if it is no structure.
            given: By output, what the test says: a ctypes type, or the name of a structure of the program's maps.
        """
        self._shown = shown
        self._btf = _read(btf)
        self._fields: dict[str, Sequence[str]] = {each["name"]: each["fields"] for each in outputs}
        self._numbers: dict[int, str] = {each["number"]: each["name"] for each in outputs}
        self._given = given or {}

    def of_map(self, name: str) -> tuple[Type | None, Type | None]:
        """Return the types of a map's keys and values; None: nothing tells."""
        try:
            pair = self._btf.structure(f"{_MAP}{name}")
        except UsageError:
            return None, None
        members = {field.name: field.type for field in pair.fields}
        return members.get("key"), members.get("value")

    def of_output(self, name: str) -> Type:
        """Return the type of what is submitted to an output.

        Raises:
            UsageError: Nothing tells, or several could be.
        """
        if name in self._given:
            given = self._given[name]
            return self._btf.structure(given.removeprefix("struct ")) if isinstance(given, str) else from_ctypes(given)
        fitting = self._fitting(name)
        if not self._fields.get(name):
            raise UsageError(
                f"{self._shown}: what is submitted to {name} is no structure, and BCC says nothing of its type\n"
                f'  try     types={{"{name}": ctypes.c_uint32}}, or whatever it is'
            )
        claimed = [kind for output in self._fields for kind in self._fitting(output)]
        loose = [kind for kind in self._submitted if kind not in claimed]
        if len(fitting) == 1 and not loose:
            return fitting[0]
        why = "no structure of the text has the fields that BCC says it has"
        if loose:
            why = f"the text submits {loose[0].name} too, and BCC does not say where to"
        elif fitting:
            why = f"{' and '.join(kind.name for kind in fitting)} have the same fields"
        raise UsageError(
            f"{self._shown}: the type of what is submitted to {name} is not known: {why}\n"
            f'  try     types={{"{name}": "NAME"}} with a structure of the text\'s, or a ctypes.Structure'
        )

    def _fitting(self, output: str) -> list[Structure]:
        """Return the structures that are as BCC describes what is submitted to an output."""
        fields = [tuple(field.split("#", 1)) for field in self._fields.get(output, ())]
        return [kind for kind in self._submitted if fields and _fits(kind, fields)]

    @functools.cached_property
    def _submitted(self) -> list[Structure]:
        """The structures that the text submits, each once."""
        values = [field.type for each in self._btf.every(_OUTPUT) for field in each.fields if field.name == "value"]
        return list({id(kind): kind for kind in values if isinstance(kind, Structure)}.values())

    def emitted(self) -> Mapping[str, Type]:
        """Return the types of what is submitted, by output.

        Raises:
            UsageError: Of an output nothing tells that.
        """
        return {name: self.of_output(name) for name in self._fields}

    def of_event(self, number: int) -> EventType:
        """Return what was submitted, by the number of the output."""
        name = self._numbers[number]
        try:
            return EventType(name, self.of_output(name))
        except UsageError as error:
            return EventType(name, Opaque(name, 0, str(error)))

    def variables(self) -> Mapping[str, Variable]:
        """Return nothing: BCC has no global variables."""
        return {}


@functools.lru_cache(maxsize=16)
def _read(btf: bytes) -> Btf:
    """Read types once: each test that asks for a program is told them anew."""
    return Btf(btf)


def _fits(kind: Structure, fields: Sequence[tuple[str, ...]]) -> bool:
    """Whether BCC's description is of this structure."""
    named = [(name, _in_our_words(words)) for name, words in fields if name]
    types = {field.name: spelled(field.type) for field in kind.fields}
    whole = len(named) == len(fields)  # else some are members of an anonymous one, which are the structure's own here
    return (not whole or len(types) == len(named)) and all(
        name in types and words in {None, types[name]} for name, words in named
    )


def _in_our_words(words: str) -> str | None:
    """Write a type of clang's as `spelled` does; None: a name that says nothing by itself, a pointer."""
    base, bracket, counts = words.replace("const ", "").replace(" [", "[").partition("[")
    if match := _INTEGER.fullmatch(base):
        known: str | None = f"{match['sign'][0].replace('i', 's')}{match['bits']}"
    elif re.fullmatch(r"(?:enum|struct|union) \w+", base):
        known = base
    else:
        known = _WORDS.get(base)
    return None if known is None else f"{known}{bracket}{counts}"
