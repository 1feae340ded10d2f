"""Types out of DWARF, as compilers describe them for debuggers (DWARF 5, chapters 5 and 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.probes.types import (
    WORD,
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
    Slice,
    Structure,
    Type,
    alignment_by,
    spelled,
)
from pytest_ebpf.syscalls.flags import EnumSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.die import DIE
    from elftools.dwarf.dwarfinfo import DWARFInfo

__all__ = ["DwarfTypes", "name_of", "value_of", "value_text"]

_RUST = 0x1C  # DW_LANG_Rust
_BY_REFERENCE = 4  # DW_CC_pass_by_reference
_BIG = 1  # DW_END_big
_PLUS_UCONST = 0x23  # DW_OP_plus_uconst
_BOOLEAN, _FLOAT, _SIGNED, _SIGNED_CHAR, _UNSIGNED, _UNSIGNED_CHAR, _UTF = 2, 4, 5, 6, 7, 8, 0x10  # DW_ATE_*
_LONG_DOUBLE = 16

_TRANSPARENT = {
    f"DW_TAG_{name}_type" for name in ("const", "volatile", "restrict", "atomic", "packed", "immutable", "shared")
} | {"DW_TAG_typedef", "DW_TAG_template_alias"}
_POINTERS = {"DW_TAG_pointer_type": "*", "DW_TAG_reference_type": "&", "DW_TAG_rvalue_reference_type": "&&"}
_COMPOUND = {"DW_TAG_structure_type": "struct", "DW_TAG_class_type": "class", "DW_TAG_union_type": "union"}


def value_of(die: DIE, attribute: str) -> Any:
    """Return an attribute of a DIE, or of the declaration that it completes; None: it has none."""
    found = die.attributes.get(attribute)
    if found is not None:
        return found.value
    for link in ("DW_AT_abstract_origin", "DW_AT_specification"):
        if link in die.attributes:
            return value_of(die.get_DIE_from_attribute(link), attribute)
    return None


def value_text(die: DIE, attribute: str) -> str:
    """Return an attribute that is a text, empty if there is none."""
    text = value_of(die, attribute)
    return "" if text is None else str(text.decode(errors="replace"))


def name_of(die: DIE) -> str:
    """Return the name of a DIE, empty if it has none."""
    return value_text(die, "DW_AT_name")


class DwarfTypes:
    """The types that a file's DWARF describes, each converted once.

    Args:
        dwarf: Of one file.
        x87: Whether it is for x86, whose ``long double`` is x87's.
    """

    def __init__(self, dwarf: DWARFInfo, *, x87: bool = True) -> None:
        self._dwarf = dwarf
        self._x87 = x87
        self._known: dict[tuple[int, int], Type] = {}
        self._definitions: dict[tuple[str, ...], DIE] = {}
        self._unread = self._all_definitions()

    def of(self, die: DIE) -> Type | None:
        """Return the type that a DIE says something is of; None: ``void``."""
        for link in ("DW_AT_type", "DW_AT_abstract_origin", "DW_AT_specification"):
            if link in die.attributes:
                target = die.get_DIE_from_attribute(link)
                return self._converted(target) if link == "DW_AT_type" else self.of(target)
        return None

    def _converted(self, die: DIE) -> Type | None:
        while die.tag in _TRANSPARENT:
            if "DW_AT_type" not in die.attributes:
                return None
            die = die.get_DIE_from_attribute("DW_AT_type")
        place = id(die.stream), die.offset  # .debug_types of DWARF 4 is a section of its own
        if place not in self._known:
            self._known[place] = self._convert(die)
        return self._known[place]

    def _convert(self, die: DIE) -> Type:  # noqa: PLR0911 - a table of types
        if die.tag == "DW_TAG_base_type":
            return self._base(die)
        if die.tag in _POINTERS:
            return self._pointer(die, _POINTERS[die.tag])
        if die.tag in _COMPOUND:
            return self._compound(die)
        if die.tag == "DW_TAG_enumeration_type":
            return self._enumeration(die)
        if die.tag == "DW_TAG_array_type":
            return self._array(die)
        if die.tag == "DW_TAG_ptr_to_member_type":
            return self._member_pointer(die)
        if die.tag == "DW_TAG_unspecified_type":  # std::nullptr_t
            return PointerTo(lambda: None, name_of(die))
        name = name_of(die) or str(die.tag).removeprefix("DW_TAG_")
        return Opaque(name, _size(die), f"{name} is a type that is not decoded")

    def _base(self, die: DIE) -> Type:
        name, size, encoding = name_of(die), _size(die), value_of(die, "DW_AT_encoding")
        big = value_of(die, "DW_AT_endianity") == _BIG
        if encoding == _BOOLEAN:
            return Boolean(size)
        if encoding == _FLOAT and size in {2, 4, 8, _LONG_DOUBLE}:
            return Float(size, x87=self._x87 and size == _LONG_DOUBLE and "long double" in name, big=big)
        if encoding == _UTF or (encoding in {_SIGNED_CHAR, _UNSIGNED_CHAR} and name == "char"):
            return Character(size)
        if encoding in {_SIGNED, _SIGNED_CHAR, _UNSIGNED, _UNSIGNED_CHAR} and size:
            return Integer(size, encoding in {_SIGNED, _SIGNED_CHAR}, big)
        return Opaque(name, size, f"{name} is a type that is not decoded", size or 1)

    def _pointer(self, die: DIE, sign: str) -> PointerTo:
        target = die.get_DIE_from_attribute("DW_AT_type") if "DW_AT_type" in die.attributes else None
        return PointerTo(lambda: self._pointee(target, sign), f"{_shown(target)} {sign}")

    def _pointee(self, die: DIE | None, sign: str) -> Type | None:
        """Return what a pointer leads to: ``char`` to strings, and bytes to nobody knows how many of them."""
        kind = None if die is None else self._converted(die)
        if sign == "*" and kind == Character():
            return Chars()
        return None if sign == "*" and isinstance(kind, Integer) and kind.size == 1 else kind

    def _member_pointer(self, die: DIE) -> Type:
        word = Integer(WORD, signed=True)
        target = die.get_DIE_from_attribute("DW_AT_type") if "DW_AT_type" in die.attributes else None
        if target is None or target.tag != "DW_TAG_subroutine_type":
            return word
        return Structure("member function", 2 * WORD, WORD, (Field("ptr", word, 0), Field("adj", word, WORD)))

    def _enumeration(self, die: DIE) -> Enumeration:
        size, base = _size(die), self.of(die)
        values: dict[str, int] = {}
        for each in die.iter_children():
            if each.tag == "DW_TAG_enumerator":
                values[name_of(each)] = int(value_of(each, "DW_AT_const_value") or 0)
        signed = base.signed if isinstance(base, Integer) else any(value < 0 for value in values.values())
        half = 1 << (size * 8 - 1)
        own = {name: value - 2 * half if signed and value >= half else value for name, value in values.items()}
        return Enumeration(f"enum {name_of(die)}".strip(), size, signed, EnumSet(own))

    def _array(self, die: DIE) -> Type:
        item = self.of(die)
        if item is None:
            return Opaque("array", _size(die), "nothing is known of its items")
        if value_of(die, "DW_AT_GNU_vector"):
            size = _size(die) or item.size * (_counts(die)[0] or 0)
            return Opaque(f"vector of {spelled(item)}", size, "vectors are not decoded", size)
        for count in reversed(_counts(die)):
            item = Array(item, count)
        return item

    # --- structures ---

    def _compound(self, die: DIE) -> Type:
        full = self._defined(die)
        name = f"{_COMPOUND[str(die.tag)]} {name_of(full)}".strip()
        if full is not die:
            found = self._converted(full)
            return found if found is not None else Opaque(name, 0, "its definition is void")
        if value_of(die, "DW_AT_declaration"):
            return Opaque(name, 0, f"{name} is only declared")
        if _is_rust(die) and name_of(die).startswith(("&str", "&[", "&mut [")):
            return self._slice(die)
        fields = tuple(self._fields(die))
        alignment = value_of(die, "DW_AT_alignment") or alignment_by(fields, _size(die))
        return Structure(name, _size(die), alignment, fields, self._is_passed_by_reference(die, fields))

    def _slice(self, die: DIE) -> Slice:
        for each in die.iter_children():
            if name_of(each) == "data_ptr" and "DW_AT_type" in each.attributes:
                item = self.of(each.get_DIE_from_attribute("DW_AT_type"))
                return Slice(item.size if item is not None and item.size else 1)
        return Slice()

    def _fields(self, die: DIE) -> Iterator[Field]:
        for each in die.iter_children():
            is_base = each.tag == "DW_TAG_inheritance"
            if not is_base and (each.tag != "DW_TAG_member" or _is_static(each) or value_of(each, "DW_AT_artificial")):
                continue
            kind, offset = self.of(each), _offset(each)
            if kind is None or offset is None:
                continue
            if isinstance(kind, Structure) and (is_base or not name_of(each)):
                for inner in kind.fields:
                    yield Field(inner.name, inner.type, offset + inner.offset, inner.bit_offset, inner.bit_size)
            elif name_of(each):
                yield _field(each, kind, offset)

    def _is_passed_by_reference(self, die: DIE, fields: tuple[Field, ...]) -> bool:
        convention = value_of(die, "DW_AT_calling_convention")
        if convention is not None:
            return bool(convention == _BY_REFERENCE)
        if _is_rust(die):
            return _size(die) > 2 * WORD
        if any(isinstance(field.type, Structure) and field.type.by_reference for field in fields):
            return True
        return any(self._is_not_trivial(each, name_of(die)) for each in die.iter_children())

    def _is_not_trivial(self, each: DIE, name: str) -> bool:  # noqa: PLR0911 - the rules, one after the other
        """Whether a member makes a C++ class one that is passed by an address (Itanium C++ ABI, 1.1)."""
        if each.tag == "DW_TAG_member":
            return name_of(each).startswith("_vptr")
        if each.tag == "DW_TAG_inheritance":
            base = self.of(each)
            return bool(value_of(each, "DW_AT_virtuality")) or (isinstance(base, Structure) and base.by_reference)
        if each.tag != "DW_TAG_subprogram" or value_of(each, "DW_AT_artificial") or value_of(each, "DW_AT_defaulted"):
            return False
        if name_of(each) == f"~{name}":
            return True
        if name_of(each) != name:
            return False
        types = [child for child in each.iter_children() if child.tag == "DW_TAG_formal_parameter"]
        if len(types) != 2 or "DW_AT_type" not in types[1].attributes:  # noqa: PLR2004 - this, and what is copied
            return False
        return types[1].get_DIE_from_attribute("DW_AT_type").tag in {
            "DW_TAG_reference_type",
            "DW_TAG_rvalue_reference_type",
        }

    def _defined(self, die: DIE) -> DIE:
        """Return the full definition of what may be a declaration; if there is none, what there is."""
        if "DW_AT_signature" in die.attributes:
            return die.get_DIE_from_attribute("DW_AT_signature")
        if not value_of(die, "DW_AT_declaration"):
            return die
        path = _path(die)
        while path not in self._definitions:
            found = next(self._unread, None)  # no more units than it takes
            if found is None:
                return die
            self._definitions.setdefault(*found)
        return self._definitions[path]

    def _all_definitions(self) -> Iterator[tuple[tuple[str, ...], DIE]]:
        for unit in self._dwarf.iter_CUs():
            yield from _definitions(unit.get_top_DIE(), ())


def _definitions(die: DIE, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], DIE]]:
    for each in die.iter_children():
        if each.tag in _COMPOUND or each.tag == "DW_TAG_namespace":
            own = (*path, name_of(each))
            if each.tag in _COMPOUND and "DW_AT_declaration" not in each.attributes:
                yield own, each
            if each.has_children:
                yield from _definitions(each, own)


def _path(die: DIE) -> tuple[str, ...]:
    names: list[str] = []
    at: DIE | None = die
    while at is not None and (at.tag in _COMPOUND or at.tag == "DW_TAG_namespace"):
        names.insert(0, name_of(at))
        at = at.get_parent()
    return tuple(names)


def _is_rust(die: DIE) -> bool:
    return bool(value_of(die.cu.get_top_DIE(), "DW_AT_language") == _RUST)


def _size(die: DIE) -> int:
    size = value_of(die, "DW_AT_byte_size")
    return size if isinstance(size, int) else 0


def _is_static(die: DIE) -> bool:
    return "DW_AT_external" in die.attributes or "DW_AT_declaration" in die.attributes


def _offset(die: DIE) -> int | None:
    """Return where a member begins; None: that is only known at run time (a virtual base)."""
    at: Any = value_of(die, "DW_AT_data_member_location")
    if isinstance(at, int) or at is None:
        return int(at or 0)
    if not at or at[0] != _PLUS_UCONST:
        return None
    return sum((int(byte) & 0x7F) << (7 * place) for place, byte in enumerate(at[1:]))


def _field(die: DIE, kind: Type, offset: int) -> Field:
    bits = value_of(die, "DW_AT_bit_size")
    if bits is None:
        return Field(name_of(die), kind, offset)
    first = value_of(die, "DW_AT_data_bit_offset")
    if first is None:  # up to DWARF 3: from the highest bit of the unit
        unit = value_of(die, "DW_AT_byte_size") or kind.size
        first = offset * 8 + unit * 8 - (value_of(die, "DW_AT_bit_offset") or 0) - bits
    else:
        first += offset * 8
    return Field(name_of(die), kind, first // 8, first % 8, bits)


def _counts(die: DIE) -> list[int | None]:
    """Return how many items each dimension has; None: that is not known, or only at run time."""
    counts: list[int | None] = []
    for each in die.iter_children():
        if each.tag != "DW_TAG_subrange_type":
            continue
        count, last = value_of(each, "DW_AT_count"), value_of(each, "DW_AT_upper_bound")
        if isinstance(count, int):
            counts.append(count)
        elif isinstance(last, int):
            # gcc writes the bound of `char none[0]` as -1, in as many bits as it likes.
            counts.append(0 if last in {0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF} else last + 1)
        else:
            counts.append(None)
    return counts or [None]


def _shown(die: DIE | None) -> str:
    """Write the type that a pointer leads to, without reading all of it."""
    if die is None:
        return "void"
    name = name_of(die)
    if name:
        return f"{_COMPOUND.get(str(die.tag), 'enum' if die.tag == 'DW_TAG_enumeration_type' else '')} {name}".strip()
    if die.tag == "DW_TAG_subroutine_type":
        return "function"
    inner = _shown(die.get_DIE_from_attribute("DW_AT_type") if "DW_AT_type" in die.attributes else None)
    if die.tag in _POINTERS:
        return f"{inner} {_POINTERS[die.tag]}"
    return f"const {inner}" if die.tag == "DW_TAG_const_type" and not inner.endswith("*") else inner
