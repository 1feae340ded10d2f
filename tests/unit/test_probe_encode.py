"""Values as bytes: what decoding makes of them again is what they were."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_ebpf import UsageError
from pytest_ebpf._values import Gap
from pytest_ebpf.probes.decode import Blob, decoded
from pytest_ebpf.probes.encode import encoded
from pytest_ebpf.probes.types import (
    Array,
    Boolean,
    Character,
    Enumeration,
    Field,
    Float,
    Integer,
    PointerTo,
    Structure,
    Type,
)
from pytest_ebpf.syscalls.flags import EnumSet

U8, S32, U64 = Integer(1, signed=False), Integer(4, signed=True), Integer(8, signed=False)
COLOR = Enumeration("enum color", 4, signed=False, values=EnumSet({"RED": 3, "GREEN": 4}))
INNER = Structure("struct inner", 8, 4, (Field("x", S32, 0), Field("y", S32, 4)))
OUTER = Structure(
    "struct outer",
    24,
    8,
    (
        Field("inner", INNER, 0),
        Field("low", Integer(4, signed=False), 8, bit_offset=0, bit_size=3),
        Field("high", Integer(4, signed=True), 8, bit_offset=3, bit_size=5),
        Field("name", Array(Character(), 4), 12),
        Field("colors", Array(COLOR, 2), 16),
    ),
)


def again(kind: Type, value: Any) -> Any:
    data = encoded(kind, value, kind.size, "it")
    assert len(data) == kind.size
    return decoded(kind, Blob(data, Gap("too short")))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (U8, 0),
        (U8, 255),
        (S32, -(1 << 31)),
        (U64, (1 << 64) - 1),
        (Integer(4, signed=False, big=True), 0x01020304),
        (Boolean(), True),
        (Float(8), 1.5),
        (Float(4), -0.25),
        (Character(), b"x"),
        (Array(Character(), 4), b"abcd"),
        (Array(Character(), 4), b"a"),
        (Array(S32, 3), (1, -2, 3)),
        (Array(Array(U8, 2), 2), ((1, 2), (3, 4))),
        (PointerTo(lambda: None), None),
    ],
)
def test_what_is_encoded_decodes_to_what_it_was(kind: Type, value: object) -> None:
    assert again(kind, value) == value


def test_a_structure_is_given_by_a_dict_a_tuple_or_as_it_was_read() -> None:
    whole = {
        "inner": {"x": -1, "y": 2},
        "low": 7,
        "high": -16,
        "name": b"abc",
        "colors": (3, 4),
    }
    first = again(OUTER, whole)
    assert (first.inner.x, first.inner.y, first.low, first.high, first.name) == (-1, 2, 7, -16, b"abc")
    assert first.colors == (3, 4)
    assert again(OUTER, first) == first
    assert again(OUTER, ((-1, 2), 7, -16, "abc", ["RED", "GREEN"])) == first
    assert again(OUTER, {"low": 1}).inner == {"x": 0, "y": 0}
    assert again(OUTER, encoded(OUTER, whole, 24, "it")) == first


def test_a_name_stands_for_its_number() -> None:
    assert again(COLOR, "GREEN") == 4
    assert again(Float(8), 3) == 3.0
    assert math.isnan(again(Float(8), math.nan))


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (U8, 256, "it is of the type u8, which 256 does not fit in"),
        (U8, -1, "it is of the type u8, which -1 does not fit in"),
        (U8, "1", "it is of the type u8, and '1' is none"),
        (U8, 1.0, "it is of the type u8, and 1.0 is none"),
        (U8, None, "it is of the type u8, and None is none"),
        (U8, b"ab", "it has 1 bytes, and not 2"),
        (COLOR, "BLUE", "it is of the type enum color, and 'BLUE' is none"),
        (Array(S32, 2), (1,), "it is of the type s32[2], and (1,) is none"),
        (Array(S32, 2), (1, "x"), "it[1] is of the type s32, and 'x' is none"),
        (Array(Character(), 2), "abc", "it has 2 bytes, and not 3"),
        (OUTER, {"low": 8}, "it.low has 3 bits, which 8 does not fit in"),
        (OUTER, {"low": -1}, "it.low has 3 bits, which -1 does not fit in"),
        (OUTER, {"high": 16}, "it.high has 5 bits, which 16 does not fit in"),
        (OUTER, {"high": -17}, "it.high has 5 bits, which -17 does not fit in"),
        (OUTER, {"inner": {"z": 1}}, "it.inner is of the type struct inner, which has no field 'z'; it has x, y"),
        (OUTER, 5, "it is of the type struct outer, and 5 is none: give a dict of its fields"),
        (None, 5, "it has no type that is known: give its 0 bytes, not 5"),
    ],
)
def test_what_cannot_be_such_a_value_is_refused(kind: Type | None, value: object, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        encoded(kind, value, kind.size if kind else 0, "it")
    assert str(caught.value) == text
