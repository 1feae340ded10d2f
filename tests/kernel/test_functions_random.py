"""Structures that nobody thought of, through a C function of this process: each field is what ctypes reads."""

from __future__ import annotations

import ctypes
import random
import subprocess
from typing import TYPE_CHECKING, Any

import c_types
import pytest
from once import made_once
from tiers import require_command

from pytest_ebpf import Pointer

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ebpf import Trace

SOURCE = "__attribute__((noipa)) long take(const void *structure, long number) { return number + !structure; }\n"
STRUCTURES = 40


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the function."""
    require_command("gcc")

    def build(folder: Path) -> None:
        (folder / "take.c").write_text(SOURCE, encoding="utf-8")
        subprocess.run(["gcc", "-O1", "-shared", "-o", str(folder / "take.so"), str(folder / "take.c")], check=True)

    return made_once(tmp_path_factory, "take", build) / "take.so"


def read(value: Any) -> Any:
    """Return what ctypes reads, with fields by name."""
    if isinstance(value, ctypes.Structure | ctypes.Union):
        return {name: read(getattr(value, name)) for name, *_ in value._fields_}
    if isinstance(value, ctypes.Array):
        return value.value if value._type_ is ctypes.c_char else tuple(map(read, value))
    return value


def told(value: Any) -> Any:
    """Return the same of what a probe told."""
    if hasattr(value, "keys"):
        return {name: told(value[name]) for name in value}
    if isinstance(value, tuple | list):
        return tuple(map(told, value))
    # Addresses are ints that are written in another way.
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def test_fields_of_random_structures_are_what_ctypes_reads(ebpf_trace: Trace, library: Path) -> None:
    pick = random.Random(20)
    take = ctypes.CDLL(str(library)).take
    take.argtypes = (ctypes.c_void_p, ctypes.c_long)
    kinds = [c_types.random_structure(pick) for _ in range(STRUCTURES)]
    probes = [ebpf_trace.uprobe(library, "take", structure=Pointer(kind), number="s64") for kind in kinds]
    passed = []
    for number, kind in enumerate(kinds):
        structure = kind.from_buffer_copy(pick.randbytes(ctypes.sizeof(kind)))
        passed.append(structure)
        take(ctypes.addressof(structure), number)
    for number, (probe, structure) in enumerate(zip(probes, passed, strict=True)):
        # Each probe tells of all calls: those of the others with their bytes taken for this one's.
        (call,) = (each for each in probe if each.args.number == number)
        # Not a number equals nothing, and is written as it is.
        assert repr(told(call.args.structure)) == repr(read(structure)), type(structure)
