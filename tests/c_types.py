"""Random structures, as ctypes and as C have them: a program compiled with them says what C makes of both."""

from __future__ import annotations

import ctypes
import subprocess
from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.ctypes_types import from_ctypes

if TYPE_CHECKING:
    import random
    from pathlib import Path

__all__ = [
    "C_NAMES",
    "MANY",
    "MANY_FIELDS",
    "compiled",
    "declared",
    "initialiser",
    "is_float",
    "is_packed",
    "random_kind",
    "random_structure",
]

C_NAMES: dict[Any, str] = {
    ctypes.c_int8: "signed char",
    ctypes.c_uint8: "unsigned char",
    ctypes.c_char: "char",
    ctypes.c_int16: "short",
    ctypes.c_uint16: "unsigned short",
    ctypes.c_int32: "int",
    ctypes.c_uint32: "unsigned int",
    ctypes.c_int64: "long",
    ctypes.c_uint64: "unsigned long",
    ctypes.c_bool: "_Bool",
    ctypes.c_float: "float",
    ctypes.c_double: "double",
    ctypes.c_longdouble: "long double",
    ctypes.c_void_p: "void *",
}
MANY = """
enum color { RED = 1, GREEN, LAST = -1 };
typedef int (*callback)(const char *);
typedef unsigned char octet;
struct many {
    struct { int inside; union { int also; float or_this; }; };
    unsigned a : 3, : 2, b : 7; _Bool flag : 1; enum color c : 3;
    const char *names[2]; int grid[2][3]; volatile enum color color; callback call; void *any; octet *bytes;
    struct many *next; signed char tail[];
};
"""
"""A structure with a field of each kind."""
MANY_FIELDS = [
    ("inside", "s32", 0, None),
    ("also", "s32", 32, None),
    ("or_this", "f32", 32, None),
    ("a", "u32", 64, 3),
    ("b", "u32", 69, 7),
    ("flag", "bool", 76, 1),
    ("c", "enum color", 77, 3),
    ("names", "const char *[2]", 128, None),
    ("grid", "s32[2][3]", 256, None),
    ("color", "enum color", 448, None),
    ("call", "function *", 512, None),
    ("any", "void *", 576, None),
    ("bytes", "octet *", 640, None),
    ("next", "struct many *", 704, None),
    ("tail", "s8[]", 768, None),
]
"""Its fields: the name, the type, the first bit, and how many of a bit-field."""
WHOLE = [kind for kind in C_NAMES if kind not in {ctypes.c_float, ctypes.c_double, ctypes.c_longdouble}]
BITS = [ctypes.c_int8, ctypes.c_uint16, ctypes.c_int32, ctypes.c_uint32, ctypes.c_uint64]


def is_float(kind: Any) -> bool:
    """Whether a type has a floating point number in it."""
    if issubclass(kind, ctypes.Structure | ctypes.Union):
        return any(is_float(each) for _, each, *_ in kind._fields_)
    if issubclass(kind, ctypes.Array):
        return is_float(kind._type_)
    return kind in {ctypes.c_float, ctypes.c_double, ctypes.c_longdouble}


def is_packed(kind: Any) -> bool:
    """Whether a type has a packed structure in it."""
    if issubclass(kind, ctypes.Structure | ctypes.Union):
        return bool(getattr(kind, "_pack_", 0)) or any(is_packed(each) for _, each, *_ in kind._fields_)
    return issubclass(kind, ctypes.Array) and is_packed(kind._type_)


def random_kind(pick: random.Random, depth: int, *, small: bool = False) -> Any:
    """Return a scalar, an array or a structure."""
    choice = pick.random()
    if depth and choice < 0.3:
        return random_structure(pick, depth - 1, small=small)
    if choice < 0.5:
        return random_kind(pick, 0, small=small) * pick.randint(1, 2 if small else 4)
    return pick.choice([*C_NAMES, *WHOLE])


def random_structure(pick: random.Random, depth: int = 2, *, small: bool = False) -> Any:
    """Return a structure or a union, packed or not, with bit-fields or not."""
    base: Any = ctypes.Union if pick.random() < 0.15 else ctypes.Structure
    unit = pick.choice(BITS)
    fields: list[tuple[Any, ...]] = []
    has_bits = base is ctypes.Structure and pick.random() < 0.3
    for at in range(pick.randint(1, 3 if small else 6)):
        if has_bits and pick.random() < 0.5:
            fields.append((f"f{at}", unit, pick.randint(1, ctypes.sizeof(unit) * 8)))
        else:
            fields.append((f"f{at}", random_kind(pick, depth, small=small)))
    inside: dict[str, Any] = {"_fields_": fields}
    if not has_bits and pick.random() < 0.15:
        inside["_pack_"] = 1
    made = type(f"T{pick.getrandbits(48):x}", (base,), inside)
    try:
        from_ctypes(made)
    except UsageError:  # ctypes lays it out as no C compiler does
        return random_structure(pick, depth, small=small)
    return made


def _member(kind: Any, name: str, out: list[str], done: set[Any]) -> str:
    counts = ""
    while issubclass(kind, ctypes.Array):
        counts += f"[{kind._length_}]"
        kind = kind._type_
    return f"{_name(kind, out, done)} {name}{counts}"


def _name(kind: Any, out: list[str], done: set[Any]) -> str:
    if kind in C_NAMES:
        return C_NAMES[kind]
    sort = "union" if issubclass(kind, ctypes.Union) else "struct"
    if kind not in done:
        done.add(kind)
        members = [
            _member(each, name, out, done) + (f" : {bits[0]};" if bits else ";") for name, each, *bits in kind._fields_
        ]
        packed = " __attribute__((packed))" if getattr(kind, "_pack_", 0) else ""
        out.append(f"{sort}{packed} {kind.__name__} {{ {' '.join(members)} }};")
    return f"{sort} {kind.__name__}"


def declared(kinds: list[Any]) -> tuple[str, list[str]]:
    """Return the declarations of all structures, and what each type is called."""
    out: list[str] = []
    done: set[Any] = set()
    names = [_name(kind, out, done) for kind in kinds]
    return "\n".join(out), names


def initialiser(data: bytes) -> str:
    """Return bytes as C has them."""
    return "{" + ", ".join(map(str, data)) + "}"


def compiled(folder: Path, source: str, *options: str, compiler: str = "gcc", name: str = "made") -> Path:
    """Compile a C program."""
    suffix = ".cc" if "++" in compiler else ".c"
    file = folder / f"{name}{suffix}"
    file.write_text(source)
    program = folder / name
    subprocess.run([compiler, "-w", *options, "-o", str(program), str(file)], check=True)
    return program
