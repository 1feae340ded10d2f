"""Types out of DWARF are what the compiler made of them: the compiled program says so itself."""

from __future__ import annotations

import io
import random
import subprocess
from typing import TYPE_CHECKING, Any

import c_types
import pytest
from elftools.elf.elffile import ELFFile
from fetch_emulator import Task, fire
from tiers import require_command

from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.arguments import places
from pytest_ebpf.probes.ctypes_types import from_ctypes
from pytest_ebpf.probes.dwarf_functions import signature_at
from pytest_ebpf.probes.machines import X86_64
from pytest_ebpf.probes.plan import plan
from pytest_ebpf.probes.planner import Argument
from pytest_ebpf.probes.types import Array, Field, PointerTo, Slice, Structure, Type, spelled

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


SEED = random.Random(4)
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


C_SOURCE = (
    c_types.MANY
    + """
enum big { HUGE_ONE = 0x100000000 };
typedef const struct exp { int num; char name[35]; struct exp *next; } exp_t;
struct later;
union either { long l; double d; };
struct rest { int n; char tail[]; };
long simple(exp_t *t, char c, signed char s, unsigned char u, _Bool b, enum color e, enum big h) { return 0; }
const char *text(char *a, const char *const *b, struct later *l, union either *e, struct rest *r) { return 0; }
void nothing(void) {}
int variadic(const char *format, ...) { return 0; }
struct exp by_value(struct many m, float f, long double d, __int128 i, callback call, int v[4])
{ struct exp e = {0}; return e; }
int wide(struct many *m) { return 0; }
int main(void) { return 0; }
"""
)
OTHER_SOURCE = "struct later { int seen; }; int see(struct later *l) { return l->seen; }\n"


@pytest.fixture(
    scope="module", params=[("gcc", "-gdwarf-4"), ("gcc", "-g", "-O2"), ("clang", "-gdwarf-5")], ids=" ".join
)
def c_program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Compile C code in two files, of which one declares what the other defines."""
    require_command(request.param[0])
    folder = tmp_path_factory.mktemp("c")
    (folder / "other.c").write_text(OTHER_SOURCE)
    options = [*request.param[1:], str(folder / "other.c")]
    return Program(c_types.compiled(folder, C_SOURCE, *options, compiler=request.param[0]))


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (
            "simple",
            "s64 simple(exp_t * t, char c, s8 s, u8 u, bool b, enum color e, enum big h)",
        ),
        (
            "text",
            "const char * text(char * a, const char * * b, struct later * l, union either * e, struct rest * r)",
        ),
        ("nothing", "void nothing()"),
        ("variadic", "s32 variadic(const char * format, ...)"),
        (
            "by_value",
            "struct exp by_value(struct many m, f32 f, f128 d, s128 i, function * call, int * v)",
        ),
    ],
)
def test_a_function_is_written_as_it_was_declared(c_program: Program, function: str, text: str) -> None:
    assert str(c_program.signature(function)) == text


def test_the_fields_of_a_structure_are_where_the_compiler_says(c_program: Program) -> None:
    ((_, pointer),) = c_program.signature("wide").arguments
    assert isinstance(pointer, PointerTo)
    many = pointer.target()
    assert isinstance(many, Structure)
    assert [(field.name, spelled(field.type), *at(field)) for field in many.fields] == c_types.MANY_FIELDS


def test_what_one_file_only_declares_is_found_in_the_other(c_program: Program) -> None:
    later = dict(c_program.signature("text").arguments)["l"]
    assert isinstance(later, PointerTo)
    target = later.target()
    assert isinstance(target, Structure)
    assert [field.name for field in target.fields] == ["seen"]


def test_values_are_decoded_by_their_dwarf(c_program: Program) -> None:
    found = c_program.signature("simple")
    kinds = [kind for _, kind in found.arguments]
    where = places(kinds, X86_64, found.result)
    made = plan({name: Argument(kind, where[at]) for at, (name, kind) in enumerate(found.arguments)}, on=X86_64)
    task = Task()
    first = (2).to_bytes(4, "little") + b"keqing\0".ljust(36, b"x") + (0).to_bytes(8, "little")
    task.registers = dict(zip(X86_64.arguments, [task.put(first), 0x16B, 0xFF, 0xFF, 0x101, 0xFFFF_FFFF], strict=True))
    task.memory[task.sp] = bytes(8) + (0x1_0000_0000).to_bytes(8, "little")
    hit = fire(made.spec, task)
    assert hit is not None
    assert len(made.spec.fetches) == 7
    assert repr(made.decode(hit)) == (
        "{'t': {num=2, name=\"keqing\", next=NULL}, 'c': b'k', 's': -1, 'u': 255, 'b': True, 'e': LAST, 'h': HUGE_ONE}"
    )


CPP_SOURCE = """
#include <cstdint>
namespace ns {
enum class Kind : short { Small = -1, Large = 300 };
struct Base { int base; };
struct Trivial : Base { Kind kind; bool on; };
struct Copied { int x; Copied(const Copied &); ~Copied(); };
Copied::Copied(const Copied &o) : x(o.x) {}
Copied::~Copied() {}
struct Ended { int z; ~Ended(); };
Ended::~Ended() {}
struct Holder { Ended inside; };
struct Virtual { virtual int f(); int y; };
int Virtual::f() { return 1; }
class Widget {
  int size_ = 3; Copied *other; static int count;
 public:
  long grow(int by, const Trivial &t, Kind &&k, char32_t c);
  static int make(Trivial t, Copied c, Virtual v, Ended e, Holder h);
};
int Widget::count = 0;
long Widget::grow(int by, const Trivial &t, Kind &&k, char32_t c) { return size_ + by + count; }
int Widget::make(Trivial t, Copied c, Virtual v, Ended e, Holder h) { return 0; }
template <typename T> struct Box { T inside; };
int boxed(Box<int> *b, int Widget::*member, long (Widget::*call)(int, const Trivial &, Kind &&, char32_t),
          decltype(nullptr) n) { return 0; }
}
int main() { return 0; }
"""


@pytest.mark.parametrize("variant", [("g++", "-gdwarf-4"), ("g++", "-gdwarf-5", "-O2"), ("clang++", "-gdwarf-4")])
def test_c_plus_plus_functions_have_this_and_references(variant: tuple[str, ...], tmp_path: Path) -> None:
    require_command(variant[0])
    # clang leaves out a class of which this file makes no object.
    options = [*variant[1:], *(["-fstandalone-debug"] if variant[0] == "clang++" else [])]
    program = Program(c_types.compiled(tmp_path, CPP_SOURCE, *options, compiler=variant[0]))
    grow = program.signature("_ZN2ns6Widget4growEiRKNS_7TrivialEONS_4KindEDi")
    this, by, trivial, kind, char = (each for _, each in grow.arguments)
    assert [name for name, _ in grow.arguments] == ["this", "by", "t", "k", "c"]
    assert isinstance(this, PointerTo)
    assert isinstance(trivial, PointerTo)
    assert isinstance(kind, PointerTo)
    widget, base = this.target(), trivial.target()
    assert isinstance(widget, Structure)
    assert isinstance(base, Structure)
    assert [(field.name, field.offset) for field in widget.fields] == [("size_", 0), ("other", 8)]
    assert [(field.name, field.offset) for field in base.fields] == [("base", 0), ("kind", 4), ("on", 6)]
    assert (spelled(by), spelled(kind.target()), spelled(char), spelled(grow.result)) == (
        *("s32", "enum Kind", "char32", "s64"),
    )
    make = program.signature("_ZN2ns6Widget4makeENS_7TrivialENS_6CopiedENS_7VirtualENS_5EndedENS_6HolderE")
    assert [(name, getattr(each, "by_reference", None)) for name, each in make.arguments] == [
        *(("t", False), ("c", True), ("v", True), ("e", True), ("h", True)),
    ]
    symbol = next(name for name in program.symbols if name.startswith("_ZN2ns5boxed"))
    sizes = [(name, spelled(each), each.size) for name, each in program.signature(symbol).arguments]
    assert sizes[1:3] == [("member", "s64", 8), ("call", "member function", 16)]
    assert (sizes[0], sizes[3][2]) == (("b", "struct Box<int> *", 8), 8)


def test_a_copy_that_the_compiler_changed_has_no_arguments(tmp_path: Path) -> None:
    require_command("gcc")
    source = """
    static __attribute__((noinline)) int work(int *p, int unused, int k) { return *p * k + 1; }
    int main(int argc, char **argv) { int a = argc, b = argc + 1; return work(&a, 1, argc) + work(&b, 2, argc + 3); }
    """
    program = Program(c_types.compiled(tmp_path, source, "-O2", "-g"))
    symbol = next(name for name in program.symbols if name.startswith("work"))
    assert "." in symbol
    found = program.signature(symbol)
    assert (found.arguments, found.changed) == ((), True)


def test_an_address_that_dwarf_does_not_know_gives_nothing(c_program: Program) -> None:
    assert signature_at(c_program.dwarf, 1, "nobody") is None


def test_rust_s_str_is_a_slice_and_its_large_structures_are_passed_by_an_address(tmp_path: Path) -> None:
    # What rustc writes: the language of the unit, and names that C cannot have.
    source = """
    struct __str { unsigned char *data_ptr; unsigned long length; };
    struct wide { long a, b, c; };
    long greet(struct __str name, struct wide w) { return w.a; }
    int main(void) { return 0; }
    """
    require_command("gcc")
    path = c_types.compiled(tmp_path, source, "-g", "-gdwarf-4")
    data = bytearray(path.read_bytes().replace(b"__str\0", b"&str\0\0"))
    with path.open("rb") as file:
        elf: Any = ELFFile(file)
        top = next(elf.get_dwarf_info().iter_CUs()).get_top_DIE()
        data[elf.get_section_by_name(".debug_info")["sh_offset"] + top.attributes["DW_AT_language"].offset] = 0x1C
    path.write_bytes(data)
    program = Program(path)
    (_, name), (_, wide) = program.signature("greet").arguments
    assert name == Slice(1)
    assert isinstance(wide, Structure)
    assert wide.by_reference


def test_corrupt_dwarf_is_a_clear_error(c_program: Program) -> None:
    data = bytearray(c_program.path.read_bytes())
    with c_program.path.open("rb") as file:
        elf: Any = ELFFile(file)
        section = elf.get_section_by_name(".debug_abbrev")
        data[section["sh_offset"] : section["sh_offset"] + section["sh_size"]] = b"\xff" * section["sh_size"]
    broken: Any = ELFFile(io.BytesIO(bytes(data)))
    with pytest.raises(UsageError) as caught:
        signature_at(broken.get_dwarf_info(), c_program.symbols["simple"], "simple")
    first, second = str(caught.value).splitlines()
    assert first.startswith("the debug information of simple cannot be read: ")
    assert second == "  try     types in the test: of ctypes, or texts such as 's32@arg0+4'"
