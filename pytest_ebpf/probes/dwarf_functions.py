"""What DWARF says that a function takes and returns."""

from __future__ import annotations

import re
import weakref
from typing import TYPE_CHECKING, Any

from pytest_ebpf.errors import UsageError
from pytest_ebpf.probes.dwarf_types import DwarfTypes, name_of, value_of, value_text
from pytest_ebpf.probes.signature import Signature
from pytest_ebpf.probes.types import Opaque

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.die import DIE
    from elftools.dwarf.dwarfinfo import DWARFInfo

__all__ = ["signature_at"]

_SCOPES = {"DW_TAG_namespace", "DW_TAG_structure_type", "DW_TAG_class_type", "DW_TAG_union_type", "DW_TAG_module"}
_NOT_BY_CONVENTION = 3  # DW_CC_nocall
# gcc's copies of a function that take other arguments: IPA-SRA, constant propagation, splitting.
_CHANGED = re.compile(r"\.(isra|constprop|part|cold)(\.|$)")

_types: weakref.WeakKeyDictionary[DWARFInfo, DwarfTypes] = weakref.WeakKeyDictionary()


def signature_at(dwarf: DWARFInfo, address: int, symbol: str = "") -> Signature | None:
    """Return what the function at an address takes and returns; None: DWARF does not know it.

    Args:
        dwarf: Of the file, or of its debug file.
        address: Virtual, as in the file.
        symbol: Its name in the symbol table, for messages, and to know copies that a compiler changed: those have no
            arguments here.

    Raises:
        UsageError: The DWARF is corrupt.
    """
    try:
        found = _function(dwarf, address, symbol)
        return None if found is None else _signature(dwarf, found, symbol)
    except Exception as error:  # pyelftools raises what it meets: KeyError, AssertionError, its own
        raise UsageError(
            f"the debug information of {symbol or hex(address)} cannot be read: {type(error).__name__}: {error}\n"
            "  try     types in the test: of ctypes, or texts such as 's32@arg0+4'"
        ) from error


def _signature(dwarf: DWARFInfo, die: DIE, symbol: str) -> Signature:
    if dwarf not in _types:
        _types[dwarf] = DwarfTypes(dwarf, x87=dwarf.config.machine_arch in {"x64", "x86"})
    types = _types[dwarf]
    name = symbol or name_of(die)
    if _CHANGED.search(symbol) or value_of(die, "DW_AT_calling_convention") == _NOT_BY_CONVENTION:
        return Signature(name, (), None, changed=True)
    declared = _declaration(die)
    arguments = []
    variadic = False
    for each in declared.iter_children():
        if each.tag == "DW_TAG_formal_parameter":
            kind = types.of(each)
            arguments.append((name_of(each), Opaque("void", 0, "its type is not known") if kind is None else kind))
        variadic = variadic or each.tag == "DW_TAG_unspecified_parameters"
    return Signature(name_of(die) or symbol, tuple(arguments), types.of(die), variadic)


def _declaration(die: DIE) -> DIE:
    """Return the DIE that has all parameters: a compiler leaves some out of a copy of an inlined function."""
    while "DW_AT_abstract_origin" in die.attributes:
        die = die.get_DIE_from_attribute("DW_AT_abstract_origin")
    has_own = any(each.tag == "DW_TAG_formal_parameter" for each in die.iter_children())
    if not has_own and "DW_AT_specification" in die.attributes:
        return die.get_DIE_from_attribute("DW_AT_specification")
    return die


# --- finding it ---


def _function(dwarf: DWARFInfo, address: int, symbol: str) -> DIE | None:
    namesake = None
    for unit in _units(dwarf, address):
        for die in _functions(unit.get_top_DIE()):
            if any(start == address for start, _ in _ranges(dwarf, die)):
                return die
            # Of functions with the same code gcc keeps one; DWARF does not say where the others are, which jump there.
            if symbol and symbol in {value_text(die, "DW_AT_linkage_name"), name_of(die)}:
                namesake = namesake or die
    return namesake


def _units(dwarf: DWARFInfo, address: int) -> Iterator[CompileUnit]:
    """Return the units that may have the code at an address, the likeliest first."""
    aranges = dwarf.get_aranges()
    offset = None if aranges is None else aranges.cu_offset_at_addr(address)
    if offset is not None:
        yield dwarf.get_CU_at(offset)
        return
    for unit in dwarf.iter_CUs():
        ranges = list(_ranges(dwarf, unit.get_top_DIE()))
        if any(start <= address < end for start, end in ranges):
            yield unit


def _functions(die: DIE) -> Iterator[DIE]:
    for each in die.iter_children():
        if each.tag == "DW_TAG_subprogram":
            yield each
        elif each.tag in _SCOPES and each.has_children:
            yield from _functions(each)


def _ranges(dwarf: DWARFInfo, die: DIE) -> Iterator[tuple[int, int]]:
    """Return where the code of a unit or function is, as (first, one after the last)."""
    low: Any = die.attributes.get("DW_AT_low_pc")
    high: Any = die.attributes.get("DW_AT_high_pc")
    if low is not None and high is not None:
        yield low.value, high.value if high.form == "DW_FORM_addr" else low.value + high.value
        return
    if "DW_AT_ranges" not in die.attributes:
        return
    base: Any = die.cu.get_top_DIE().attributes.get("DW_AT_low_pc")
    start = 0 if base is None else base.value
    lists: Any = dwarf.range_lists()
    for each in lists.get_range_list_at_offset(die.attributes["DW_AT_ranges"].value, cu=die.cu):
        if hasattr(each, "base_address"):
            start = each.base_address
            continue
        own = 0 if each.is_absolute else start
        yield own + each.begin_offset, own + each.end_offset
