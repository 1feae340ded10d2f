"""Runs what BCC generated for a few simple functions (Documentation/bpf/standardization/instruction-set.rst)."""

from __future__ import annotations

import operator
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

INSTRUCTION = struct.Struct("<BBhi")
WORD = (1 << 64) - 1
LOADS = {0x61: 4, 0x69: 2, 0x71: 1, 0x79: 8}
"""Bytes that ``BPF_LDX | BPF_MEM`` reads, by the opcode."""


def _moved(_: int, value: int) -> int:
    return value


def _shifted(value: int, by: int) -> int:
    return (value - (value >> 63 << 64)) >> by


OPERATIONS: dict[int, Callable[[int, int], int]] = {
    0x40: operator.or_,
    0x50: operator.and_,
    0x60: operator.lshift,
    0x70: operator.rshift,
    0xB0: _moved,
    0xC0: _shifted,
}
"""What of ``BPF_ALU64`` reading a bit-field takes."""
WIDE, STORE_IMMEDIATE, STORE, EXIT, ALU64 = 0x18, 0x7A, 0x7B, 0x95, 0x07


def stored(code: bytes) -> dict[int, int]:
    """What a function stores in an array of 64-bit words at its argument, by the index."""
    return _run(code, b"")[1]


def returned(code: bytes, memory: int, size: int) -> int:
    """What a function returns when its argument points to memory with that content."""
    return _run(code, (memory & (1 << 8 * size) - 1).to_bytes(size + 8, "little"))[0]


def _run(code: bytes, memory: bytes) -> tuple[int, dict[int, int]]:
    registers = [0] * 11
    words: dict[int, int] = {}
    instructions = INSTRUCTION.iter_unpack(code)
    for opcode, pair, offset, immediate in instructions:
        target, source = pair & 15, pair >> 4
        if opcode == EXIT:
            return registers[0], words
        if opcode in LOADS:
            registers[target] = int.from_bytes(memory[offset : offset + LOADS[opcode]], "little")
        elif opcode in {STORE, STORE_IMMEDIATE}:
            words[offset // 8] = registers[source] if opcode == STORE else immediate
        elif opcode == WIDE:
            high = next(instructions)[3]
            registers[target] = (immediate & 0xFFFFFFFF) | (high & 0xFFFFFFFF) << 32
        else:
            assert opcode & 7 == ALU64, hex(opcode)
            operand = registers[source] if opcode & 8 else immediate & WORD
            registers[target] = OPERATIONS[opcode & 0xF0](registers[target], operand) & WORD
    raise AssertionError("a function without an end")
