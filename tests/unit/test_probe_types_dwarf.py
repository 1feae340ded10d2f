"""Types out of DWARF are what the compiler made of them: the compiled program says so itself."""

from __future__ import annotations

import random
import subprocess
from typing import TYPE_CHECKING, Any

import c_types
import pytest
from elftools.elf.elffile import ELFFile
from tiers import require_command

from pytest_ebpf.probes.ctypes_types import from_ctypes
from pytest_ebpf.probes.dwarf_functions import signature_at
from pytest_ebpf.probes.types import Array, Field, PointerTo, Structure, Type

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ebpf.probes.signature import Signature


class Program:
    """A compiled program, and what its DWARF says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            elf: Any = ELFFile(file)
            self.dwarf = elf.get_dwarf_info()
            self.symbols = {each.name: each["st_value"] for each in elf.get_section_by_name(".symtab").iter_symbols()}

    def signature(self, name: str) -> Signature:
        found = signature_at(self.dwarf, self.symbols[name], name)
        assert found is not None
        return found


def shape(kind: Type | None, depth: int = 3) -> Any:
    """Return what a type is, to be compared; names of integers do not count."""
    if isinstance(kind, Structure):
        fields = [(each.name, shape(each.type, depth), *at(each)) for each in kind.fields]
        return kind.name, kind.size, fields
    if isinstance(kind, Array):
        return shape(kind.item, depth), kind.count
    if isinstance(kind, PointerTo):
        return "pointer", shape(kind.target(), depth - 1) if depth else None
    return kind


def at(field: Field) -> tuple[int, int | None]:
    """Return the first bit of a field, and how many it has."""
    whole = field.bit_size == field.type.size * 8  # compilers do not say that this is a bit-field
    return field.offset * 8 + field.bit_offset, None if whole else field.bit_size


SEED = random.Random(4)  # noqa: S311 - no secret
RANDOM = [c_types.random_structure(SEED) for _ in range(80)]

VARIANTS = [
    ("gcc", "-gdwarf-2", "-gstrict-dwarf"),
    ("gcc", "-gdwarf-4", "-fdebug-types-section"),
    ("gcc", "-gdwarf-5", "-O2"),
    ("clang", "-gdwarf-4"),
    ("clang", "-gdwarf-5", "-O1"),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=" ".join)
def test_random_structures_are_laid_out_as_compilers_and_ctypes_do(variant: tuple[str, ...], tmp_path: Path) -> None:
    require_command(variant[0])
    declarations, names = c_types.declared(RANDOM)
    functions = "\n".join(f"void take{at}({name} *it) {{ }}" for at, name in enumerate(names))
    sizes = "\n".join(f'printf("%zu %zu\\n", sizeof({name}), _Alignof({name}));' for name in names)
    source = f"#include <stdio.h>\n{declarations}\n{functions}\nint main(void) {{ {sizes} return 0; }}"
    program = Program(c_types.compiled(tmp_path, source, *variant[1:], compiler=variant[0]))
    printed = subprocess.run([program.path], check=True, capture_output=True, text=True).stdout.splitlines()
    for at, kind in enumerate(RANDOM):
        ((name, pointer),) = program.signature(f"take{at}").arguments
        assert name == "it"
        assert isinstance(pointer, PointerTo)
        ours, theirs = pointer.target(), from_ctypes(kind)
        assert shape(ours) == shape(theirs)
        assert isinstance(ours, Structure)
        alignment = printed[at].split()[1] if c_types.is_packed(kind) else ours.alignment  # which DWARF does not tell
        assert f"{ours.size} {alignment}" == printed[at]
