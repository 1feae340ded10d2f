"""Types out of the running kernel's BTF (Documentation/bpf/btf.rst)."""

from __future__ import annotations

import difflib
import functools
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_ebpf.errors import Unavailable, UsageError
from pytest_ebpf.probes.signature import Signature
from pytest_ebpf.probes.types import (
    Array,
    Boolean,
    Character,
    Chars,
    Enumeration,
    Field,
    Float,
    Integer,
    Opaque,
    PointerTo,
    Structure,
    Type,
    alignment_by,
)
from pytest_ebpf.syscalls.flags import EnumSet

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Btf", "kernel_btf"]

_MAGIC = 0xEB9F
_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
# include/uapi/linux/btf.h: BTF_KIND_*
_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _FWD, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _FUNC = range(1, 13)
_FUNC_PROTO, _VAR, _DATASEC, _FLOAT, _DECL_TAG, _TYPE_TAG, _ENUM64 = range(13, 20)
_TRACE = "btf_trace_"
_TRANSPARENT = {_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG}
_COMPOUND = {_STRUCT: "struct", _UNION: "union"}
_FIXED = {_INT: 4, _ARRAY: 12, _VAR: 4, _DECL_TAG: 4}
"""Bytes that follow the head of a type."""
_EACH = {_STRUCT: 12, _UNION: 12, _ENUM: 8, _FUNC_PROTO: 8, _DATASEC: 12, _ENUM64: 12}
"""Bytes that follow for each of its members."""
_SIGNED, _BOOL = 1, 4  # BTF_INT_*


class _Head(NamedTuple):
    name: str
    kind: int
    members: int
    flag: bool
    size: int
    """Bytes, or the type that it refers to."""
    at: int
    """Where its members are."""


class Global(NamedTuple):
    """A global variable."""

    name: str
    type: int
    """Its number."""
    size: int
    """Bytes."""


class Btf:
    """The types of one BTF blob, each converted once.

    Args:
        data: As ``/sys/kernel/btf/vmlinux`` has it.

    Raises:
        UsageError: It is no BTF.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEADER.size or data[:2] != _MAGIC.to_bytes(2, "little"):
            raise UsageError("this is no BTF: it does not begin with 0xeb9f")
        _, _, _, length, types, types_length, strings, strings_length = _HEADER.unpack_from(data)
        if length + max(types + types_length, strings + strings_length) > len(data):
            raise UsageError("this BTF is damaged: its parts reach beyond its end")
        self._types = data[length + types : length + types + types_length]
        self._strings = data[length + strings : length + strings + strings_length]
        self._at = [0]
        """Where each type begins, by its number; 0 is void."""
        self._by_name: dict[tuple[int, int], int] = {}
        self._known: dict[int, Type] = {}
        self._converting: set[int] = set()
        self._tells_signs = False
        """Whether enumerations say that they are signed: older encoders do not, and write all values as signed."""
        self._walk()

    def _walk(self) -> None:
        at, types = 0, self._types
        try:
            while at < len(types):
                name, info, _ = _TYPE.unpack_from(types, at)
                kind = info >> 24 & 0x1F
                self._tells_signs |= kind == _ENUM and bool(info >> 31)
                self._by_name.setdefault((kind, name), len(self._at))
                self._at.append(at)
                at += _TYPE.size + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)
        except struct.error as error:
            raise UsageError("this BTF ends in the middle of a type") from error

    # --- what can be asked for ---

    def signature(self, function: str) -> Signature:
        """Return what a function of the kernel takes and returns.

        Raises:
            UsageError: There is none; with the nearest names.
        """
        found = self._find(_FUNC, function)
        if found is None:
            near = difflib.get_close_matches(function, self.functions(), n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(f"the kernel's BTF has no function {function!r}{hint}")
        return self._signature(function, self._head(found).size)

    def tracepoint(self, event: str) -> Signature:
        """Return what a tracepoint passes to a raw tracepoint's program (``TP_PROTO``).

        Raises:
            UsageError: There is none; with the nearest names.
        """
        found = self._find(_TYPEDEF, f"{_TRACE}{event}")
        if found is None:
            names = [self._string(name) for kind, name in self._by_name if kind == _TYPEDEF]
            events = [name.removeprefix(_TRACE) for name in names if name.startswith(_TRACE)]
            near = difflib.get_close_matches(event, events, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(f"the kernel's BTF has no tracepoint {event!r}{hint}")
        # The typedef is a pointer to a function, whose arguments have no names; what calls the programs has them.
        caller = self._find(_FUNC, f"__traceiter_{event}")
        whole = self._signature(event, self._head(self._head(found).size if caller is None else caller).size)
        return Signature(event, whole.arguments[1:], None)  # the first is the program's own

    def structure(self, name: str) -> Structure:
        """Return a structure or union by its name, without ``struct``.

        Raises:
            UsageError: There is none.
        """
        found = self._find(_STRUCT, name) or self._find(_UNION, name)
        kind = None if found is None else self._type(found)
        if not isinstance(kind, Structure):
            raise UsageError(f"the kernel's BTF has no structure {name!r}")
        return kind

    def structures(self) -> set[str]:
        """Return the names of all structures and unions."""
        return {self._string(name) for kind, name in self._by_name if kind in _COMPOUND} - {""}

    def type_of(self, number: int) -> Type | None:
        """Return a type by its number; None: ``void``."""
        return self._type(number)

    def sections(self) -> list[str]:
        """Return the names of the sections of variables of a compiled object: ``.data``, ``.maps``."""
        return [self._string(name) for kind, name in self._by_name if kind == _DATASEC]

    def section(self, name: str) -> list[Global]:
        """Return the variables of a section that are not static; none if there is no such section."""
        found = self._find(_DATASEC, name)
        if found is None:
            return []
        placed = self._members(self._head(found), "<III")
        heads = ((self._head(number), size) for number, _, size in placed)
        return [
            Global(head.name, head.size, size)
            for head, size in heads
            if head.kind == _VAR and self._types[head.at]  # BTF_VAR_STATIC is 0
        ]

    def pointed_members(self, number: int) -> dict[str, int]:
        """Return what the members of a structure point to, by their names, of those that are pointers.

        So libbpf writes what a map is: ``__type(key, u32)`` is a member ``u32 *key``.
        """
        head = self._head(self._stripped(number))
        members = self._members(head, "<III") if head.kind in _COMPOUND else iter(())
        heads = ((self._string(at), self._head(self._stripped(kind))) for at, kind, _ in members)
        return {name: member.size for name, member in heads if member.kind == _PTR}

    def numbered(self, number: int) -> tuple[str, Type]:
        """Return the type of that number, and what it is called: of a structure its name, without ``struct``.

        Raises:
            UsageError: There is none.
        """
        kind = self._type(number) if 0 < number < len(self._at) else None
        if kind is None:
            raise UsageError(f"this BTF has no type {number}")
        return self._shown(number).removeprefix("const ").removeprefix("struct ").removeprefix("union "), kind

    def functions(self) -> list[str]:
        """Return the names of all functions."""
        return [self._string(name) for kind, name in self._by_name if kind == _FUNC]

    def every(self, name: str) -> list[Structure]:
        """Return all structures of a name: a compiler's may have several, of different functions."""
        heads = ((number, self._head(number)) for number in range(1, len(self._at)))
        found = (self._type(number) for number, head in heads if head.kind == _STRUCT and head.name == name)
        return [kind for kind in found if isinstance(kind, Structure)]

    # --- reading ---

    def _find(self, kind: int, name: str) -> int | None:
        # Several names may share a tail: one that is the tail of another begins within it.
        for match in re.finditer(re.escape(name.encode() + b"\0"), self._strings):
            if (kind, match.start()) in self._by_name:
                return self._by_name[kind, match.start()]
        return None

    def _string(self, at: int) -> str:
        end = self._strings.find(b"\0", at)
        if end < 0:
            raise UsageError(f"this BTF is damaged: it has no name at {at}")
        return self._strings[at:end].decode(errors="replace")

    def _head(self, number: int) -> _Head:
        if number >= len(self._at):
            raise UsageError(f"this BTF is damaged: it has no type {number}")
        at = self._at[number]
        name, info, size = _TYPE.unpack_from(self._types, at)
        return _Head(self._string(name), info >> 24 & 0x1F, info & 0xFFFF, bool(info >> 31), size, at + _TYPE.size)

    def _members(self, head: _Head, layout: str) -> Iterator[tuple[int, ...]]:
        each = struct.Struct(layout)
        for index in range(head.members):
            yield each.unpack_from(self._types, head.at + index * each.size)

    def _signature(self, name: str, prototype: int) -> Signature:
        head = self._head(prototype)
        arguments: list[tuple[str, Type]] = []
        variadic = False
        for at, number in self._members(head, "<II"):
            kind = self._type(number)
            variadic = variadic or not number
            if kind is not None:
                arguments.append((self._string(at), kind))
        return Signature(name, tuple(arguments), self._type(head.size), variadic)

    def _stripped(self, number: int) -> int:
        for _ in self._at:
            if not number or self._head(number).kind not in _TRANSPARENT:
                return number
            number = self._head(number).size
        raise UsageError(f"this BTF is damaged: type {number} stands for itself")

    def _type(self, number: int) -> Type | None:
        """Convert a type; None: ``void``."""
        number = self._stripped(number)
        if not number:
            return None
        if number not in self._known:
            if number in self._converting:
                raise UsageError(f"this BTF is damaged: type {number} contains itself")
            self._converting.add(number)
            try:
                self._known[number] = self._convert(self._head(number))
            finally:
                self._converting.discard(number)
        return self._known[number]

    def _convert(self, head: _Head) -> Type:  # noqa: PLR0911 - a table of types
        if head.kind == _INT:
            return self._integer(head)
        if head.kind == _PTR:
            target = head.size
            return PointerTo(lambda: self._pointee(target), f"{self._shown(target)} *")
        if head.kind == _ARRAY:
            item, _, count = struct.unpack_from("<III", self._types, head.at)
            kind = self._type(item)
            return Opaque("array", 0, "nothing is known of its items") if kind is None else Array(kind, count or None)
        if head.kind in _COMPOUND:
            fields = tuple(self._fields(head))
            name = f"{_COMPOUND[head.kind]} {head.name}".strip()
            return Structure(name, head.size, alignment_by(fields, head.size), fields)
        if head.kind in {_ENUM, _ENUM64}:
            return self._enumeration(head)
        if head.kind == _FLOAT:
            return Float(head.size)
        sort = {_FWD: "only declared", _FUNC_PROTO: "a function"}.get(head.kind, "a type that is not decoded")
        return Opaque(head.name or "function", 0, f"{head.name or 'it'} is {sort}")

    def _integer(self, head: _Head) -> Type:
        encoding = int(struct.unpack_from("<I", self._types, head.at)[0]) >> 24 & 0xF
        if head.name == "char":
            return Character()
        return Boolean(head.size) if encoding & _BOOL else Integer(head.size, bool(encoding & _SIGNED))

    def _pointee(self, number: int) -> Type | None:
        """Return what a pointer leads to. Of the program's memory (``__user``) only clang tells, and it is not read."""
        at = number
        while at and self._head(at).kind in _TRANSPARENT:
            if self._head(at).kind == _TYPE_TAG and self._head(at).name == "user":
                return None
            at = self._head(at).size
        kind = self._type(number)
        if kind == Character():
            return Chars()
        return None if isinstance(kind, Integer) and kind.size == 1 else kind

    def _fields(self, head: _Head) -> Iterator[Field]:
        for at, number, where in self._members(head, "<III"):
            name, kind = self._string(at), self._type(number)
            first, bits = (where & 0xFFFFFF, where >> 24) if head.flag else (where, 0)
            if kind is None:
                continue
            if not name and isinstance(kind, Structure):
                for inner in kind.fields:
                    yield Field(inner.name, inner.type, first // 8 + inner.offset, inner.bit_offset, inner.bit_size)
            elif name:
                yield Field(name, kind, first // 8, first % 8 if bits else 0, bits or None)

    def _enumeration(self, head: _Head) -> Enumeration:
        values: dict[str, int] = {}
        signed = head.flag or (head.kind == _ENUM and not self._tells_signs)
        for at, low, *high in self._members(head, "<III" if head.kind == _ENUM64 else "<II"):
            number, width = low | (high[0] << 32 if high else 0), 64 if high else 32
            values[self._string(at)] = number - (1 << width) if signed and number >> (width - 1) else number
        return Enumeration(
            f"enum {head.name}".strip(), head.size, head.flag or min(values.values(), default=0) < 0, EnumSet(values)
        )

    def _shown(self, number: int) -> str:
        """Write the type that a pointer leads to, without reading all of it."""
        if not number:
            return "void"
        head = self._head(number)
        if head.kind == _PTR:
            return f"{self._shown(head.size)} *"
        if head.kind == _FUNC_PROTO:
            return "function"
        if head.kind in _TRANSPARENT and head.kind != _TYPEDEF:
            inner = self._shown(head.size)
            return f"const {inner}" if head.kind == _CONST and not inner.endswith("*") else inner
        sort = {**_COMPOUND, _ENUM: "enum", _ENUM64: "enum", _FWD: "struct"}.get(head.kind, "")
        return f"{sort} {head.name}".strip()


@functools.cache
def kernel_btf(path: str = "/sys/kernel/btf/vmlinux") -> Btf:
    """Return the types of the running kernel, read once.

    Raises:
        Unavailable: The kernel has none to show.
    """
    try:
        return Btf(Path(path).read_bytes())
    except OSError as error:
        raise Unavailable(
            f"pytest-ebpf: the types of the kernel cannot be read: {path}: {error.strerror}\n"
            "  needs   a kernel built with CONFIG_DEBUG_INFO_BTF, and /sys mounted"
        ) from error
