"""The maps of a user's program, read and written by their descriptors (``bpf(2)``)."""

from __future__ import annotations

import errno
import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_ebpf.engine.native import library
from pytest_ebpf.host.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Map", "possible_cpus"]

_KEYED = frozenset(
    {
        "hash",
        "array",
        "lru_hash",
        "percpu_hash",
        "percpu_array",
        "lru_percpu_hash",
        "lpm_trie",
        "hash_of_maps",
        "stack_trace",
    }
)
_SEQUENCES = frozenset({"queue", "stack"})
_ROUND = 8
"""Bytes, to a multiple of which the value of each CPU is rounded up (``kernel/bpf/syscall.c``)."""


@functools.cache
def possible_cpus() -> int:
    """Return how many values a per-CPU map has for each key."""
    return int(library()[1].libbpf_num_possible_cpus())


@dataclass(slots=True)
class Map:
    """One map."""

    name: str
    kind: str
    """As bpftool calls it: ``hash``, ``percpu_array``."""
    descriptor: int
    key_size: int
    """Bytes."""
    value_size: int
    """Bytes; of a per-CPU map those of one CPU."""
    max_entries: int

    def describe(self) -> dict[str, Any]:
        """Return what the client is told."""
        names = ("name", "kind", "key_size", "value_size", "max_entries")
        return {**{name: getattr(self, name) for name in names}, "cpus": self._cpus}

    @property
    def _cpus(self) -> int:
        """How many values there are for each key; 0: it is no per-CPU map."""
        return possible_cpus() if "percpu" in self.kind else 0

    @property
    def _whole(self) -> int:
        """Bytes that a value takes with those of all CPUs."""
        return -(-self.value_size // _ROUND) * _ROUND * self._cpus if self._cpus else self.value_size

    def items(self) -> tuple[int, bytes]:
        """Return how many entries there are, and all keys and values, one after the other."""
        self._check(_KEYED)
        # By key: where entries go while we look, the kernel begins again (htab_map_get_next_key()).
        found: dict[bytes, bytes] = {}
        for key in self._keys():
            value = self._lookup(key)
            if value is not None:
                found[key] = value
        return len(found), b"".join(key + value for key, value in found.items())

    def _keys(self) -> Iterator[bytes]:
        ffi, lib = library()
        before, after = ffi.NULL, ffi.new("uint8_t[]", self.key_size)
        for _ in range(2 * self.max_entries + 1):
            if lib.bpf_map_get_next_key(self.descriptor, before, after):
                return
            yield bytes(ffi.buffer(after))
            before, after = after, ffi.new("uint8_t[]", self.key_size)

    def _lookup(self, key: bytes) -> bytes | None:
        ffi, lib = library()
        value = ffi.new("uint8_t[]", max(self._whole, 1))
        if lib.bpf_map_lookup_elem(self.descriptor, ffi.from_buffer(key), value):
            self._check_absent("read")
            return None
        return bytes(ffi.buffer(value, self._whole))

    def _check_absent(self, verb: str) -> None:
        error = library()[0].errno
        if error != errno.ENOENT:
            raise Refused("usage", f"the map {self.name} cannot be {verb}: {os.strerror(error)}")

    def lookup(self, key: bytes) -> bytes | None:
        """Return the value of a key; None: it is not there."""
        self._check(_KEYED)
        self._check_size("key", key, self.key_size)
        return self._lookup(key)

    def update(self, entry: bytes) -> None:
        """Set the value of a key, which comes before it."""
        self._check(_KEYED)
        self._check_size("entry", entry, self.key_size + self._whole)
        ffi, lib = library()
        key, value = entry[: self.key_size], entry[self.key_size :]
        if lib.bpf_map_update_elem(self.descriptor, ffi.from_buffer(key), ffi.from_buffer(value), 0):
            raise self._not_set()

    def _not_set(self) -> Refused:
        error = library()[0].errno
        full = f": it has {self.max_entries} entries, as many as it can" if error == errno.E2BIG else ""
        return Refused("usage", f"the map {self.name} cannot be set{full or ': ' + os.strerror(error)}")

    def delete(self, key: bytes) -> bool:
        """Delete a key; return False if it is not there."""
        self._check(_KEYED)
        self._check_size("key", key, self.key_size)
        ffi, lib = library()
        if lib.bpf_map_delete_elem(self.descriptor, ffi.from_buffer(key)):
            self._check_absent("deleted from")
            return False
        return True

    def clear(self) -> None:
        """Delete all keys; set those of an array, which cannot be deleted, to zeros."""
        self._check(_KEYED)
        for key in list(self._keys()):
            if self.kind.endswith("array"):
                self.update(key + bytes(self._whole))
            else:
                self.delete(key)

    def push(self, value: bytes) -> None:
        """Put a value into a queue, or onto a stack."""
        self._check(_SEQUENCES)
        self._check_size("value", value, self.value_size)
        ffi, lib = library()
        if lib.bpf_map_update_elem(self.descriptor, ffi.NULL, ffi.from_buffer(value), 0):
            raise self._not_set()

    def pop(self) -> bytes | None:
        """Take the next value; None: there is none."""
        self._check(_SEQUENCES)
        ffi, lib = library()
        value = ffi.new("uint8_t[]", self.value_size)
        if lib.bpf_map_lookup_and_delete_elem(self.descriptor, ffi.NULL, value):
            self._check_absent("read")
            return None
        return bytes(ffi.buffer(value))

    def _check(self, kinds: frozenset[str]) -> None:
        if self.kind not in kinds:
            raise Refused("usage", f"{self.name} is a map of kind {self.kind}: that cannot be asked of it")

    def _check_size(self, what: str, data: bytes, size: int) -> None:
        if len(data) != size:
            raise Refused("usage", f"{what} of the map {self.name} has {size} bytes, and not {len(data)}")
