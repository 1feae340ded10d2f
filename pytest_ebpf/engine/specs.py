"""A probe's table, packed for the kernel programs (``bpf/probes.h``) by the client, and checked by the broker."""

from __future__ import annotations

import functools
import re
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ebpf.engine.layout import Layouts, load
from pytest_ebpf.errors import BrokerError
from pytest_ebpf.probes.spec import (
    MAX_FETCHES,
    MAX_FILTERS,
    MAX_FUNCTIONS,
    MAX_KEPT,
    MAX_STEPS,
    NO_REGISTER,
    Base,
    FetchKind,
    Op,
    Place,
    Spec,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_ebpf.engine.layout import StructLayout
    from pytest_ebpf.probes.spec import Fetch, Filter

__all__ = [
    "MAX_PLACES",
    "Checked",
    "checked",
    "pack",
    "pack_functions",
    "pack_places",
    "probe_layouts",
    "stamped",
    "unpack_functions",
    "unpack_places",
]

MAX_PLACES = 100_000
"""Of one probe."""

_FUNCTION = re.compile(r"[A-Za-z0-9_.$]{1,512}")  # KSYM_NAME_LEN, linux/kallsyms.h
_WORD32, _WORD = 4, 8
"""Bytes."""
_PLACE = struct.Struct("=QQ")
_COUNT = struct.Struct("=I")


@functools.cache
def probe_layouts() -> Layouts:
    """Return the layouts of the tables, from the object that interprets them."""
    return load(
        "probes",
        ("fetch", "probe_filter", "probe_spec"),
        ("fetch_flag", "spec_flag", "probe_limit", "word"),
    )


def _filled(layout: StructLayout, values: Mapping[str, Any]) -> bytearray:
    data = bytearray(layout.size)
    for name, value in values.items():
        struct.pack_into("=" + layout.codes[name], data, layout.offsets[name], value)
    return data


def _index(number: int | None) -> int:
    return NO_REGISTER if number is None else number


def _fetch_flags(fetch: Fetch) -> int:
    flags = probe_layouts().enums["fetch_flag"]
    chosen = {
        "FETCH_AT_RETURN": fetch.at_return,
        "FETCH_KERNEL": fetch.kernel,
        "FETCH_QUIET": fetch.quiet,
        "FETCH_WORD32": fetch.word == _WORD32,
        "FETCH_IN_RECORD": fetch.in_record,
    }
    return sum(flags[name] for name, on in chosen.items() if on)


def _packed_fetch(fetch: Fetch, kept: int, filters: int) -> bytearray:
    offsets = struct.pack(f"={MAX_STEPS + 1}i", *fetch.offsets, *[0] * (MAX_STEPS + 1 - len(fetch.offsets)))
    values = {
        "kind": fetch.kind,
        "base": fetch.base,
        "reg": fetch.register,
        "index": fetch.index,
        "scale": fetch.scale,
        "steps": len(fetch.offsets) - 1,
        "flags": _fetch_flags(fetch),
        "length_fetch": _index(fetch.length_fetch),
        "length_width": fetch.length_width,
        "kept": kept,
        "filters": filters,
        "size": fetch.size,
        "limit": fetch.limit,
        "offsets": offsets,
        "constant": fetch.constant & (1 << 64) - 1,
    }
    return _filled(probe_layouts().structs["fetch"], values)


def _packed_filter(each: Filter) -> bytearray:
    values = {"value": each.value & (1 << 64) - 1, "op": each.op, "width": each.width, "is_signed": each.signed}
    return _filled(probe_layouts().structs["probe_filter"], values)


def _is_kept(fetch: Fetch) -> bool:
    return fetch.at_return and fetch.base is Base.REGISTER


def pack(spec: Spec) -> bytes:
    """Return a spec as the kernel programs read it, its id not filled in.

    Raises:
        ValueError: It has more of something than fits.
    """
    kept = [index for index, fetch in enumerate(spec.fetches) if _is_kept(fetch)]
    for what, count, most in (
        ("values", len(spec.fetches), MAX_FETCHES),
        ("filters", len(spec.filters), MAX_FILTERS),
        ("arguments that are read at the return", len(kept), MAX_KEPT),
        ("dereferences of one value", max((len(each.offsets) - 1 for each in spec.fetches), default=0), MAX_STEPS),
    ):
        if count > most:
            raise ValueError(f"a probe has {most} {what} at most, and this one {count}")
    layout = probe_layouts().structs["probe_spec"]
    try:
        fetches = [
            _packed_fetch(
                fetch,
                kept.index(index) if index in kept else 0,
                sum(1 << number for number, each in enumerate(spec.filters) if each.fetch == index),
            )
            for index, fetch in enumerate(spec.fetches)
        ]
        values = {
            "flags": probe_layouts().enums["spec_flag"]["SPEC_RETURNS"] if spec.returns else 0,
            "every": spec.every,
            "fetch_count": len(spec.fetches),
            "filter_count": len(spec.filters),
            "stack": spec.stack,
            "cap": spec.cap,
            "kept": bytes([*kept, *[NO_REGISTER] * MAX_KEPT])[:MAX_KEPT],
            "filters": b"".join(map(_packed_filter, spec.filters)),
            "fetches": b"".join(fetches),
        }
        return bytes(_filled(layout, values))
    except struct.error as error:
        raise ValueError(f"a number of the probe does not fit where it belongs: {error}") from None


def pack_places(places: Iterable[Place]) -> bytes:
    """Return where a probe is attached, as it is sent."""
    packed = [_PLACE.pack(place.offset, place.semaphore) for place in places]
    return _COUNT.pack(len(packed)) + b"".join(packed)


def pack_functions(names: Iterable[str]) -> bytes:
    """Return the functions of the kernel that a probe is attached to, as they are sent."""
    return "\n".join(names).encode()


def stamped(spec: bytes, number: int, *, root: bool) -> bytes:
    """Return a packed spec with its id, and whether only root may see what it reads."""
    layout, flags = probe_layouts().structs["probe_spec"], probe_layouts().enums["spec_flag"]
    data = bytearray(spec)
    struct.pack_into("=I", data, layout.offsets["id"], number)
    (old,) = struct.unpack_from("=I", data, layout.offsets["flags"])
    struct.pack_into("=I", data, layout.offsets["flags"], old | flags["SPEC_ROOT"] if root else old)
    return bytes(data)


class Checked(NamedTuple):
    """What the broker must know of a table that somebody sent."""

    returns: bool
    reads_kernel: bool


def checked(data: bytes, *, has_context: bool) -> Checked:
    """Check a packed spec that somebody sent.

    The programs check every index themselves; what is refused here would be told wrongly.

    Args:
        data: As `pack` returns it.
        has_context: Whether it is of a tracepoint: `Base.CONTEXT` exists there, and registers do not.

    Raises:
        BrokerError: It is malformed; says how.
    """
    layouts = probe_layouts()
    layout = layouts.structs["probe_spec"]
    if len(data) != layout.size:
        raise BrokerError(f"the table of a probe has {layout.size} bytes, and this one {len(data)}")
    values = _read(layout, data, 0)
    returns = values["flags"] == layouts.enums["spec_flag"]["SPEC_RETURNS"]
    _require(returns or not values["flags"], "its flags are unknown")
    _require(values["id"] == 0, "its id is for the broker to give")
    _require(values["every"] >= 1, "it tells one hit in none")
    _require(values["fetch_count"] <= MAX_FETCHES, f"it reads more than {MAX_FETCHES} values")
    _require(values["filter_count"] <= MAX_FILTERS, f"it has more than {MAX_FILTERS} filters")
    _require(values["stack"] <= layouts.enums["probe_limit"]["MAX_STACK"], "its stack has too many frames")
    fetches = [
        _read(layouts.structs["fetch"], data, layout.offsets["fetches"] + number * layouts.structs["fetch"].size)
        for number in range(values["fetch_count"])
    ]
    for number, fetch in enumerate(fetches):
        _check_fetch(number, fetch, fetches, values, returns=returns, has_context=has_context)
    for number in range(values["filter_count"]):
        size = layouts.structs["probe_filter"].size
        each = _read(layouts.structs["probe_filter"], data, layout.offsets["filters"] + number * size)
        _require(each["op"] <= max(Op) and 1 <= each["width"] <= _WORD, f"filter {number} compares in no known way")
        _require(sum(fetch["filters"] >> number & 1 for fetch in fetches) == 1, f"filter {number} compares no value")
    kernel = layouts.enums["fetch_flag"]["FETCH_KERNEL"]
    return Checked(returns, any(fetch["flags"] & kernel for fetch in fetches))


def _read(layout: StructLayout, data: bytes, at: int) -> dict[str, Any]:
    return dict(zip(layout.names, layout.unpacker.unpack_from(data, at), strict=True))


def _require(holds: bool, sentence: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise BrokerError(f"the table of this probe is malformed: {sentence}")


def _check_fetch(  # noqa: PLR0913 - one table, checked in one place
    number: int,
    fetch: Mapping[str, Any],
    all_of_them: list[dict[str, Any]],
    spec: Mapping[str, Any],
    *,
    returns: bool,
    has_context: bool,
) -> None:
    """Check one fetch, number `number`, of a spec."""
    enums = probe_layouts().enums
    flags, words, most = enums["fetch_flag"], enums["word"]["WORDS"], enums["probe_limit"]["PIECE_MOST"]
    at_return = fetch["flags"] & flags["FETCH_AT_RETURN"]
    base, kind = fetch["base"], fetch["kind"]

    def require(holds: bool, what: str) -> None:  # noqa: FBT001 - likewise
        _require(holds, f"value {number} {what}")

    require(kind <= max(FetchKind) and base <= max(Base), "is of no known kind")
    require(not fetch["flags"] & ~sum(flags.values()), "has unknown flags")
    require(fetch["steps"] <= MAX_STEPS, "has too many steps")
    require((base == Base.CONTEXT) <= has_context, "is of a tracepoint, and this is none")
    require(not has_context or base in {Base.CONTEXT, Base.CONSTANT}, "is in a register, and a tracepoint has none")
    require(base != Base.REGISTER or fetch["reg"] < words, "is in no register")
    require(base != Base.RESULT or fetch["reg"] in {*range(words), NO_REGISTER}, "is in no register")
    require(fetch["index"] in {*range(words), NO_REGISTER}, "has no such register for an index")
    in_record = fetch["flags"] & flags["FETCH_IN_RECORD"]
    require(not in_record or (base == Base.CONTEXT and fetch["steps"] == 1), "lies in no record")
    require(not at_return or returns, "is read at the return, which is not told")
    require(bool(at_return) or base != Base.RESULT, "is the result, which is there at the return only")
    if at_return and base == Base.REGISTER:
        require(fetch["kept"] < MAX_KEPT and spec["kept"][fetch["kept"]] == number, "is not kept for the return")
    else:
        require(not at_return or fetch["index"] == NO_REGISTER, "has an index that is not kept for the return")
    require(not at_return or not fetch["filters"], "is compared by a filter, and known at the return only")
    room = most - 2 if kind == FetchKind.STRING else most
    require(kind == FetchKind.VALUE or 1 <= fetch["size"] <= room, f"has none or more than {room} bytes")
    if kind == FetchKind.BUFFER:
        require(1 <= fetch["limit"] <= most, f"is cut at none or at more than {most} bytes")
        require(fetch["length_fetch"] < number, "has a length that is not read before it")
        of = all_of_them[fetch["length_fetch"]]
        require(of["flags"] & flags["FETCH_AT_RETURN"] == at_return, "has a length of another time")
        require(1 <= fetch["length_width"] <= _WORD, "has a length of no width")


def unpack_functions(data: bytes) -> tuple[str, ...]:
    """Return the functions of the kernel that somebody sent.

    Raises:
        BrokerError: They are too many, or have names that none has.
    """
    names = tuple(data.decode(errors="replace").split("\n"))
    if len(names) > MAX_FUNCTIONS:
        raise BrokerError(
            f"a probe is on {MAX_FUNCTIONS} functions of the kernel at most, and this one on {len(names)}"
        )
    for name in names:
        if not _FUNCTION.fullmatch(name):
            raise BrokerError(f"{name!r:.80} is no name of a kprobe: do_unlinkat is one")
    return names


def unpack_places(data: bytes, size: int) -> list[Place]:
    """Return the places that somebody sent.

    Args:
        data: As `pack_places` returns them.
        size: Bytes of the file.

    Raises:
        BrokerError: They are malformed, too many, or not in the file.
    """
    if len(data) < _COUNT.size:
        raise BrokerError("the places of this probe are malformed: their count is missing")
    (count,) = _COUNT.unpack_from(data)
    if not 1 <= count <= MAX_PLACES:
        raise BrokerError(f"a probe is attached at 1 to {MAX_PLACES} places, and this one at {count}")
    if len(data) != _COUNT.size + count * _PLACE.size:
        raise BrokerError(f"the places of this probe are malformed: {count} of them have not {len(data)} bytes")
    places = [Place(*each) for each in _PLACE.iter_unpack(data[_COUNT.size :])]
    for place in places:
        if place.offset >= size or place.semaphore >= size:
            beyond = max(place.offset, place.semaphore)
            raise BrokerError(f"offset {beyond} is beyond the end of the file, which has {size} bytes")
    return places
