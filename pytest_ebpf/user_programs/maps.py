"""A program's maps and global variables, by name, with values of their own types."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Gap
from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.decode import Blob, decoded
from pytest_ebpf.probes.encode import encoded
from pytest_ebpf.user_programs.object_types import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.probes.types import Type
    from pytest_ebpf.user_programs.hosting import Hosted
    from pytest_ebpf.user_programs.types import TypeSource, Variable

__all__ = ["ProgramMap", "Variables", "value_of"]

_ROUND = 8
_SHORT = Gap("it is shorter than its type")


def value_of(kind: Type | None, data: bytes) -> Any:
    """Decode a value; bytes where no type is known.

    Raises:
        UsageError: Values of this type are not decoded.
    """
    if kind is None:
        return data
    value = decoded(kind, Blob(data, _SHORT))
    if isinstance(value, Gap):
        raise UsageError(f"this cannot be decoded: {value.why}")
    return value


class ProgramMap:
    """A map of a program: what it holds at the moment when it is asked."""

    def __init__(self, hosted: Hosted, name: str, types: tuple[Type | None, Type | None]) -> None:
        """Made by `Program` only.

        Args:
            hosted: The program.
            name: Of the map.
            types: Of keys and values.
        """
        self._hosted = hosted
        self.name = name
        """As the program calls it."""
        told = hosted.maps[name]
        self.kind: str = told["kind"]
        """As ``bpftool map`` calls it: ``hash``, ``percpu_array``, ``ringbuf``."""
        self.max_entries: int = told["max_entries"]
        """How many it can hold; of a ring, its bytes."""
        self._key_size: int = told["key_size"]
        self._value_size: int = told["value_size"]
        self._cpus: int = told["cpus"]
        self._key, self._value = types

    @property
    def _whole(self) -> int:
        return -(-self._value_size // _ROUND) * _ROUND * self._cpus if self._cpus else self._value_size

    def _decode(self, data: bytes) -> Any:
        if not self._cpus:
            return value_of(self._value, data)
        step = len(data) // self._cpus
        return tuple(value_of(self._value, data[at : at + self._value_size]) for at in range(0, len(data), step))

    def _encode_key(self, key: Any) -> bytes:
        return encoded(self._key, key, self._key_size, f"a key of the map {self.name}")

    def _encode_value(self, value: Any) -> bytes:
        what = f"a value of the map {self.name}"
        if not self._cpus:
            return encoded(self._value, value, self._value_size, what)
        if not isinstance(value, tuple | list) or len(value) != self._cpus:
            raise UsageError(f"{what} is a tuple of {self._cpus} values, one a CPU, not {value!r}")
        step = self._whole // self._cpus
        return b"".join(encoded(self._value, each, self._value_size, what).ljust(step, b"\0") for each in value)

    def _ask(self, do: str, payload: bytes = b"") -> tuple[bool, bytes]:
        answer = self._hosted.ask("map", payload, map=self.name, do=do)
        return bool(answer.body.get("found")), answer.payload

    def items(self) -> list[tuple[Any, Any]]:
        """Return all keys and values; of a per-CPU map the value is a tuple with one of each CPU."""
        _, data = self._ask("items")
        step = self._key_size + self._whole
        entries = (data[at : at + step] for at in range(0, len(data), step))
        return [(value_of(self._key, each[: self._key_size]), self._decode(each[self._key_size :])) for each in entries]

    def keys(self) -> list[Any]:
        """Return all keys."""
        return [key for key, _ in self.items()]

    def values(self) -> list[Any]:
        """Return all values."""
        return [value for _, value in self.items()]

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of a key, or `default` if it is not there."""
        found, data = self._ask("lookup", self._encode_key(key))
        return self._decode(data) if found else default

    def clear(self) -> None:
        """Delete all keys; set the values of an array, whose keys stay, to zeros."""
        self._ask("clear")

    def push(self, value: Any) -> None:
        """Put a value into a queue, or onto a stack."""
        self._ask("push", self._encode_value(value))

    def pop(self) -> Any:
        """Take the next value of a queue or a stack; None: there is none."""
        found, data = self._ask("pop")
        return self._decode(data) if found else None

    def __getitem__(self, key: Any) -> Any:
        found, data = self._ask("lookup", self._encode_key(key))
        if not found:
            raise KeyError(key)
        return self._decode(data)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._ask("update", self._encode_key(key) + self._encode_value(value))

    def __delitem__(self, key: Any) -> None:
        if not self._ask("delete", self._encode_key(key))[0]:
            raise KeyError(key)

    def __contains__(self, key: Any) -> bool:
        return self._ask("lookup", self._encode_key(key))[0]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.items())

    def __repr__(self) -> str:
        return f"<map {self.name}, {self.kind}>"


class Variables(MutableMapping[str, Any]):
    """The global variables of a program, by name: their values at the moment when they are asked for."""

    def __init__(self, hosted: Hosted, types: TypeSource, shown: str) -> None:
        """Made by `Program` only.

        Args:
            hosted: The program.
            types: Tells what there is.
            shown: What messages call the program.
        """
        self._hosted = hosted
        self._types = types
        self._shown = shown

    def _find(self, name: str) -> Variable:
        return variable_of(self._types.variables(), name, self._shown)

    def __getitem__(self, name: str) -> Any:
        found = self._find(name)
        asked = {"section": found.section, "offset": found.offset, "size": found.size}
        return value_of(found.type, self._hosted.ask("variable", **asked).payload)

    def __setitem__(self, name: str, value: Any) -> None:
        found = self._find(name)
        if found.section.startswith(".rodata"):
            raise UsageError(
                f"{self._shown}: the variable {name} is constant while the program runs:"
                f" give its value when it is loaded, variables={{{name!r}: {value!r}}}"
            )
        asked = {"section": found.section, "offset": found.offset, "size": found.size}
        self._hosted.ask("variable", encoded(found.type, value, found.size, f"the variable {name}"), **asked)

    def __delitem__(self, name: str) -> None:
        raise UsageError(f"{self._shown}: a variable, such as {name}, cannot be deleted")

    def __contains__(self, name: object) -> bool:
        return name in self._types.variables()

    def __iter__(self) -> Iterator[str]:
        return iter(self._types.variables())

    def __len__(self) -> int:
        return len(self._types.variables())

    def __repr__(self) -> str:
        return f"<variables of {self._shown}: {', '.join(self)}>"


def variable_of(known: Mapping[str, Variable], name: str, shown: str) -> Variable:
    """Return a variable by its name.

    Raises:
        UsageError: There is none; with the nearest names.
    """
    if name not in known:
        raise UsageError(f"{shown} has no variable {name!r}{nearest(name, known)}")
    return known[name]
