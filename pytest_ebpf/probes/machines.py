"""The registers of the machines that probes run on, as words of ``struct pt_regs`` and ``struct user_pt_regs``."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from pytest_ebpf.errors import UsageError

__all__ = ["AARCH64", "X86_64", "Machine", "machine"]


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, and how its functions are called."""

    name: str
    registers: dict[str, int]
    """Words, by name."""
    arguments: tuple[int, ...]
    """Those that pass integers and pointers, in order."""
    results: tuple[int, ...]
    """Those that return them."""
    floats: int
    """How many registers pass floating point numbers."""
    stack: int
    """Bytes from the stack pointer, at a function's entry, to the first argument that is on the stack."""


_X86_64_WORDS = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss"),
)

# arch/x86/include/uapi/asm/ptrace.h; System V ABI, AMD64 supplement, 3.2.3
X86_64 = Machine(
    name="x86-64",
    registers={name: word for word, name in enumerate(_X86_64_WORDS)},
    arguments=(14, 13, 12, 11, 9, 8),
    results=(10, 12),
    floats=8,
    stack=8,  # above the return address
)

# arch/arm64/include/uapi/asm/ptrace.h; Procedure Call Standard for the Arm 64-bit Architecture, 6.8
AARCH64 = Machine(
    name="aarch64",
    registers={**{f"x{number}": number for number in range(31)}, "sp": 31, "pc": 32, "pstate": 33},
    arguments=tuple(range(8)),
    results=(0, 1),
    floats=8,
    stack=0,
)

_BY_NAME = {"x86-64": X86_64, "x86_64": X86_64, "aarch64": AARCH64, "arm64": AARCH64}


def machine(name: str | None = None) -> Machine:
    """Return a machine by its name; by default, the one we run on.

    Raises:
        UsageError: Functions of such a machine cannot be probed.
    """
    name = name or platform.machine()
    if name not in _BY_NAME:
        raise UsageError(f"arguments of functions are known for x86-64 and aarch64, not for {name}")
    return _BY_NAME[name]
