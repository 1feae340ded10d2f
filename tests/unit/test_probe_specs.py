"""A probe's table: the same in Python and in C, and in the programs that read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from pytest_ebpf.engine.layout import layouts, load
from pytest_ebpf.engine.native import object_path
from pytest_ebpf.engine.specs import pack, pack_places, probe_layouts, stamped, unpack_places
from pytest_ebpf.probes import spec as model
from pytest_ebpf.probes.spec import Base, Fetch, FetchKind, Filter, Op, Place, Spec

if TYPE_CHECKING:
    import enum
    from collections.abc import Mapping

TAIL_CALL = bytes.fromhex("850000000c000000")  # call bpf_tail_call, linux/bpf.h


@pytest.mark.parametrize(
    ("name", "prefix", "kind"),
    [("fetch_base", "BASE_", Base), ("fetch_kind", "FETCH_", FetchKind), ("filter_op", "OP_", Op)],
)
def test_python_and_c_mean_the_same_by_a_number(name: str, prefix: str, kind: type[enum.IntEnum]) -> None:
    values = load("probes", (), (name,)).enums[name]
    assert {value.removeprefix(prefix): number for value, number in values.items()} == dict(kind.__members__)


def test_the_limits_are_the_same() -> None:
    limits: Mapping[str, int] = probe_layouts().enums["probe_limit"]
    for name in ("MAX_FETCHES", "MAX_FILTERS", "MAX_STEPS", "MAX_KEPT"):
        assert getattr(model, name) == limits[name]
    assert limits["NO_INDEX"] == model.NO_REGISTER
    control = layouts().structs["control"]
    assert control.codes["probes"] == f"{model.MAX_PROBES // 8}s"
    assert control.codes["counts"] == f"{model.MAX_PROBES * layouts().structs['probe_count'].size}s"


def test_both_objects_have_one_table() -> None:
    names = ("fetch", "probe_filter", "probe_spec")
    one, other = (load(name, names, ()).structs for name in ("probes", "kernel_probes"))
    assert [(one[name].size, one[name].offsets) for name in names] == [
        (other[name].size, other[name].offsets) for name in names
    ]


def test_programs_that_sleep_in_uprobes_have_a_stack_of_their_own() -> None:
    # See keep_own_stack() in bpf/probe_work.h. Without it hits are told with another thread's values, now and then.
    found = {}
    with object_path("probes").open("rb") as file:
        elf = ELFFile(file)
        symbols = elf.get_section_by_name(".symtab")
        assert isinstance(symbols, SymbolTableSection)
        for symbol in symbols.iter_symbols():
            if symbol["st_info"]["type"] == "STT_FUNC" and symbol.name.startswith("probe__"):
                section = elf.get_section(symbol["st_shndx"])
                code = section.data()[symbol["st_value"] : symbol["st_value"] + symbol["st_size"]]
                found[symbol.name] = TAIL_CALL in code
    assert found == {"probe__enter": True, "probe__leave": True}


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            Spec(fetches=(Fetch(FetchKind.VALUE, Base.REGISTER, 0),) * 25),
            "a probe has 24 values at most, and this one 25",
        ),
        (Spec(filters=(Filter(0, Op.EQUAL, 0),) * 5), "a probe has 4 filters at most, and this one 5"),
        (
            Spec(fetches=(Fetch(FetchKind.VALUE, Base.REGISTER, 0, at_return=True),) * 5, returns=True),
            "a probe has 4 arguments that are read at the return at most, and this one 5",
        ),
        (
            Spec(fetches=(Fetch(FetchKind.VALUE, Base.REGISTER, 0, offsets=(0,) * 7),)),
            "a probe has 5 dereferences of one value at most, and this one 6",
        ),
        (
            Spec(fetches=(Fetch(FetchKind.VALUE, Base.REGISTER, 0, offsets=(1 << 31,)),)),
            "a number of the probe does not fit where it belongs: ",
        ),
    ],
)
def test_more_than_fits_is_refused(spec: Spec, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        pack(spec)


def test_the_broker_gives_the_id_and_says_who_may_see_it() -> None:
    layout = probe_layouts().structs["probe_spec"]
    packed = stamped(pack(Spec(returns=True, every=3, cap=1 << 40)), 513, root=True)
    values = dict(zip(layout.names, layout.unpacker.unpack(packed), strict=True))
    flags = probe_layouts().enums["spec_flag"]
    assert (values["id"], values["flags"]) == (513, flags["SPEC_RETURNS"] | flags["SPEC_ROOT"])
    assert (values["every"], values["cap"]) == (3, 1 << 40)


def test_places_arrive_as_they_were_sent() -> None:
    places = [Place(number * 16, number) for number in range(1000)]
    assert unpack_places(pack_places(places), 1 << 20) == places
