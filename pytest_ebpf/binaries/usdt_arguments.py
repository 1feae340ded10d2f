"""Where the arguments of a USDT probe are: the assembler's operands that its note holds.

Such as ``-4@%edi 8@-16(%rbp) 4@$5`` (x86-64), ``-4@[sp, 12] 8@x0`` (arm64): a size in bytes, negative if
signed, and what the compiler had at hand at that place.
https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pytest_ebpf.probes.spec import NO_REGISTER, Base, Fetch, FetchKind

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["UsdtArgument", "parse_arguments"]

_ARGUMENT = re.compile(r"(-?)(\d+)(f?)@(\[[^\]]*\]|\S+)")
_TERM = re.compile(r"([+-]?)\s*(?:(0[xX][0-9a-fA-F]+|\d+)|([A-Za-z_.][\w.$@]*))\s*")
_MEMORY_X86 = re.compile(r"([^()]*)\((%\w+)?\s*(?:,\s*(%\w+)\s*(?:,\s*([1248]))?)?\)")
_MEMORY_ARM = re.compile(r"\[\s*(\w+)\s*(?:,\s*(?:#?(-?\w+)|([xw]\w+)(?:\s*,\s*lsl\s*#?(\d))?))?\s*\]")
_NO_FLOATS = "it is in a floating point register, and the kernel gives those to no probe"


def _x86_registers() -> dict[str, tuple[int, int, int]]:
    """Return index in ``struct pt_regs``, width in bytes and shift in bits, by name."""
    order = (
        *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
        *("orig_rax", "rip", "cs", "eflags", "rsp", "ss"),
    )
    found = {name: (index, 8, 0) for index, name in enumerate(order) if name[0] == "r"}
    for letter in "abcd":
        index = order.index(f"r{letter}x")
        parts = {f"e{letter}x": (4, 0), f"{letter}x": (2, 0), f"{letter}l": (1, 0), f"{letter}h": (1, 8)}
        found |= {name: (index, *part) for name, part in parts.items()}
    for name in ("si", "di", "bp", "sp"):
        index = order.index(f"r{name}")
        found |= {f"e{name}": (index, 4, 0), name: (index, 2, 0), f"{name}l": (index, 1, 0)}
    for number in range(8, 16):
        index = order.index(f"r{number}")
        found |= {f"r{number}{letter}": (index, width, 0) for letter, width in {"d": 4, "w": 2, "b": 1}.items()}
    return found | {"eip": (order.index("rip"), 4, 0)}


_X86 = _x86_registers()
_RIP = _X86["rip"][0]
_ARM = {f"x{number}": (number, 8, 0) for number in range(31)} | {f"w{number}": (number, 4, 0) for number in range(31)}
_ARM |= {"sp": (31, 8, 0), "fp": (29, 8, 0), "lr": (30, 8, 0)}
"""Words of ``struct user_pt_regs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsdtArgument:
    """One argument of a USDT probe."""

    text: str
    """As the note has it: ``-4@%edi``."""
    size: int
    """Bytes."""
    signed: bool
    is_float: bool = False
    kind: Literal["register", "memory", "constant"] = "constant"
    register: int = NO_REGISTER
    """Of a register the word of ``struct pt_regs`` or ``user_pt_regs``, of memory that of the base."""
    width: int = 8
    """Of a register: its bytes (``%edi``: 4)."""
    shift: int = 0
    """Of a register: bits to its lowest one (``%ah``: 8)."""
    index: int = NO_REGISTER
    scale: int = 1
    displacement: int = 0
    """Of memory: bytes; without a base an address."""
    constant: int = 0
    problem: str | None = None
    """Why it cannot be read."""

    def fetch(self) -> Fetch:
        """Return how the kernel reads it: a register or constant as a value of 8 bytes, memory as `size` bytes."""
        if self.kind == "constant":
            return Fetch(kind=FetchKind.VALUE, base=Base.CONSTANT, constant=self.constant & (1 << 64) - 1)
        if self.kind == "register":
            return Fetch(kind=FetchKind.VALUE, base=Base.REGISTER, register=self.register)
        if self.register == NO_REGISTER:
            return Fetch(
                kind=FetchKind.BYTES,
                base=Base.CONSTANT,
                constant=self.displacement & (1 << 64) - 1,
                index=self.index,
                scale=self.scale,
                size=self.size,
            )
        return Fetch(
            kind=FetchKind.BYTES,
            base=Base.REGISTER,
            register=self.register,
            index=self.index,
            scale=self.scale,
            offsets=(self.displacement,),
            size=self.size,
        )

    def value(self, word: int) -> int:
        """Return the value, of the 8 bytes of a register or constant."""
        bits = 8 * min(self.size, self.width)
        value = word >> self.shift & (1 << bits) - 1
        return value - (1 << bits) if self.signed and value >> bits - 1 else value


def parse_arguments(
    text: str, machine: str, *, place: int = 0, is_fixed: bool = False, address_of: Callable[[str], int | None]
) -> tuple[UsdtArgument, ...]:
    """Parse the arguments of one note.

    `place`: the probe's address; `is_fixed`: the program runs at the addresses in its file; `address_of`:
    the address of a symbol, None if that is not known. What is not understood has a `problem`.
    """
    symbols = _Symbols(address_of, place, is_fixed=is_fixed)
    arguments = []
    rest = text.strip()
    while rest:
        match = _ARGUMENT.match(rest)
        if match is None:
            word = rest.split()[0]
            problem = f"{word!r} is not understood"
            arguments.append(UsdtArgument(text=word, size=8, signed=False, problem=problem))
            rest = rest[len(word) :].lstrip()
            continue
        start = UsdtArgument(text=match[0], size=int(match[2]), signed=bool(match[1]), is_float=bool(match[3]))
        if start.size not in {1, 2, 4, 8}:
            parsed = replace(start, problem=f"it has {start.size} bytes, not 1, 2, 4 or 8")
        else:
            parse = _parse_arm if machine == "aarch64" else _parse_x86
            parsed = parse(start, match[4], symbols) or replace(start, problem=f"{match[4]!r} is not understood")
        arguments.append(parsed)
        rest = rest[match.end() :].lstrip()
    return tuple(arguments)


class _Symbols:
    """What names in operands stand for."""

    def __init__(self, address_of: Callable[[str], int | None], place: int, *, is_fixed: bool) -> None:
        self._address_of = address_of
        self.place = place
        self.is_fixed = is_fixed

    def sum_of(self, text: str) -> tuple[int, bool] | str:
        """Return a sum of numbers and symbols and whether there are symbols in it, or the symbol not known."""
        total = 0
        has_symbol = False
        at = 0
        while at < len(text):
            match = _TERM.match(text, at)
            if match is None:
                return text
            if match[2] is not None:
                value = int(match[2], 16 if match[2][:2] in {"0x", "0X"} else 10)
            else:
                has_symbol = True
                address = self._address_of(match[3])
                if address is None:
                    return match[3]
                value = address
            total += -value if match[1] == "-" else value
            at = match.end()
        return total, has_symbol


def _unknown(start: UsdtArgument, symbol: str) -> UsdtArgument:
    return replace(start, problem=f"the address of {symbol!r} is not known: the file has no such symbol, or several")


def _parse_x86(start: UsdtArgument, operand: str, symbols: _Symbols) -> UsdtArgument | None:
    if operand.startswith("$"):
        total = symbols.sum_of(operand[1:])
        if isinstance(total, str):
            return _unknown(start, total)
        if total[1] and not symbols.is_fixed:
            return None
        return replace(start, kind="constant", constant=total[0])
    if re.fullmatch(r"%\w+(\(\d\))?", operand):
        return _register(start, operand[1:], _X86, ["xmm", "ymm", "zmm", "st", "mm"])
    if ":" in operand:  # relative to a segment: the thread's own memory
        return None
    return _x86_memory(start, operand, symbols)


def _x86_memory(start: UsdtArgument, operand: str, symbols: _Symbols) -> UsdtArgument | None:
    match = _MEMORY_X86.fullmatch(operand)
    total = symbols.sum_of(match[1].strip() if match else operand)
    if isinstance(total, str):
        return _unknown(start, total)
    number, has_symbol = total
    start = replace(start, kind="memory", displacement=number)
    base, index = (match[2], match[3]) if match else (None, None)
    if base in {"%rip", "%eip"}:
        # The sum names a symbol, and the probe knows its own address when it is hit.
        return replace(start, register=_RIP, displacement=number - symbols.place) if has_symbol else None
    known = all(each is None or each[1:] in _X86 for each in (base, index))
    if not known or ((has_symbol or match is None) and not symbols.is_fixed):
        return None
    return replace(
        start,
        register=_X86[base[1:]][0] if base else NO_REGISTER,
        index=_X86[index[1:]][0] if index else NO_REGISTER,
        scale=int((match and match[4]) or 1),
    )


def _parse_arm(start: UsdtArgument, operand: str, symbols: _Symbols) -> UsdtArgument | None:
    if operand in {"xzr", "wzr"}:
        return replace(start, kind="constant", constant=0)
    if operand.startswith("["):
        match = _MEMORY_ARM.fullmatch(operand)
        base = _ARM.get(match[1]) if match else None
        if match is None or base is None or base[1] != 8:  # noqa: PLR2004 - bytes of an address
            return None
        start = replace(start, kind="memory", register=base[0], scale=1 << int(match[4] or 0))
        index = _ARM.get(match[3] or match[2] or "")
        if index is not None:
            return replace(start, index=index[0]) if index[1] == 8 else None  # noqa: PLR2004 - likewise
        total = symbols.sum_of(match[2] or "0")
        return None if isinstance(total, str) or total[1] else replace(start, displacement=total[0])
    if re.fullmatch(r"#?-?\w+", operand) and operand.lstrip("#-")[0].isdigit():
        total = symbols.sum_of(operand.lstrip("#"))
        return None if isinstance(total, str) else replace(start, kind="constant", constant=total[0])
    return _register(start, operand, _ARM, ["v", "q", "d", "s", "h", "b"])


def _register(
    start: UsdtArgument, name: str, registers: dict[str, tuple[int, int, int]], floats: list[str]
) -> UsdtArgument | None:
    found = registers.get(name)
    if found is None:
        is_float = any(re.fullmatch(rf"{each}\(?\d*\)?", name) for each in floats)
        return replace(start, kind="register", problem=_NO_FLOATS) if is_float else None
    return replace(start, kind="register", register=found[0], width=found[1], shift=found[2])
