"""The compact text form of what to read: ``s32@arg0+4``.

.. code-block:: none

   what      = ["ret:"] [space ":"] ( type "@" address | type "(" value ")" | value )
   type      = ("s" | "u") ("8" | "16" | "32" | "64") ["be"] | ("f32" | "f64") ["be"] | "bool" | "char" | "ptr"
             | "str" ["[" limit "]"] | "buf" ["[" limit "]"] | type "[" count "]"
   address   = base ["+" n | "-" n] { "->" [n] }
   value     = base ["+" n | "-" n]
   base      = "arg" n | "ret" | "sp" | "ctx" | a register | a number
             several counts are as in C: u8[2][3] is two of u8[3]
   buf       is followed by its length:  buf@arg1:arg2   buf@arg1:u32@arg0+8   buf@arg1:16   buf@arg1:ret
   space     = "user" | "kernel"

``@`` reads memory at an address: ``s32@arg0+4`` is the ``int`` four bytes after what the first argument points to.
``()`` takes the value itself: ``s32(arg1)`` is the second argument as an ``int``, ``arg1`` alone is ``u64(arg1)``.
Each ``->`` follows one pointer: ``str@arg0+8->0`` is the string whose address lies eight bytes after what the first
argument points to. What begins with ``ret:`` is read when the function returns, as is what has ``ret`` in it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NoReturn

from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.spec import MAX_STEPS
from pytest_ebpf.probes.types import (
    BUFFER_LIMIT,
    LARGEST,
    STRING_LIMIT,
    Array,
    Boolean,
    Bytes,
    Character,
    Chars,
    Float,
    Integer,
    PointerTo,
    Type,
)

__all__ = ["Anchor", "Text", "is_text", "parse_text"]


@dataclass(frozen=True, slots=True)
class Anchor:
    """What an address or a value starts from."""

    kind: str
    """``argument``, ``result``, ``stack``, ``context``, ``register`` or ``constant``."""
    number: int = 0
    """Of the argument, counted from 0; the constant."""
    name: str = ""
    """Of the register."""
    index: str = ""
    """Name of a register that is added, times `scale`: of operands of USDT, the text form has none."""
    scale: int = 1


@dataclass(frozen=True, slots=True)
class Text:
    """What a text asks for."""

    text: str
    type: Type
    anchor: Anchor
    offsets: tuple[int, ...]
    """Added to the anchor, and to what each ``->`` leads to."""
    in_memory: bool
    """Whether the value is at that address, or is that address itself."""
    length: Text | int | None = None
    """Of a buffer: bytes."""
    at_return: bool = False
    user: bool | None = None
    """Whether the memory is the program's or the kernel's; None: as usual for the kind of probe."""
    in_record: bool = False
    """Whether the only ``->`` follows a tracepoint's ``__data_loc``: the text form has none."""


_SCALARS: dict[str, Type] = {
    **{f"{sign}{bits}": Integer(bits // 8, sign == "s") for sign in "su" for bits in (8, 16, 32, 64)},
    **{f"{sign}{bits}be": Integer(bits // 8, sign == "s", big=True) for sign in "su" for bits in (16, 32, 64)},
    **{f"f{bits}": Float(bits // 8) for bits in (32, 64)},
    **{f"f{bits}be": Float(bits // 8, big=True) for bits in (32, 64)},
    "bool": Boolean(),
    "char": Character(),
    "ptr": PointerTo(lambda: None),
}
_TYPES = "s8 to s64, u8 to u64 (be after it: the highest byte first), f32, f64, bool, char, ptr, str, buf"
_BASES = "arg0, arg1, …, ret, sp, a register such as rdi, or a number"
_NUMBER = r"0[xX][0-9a-fA-F]+|[0-9]+"
_FORM = re.compile(r"[a-z]+[0-9]*(be)?(\[[^\]]*\])?[@(]|(ret|user|kernel):|(arg[0-9]+|ret)([+-]|$)")


def is_text(given: object) -> bool:
    """Whether something looks like the text form, and so is no name of a type or function."""
    return isinstance(given, str) and _FORM.match(given) is not None


def parse_text(text: str) -> Text:
    """Read the text form.

    Raises:
        UsageError: It is none; with the column at which that shows.
    """
    parser = _Parser(text)
    found = parser.whole()
    if parser.at < len(text):
        parser.fail("nothing more is expected here")
    return found


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, why: str, at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        raise UsageError(f"column {at + 1}: {why}\n  {self.text}\n  {' ' * at}^")

    def took(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def matched(self, pattern: str) -> str | None:
        found = re.compile(pattern).match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]

    def number(self, what: str) -> int:
        digits = self.matched(_NUMBER)
        if digits is None:
            self.fail(f"{what} is expected here")
        return int(digits, 16 if digits[:2] in {"0x", "0X"} else 10)

    def whole(self) -> Text:
        at_return = self.took("ret:")
        user = True if self.took("user:") else False if self.took("kernel:") else None
        found = self.item()
        length_at_return = isinstance(found.length, Text) and found.length.at_return
        return Text(
            self.text,
            found.type,
            found.anchor,
            found.offsets,
            found.in_memory,
            found.length,
            at_return or found.anchor.kind == "result" or length_at_return,
            user,
        )

    def item(self, *, may_be_buffer: bool = True) -> Text:
        """Read all but the prefixes."""
        start = self.at
        base = self.matched(r"(?:[a-z][a-z0-9_]*|[0-9][0-9a-fA-FxX]*)(?![\[@(a-z0-9])")
        if base is not None:
            self.at = start
            return self.value(Integer(8, signed=False), start)
        kind = self.type()
        if isinstance(kind, Bytes) and not may_be_buffer:
            self.fail("a length is a number", start)
        if self.took("@"):
            return self.memory(kind, start)
        if not self.took("("):
            self.fail("'@' and an address, or '(' and a value, are expected here")
        if isinstance(kind, Chars | Bytes | Array):
            self.fail(
                f"{self.text[start : self.at - 1]} is read at an address: write {self.text[start : self.at - 1]}@…",
                self.at - 1,
            )
        found = self.value(kind, start)
        if not self.took(")"):
            self.fail("')' is expected here")
        if isinstance(kind, Float):
            self.fail("a value itself has no point: the kernel does not show floating point registers to BPF", start)
        return found

    def type(self) -> Type:
        start = self.at
        name = self.matched("[a-z]+[0-9]*(?:be)?")
        if name is None:
            self.fail(f"a type is expected here: {_TYPES}")
        if name in {"str", "buf"}:
            limit = STRING_LIMIT if name == "str" else BUFFER_LIMIT
            if self.took("["):
                limit = self.count("the most bytes to read", 1)
            return Chars(limit) if name == "str" else Bytes("", 1, limit)
        if name not in _SCALARS:
            self.fail(f"{name!r} is no type; these are: {_TYPES}", start)
        kind = _SCALARS[name]
        counts: list[int] = []
        while self.took("["):
            counts.append(self.count("how many items", kind.size * math.prod(counts)))
        for count in reversed(counts):  # as in C: u8[2][3] is two of u8[3]
            kind = Array(kind, count)
        return kind

    def count(self, what: str, size: int) -> int:
        start = self.at
        count = self.number(what)
        if not self.took("]"):
            self.fail("']' is expected here")
        if not 0 < count * size <= LARGEST:
            self.fail(f"1 to {LARGEST} bytes can be read, not {count * size}", start)
        return count

    def anchor(self) -> Anchor:
        start = self.at
        if self.text[start : start + 1].isdigit():
            return Anchor("constant", self.number("a number"))
        name = self.matched("[a-z][a-z0-9_]*")
        if name is None:
            self.fail(f"what to start from is expected here: {_BASES}")
        if re.fullmatch("arg[0-9]+", name):
            return Anchor("argument", int(name[3:]))
        kinds = {"ret": "result", "sp": "stack", "ctx": "context"}
        if name in kinds:
            return Anchor(kinds[name])
        if re.fullmatch("r[a-z0-9]{1,2}|x[0-9]+", name) is None:
            self.fail(f"{name!r} is nothing to start from; that is {_BASES}", start)
        return Anchor("register", name=name)

    def offset(self) -> int:
        sign = 1 if self.took("+") else -1 if self.text[self.at : self.at + 2] != "->" and self.took("-") else 0
        if not sign:
            return 0
        start = self.at
        return sign * self.in_range(self.number("a number of bytes"), start)

    def in_range(self, number: int, start: int) -> int:
        if number >= 1 << 31:
            self.fail("an offset is less than 2 GiB", start)
        return number

    def value(self, kind: Type, start: int) -> Text:
        anchor = self.anchor()
        offsets = (self.offset(),)
        if self.took("->"):
            self.fail("a value itself lies behind no pointer: write '@' before the address", self.at - 2)
        return Text(
            self.text[start : self.at], kind, anchor, offsets, in_memory=False, at_return=anchor.kind == "result"
        )

    def memory(self, kind: Type, start: int) -> Text:
        anchor = self.anchor()
        offsets = [self.offset()]
        while self.took("->"):
            if len(offsets) > MAX_STEPS:
                self.fail(f"{MAX_STEPS} pointers can be followed, no more", self.at - 2)
            began = self.at
            digits = self.matched(f"-?(?:{_NUMBER})")
            offsets.append(self.in_range(int(digits or "0", 0), began) if digits else 0)
        length = self.length() if isinstance(kind, Bytes) else None
        if isinstance(length, int):
            kind = Bytes(length, 1, min(length, LARGEST))
        text = self.text[start : self.at]
        late = anchor.kind == "result"
        return Text(text, kind, anchor, tuple(offsets), in_memory=True, length=length, at_return=late)

    def length(self) -> Text | int:
        if not self.took(":"):
            self.fail("':' and the buffer's length are expected here: an argument such as arg2, or a number")
        start = self.at
        if self.matched(f"(?:{_NUMBER})$"):
            self.at = start
            length = self.number("a number")
            if not 0 < length <= LARGEST:
                self.fail(f"1 to {LARGEST} bytes can be read, not {length}", start)
            return length
        found = self.item(may_be_buffer=False)
        if not isinstance(found.type, Integer):
            self.fail("a length is a number", start)
        return found
