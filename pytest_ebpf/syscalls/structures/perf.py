"""What perf_event_open(2) is asked to count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Structure
from pytest_ebpf.syscalls.kinds import Memory, register
from pytest_ebpf.syscalls.scalars import named
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Fields, Hex, Pointer, written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

_FLAGS = (
    *("disabled", "inherit", "pinned", "exclusive", "exclude_user", "exclude_kernel", "exclude_hv", "exclude_idle"),
    *("mmap", "comm", "freq", "inherit_stat", "enable_on_exec", "task", "watermark", "precise_ip", ""),
    *("mmap_data", "sample_id_all", "exclude_host", "exclude_guest", "exclude_callchain_kernel"),
    *("exclude_callchain_user", "mmap2", "comm_exec", "use_clockid", "context_switch", "write_backward", "namespaces"),
    *("ksymbol", "bpf_event", "aux_output", "cgroup", "text_poke", "build_id", "inherit_thread", "remove_on_exec"),
    "sigtrap",
)
"""The bits of the one word of flags, from the lowest on; ``precise_ip`` has two."""
_PRECISE = {
    0: "arbitrary skid",
    1: "constant skid",
    2: "requested to have 0 skid",
    3: "must have 0 skid",
}
_FIRST_VERSION = 64  # PERF_ATTR_SIZE_VER0
_PRECISE_AT = _FLAGS.index("precise_ip")
_BEGINNING = Structure(
    Member("type", "I", named("perf_types")),
    Member("size", "I", named("perf_sizes")),
    Member("config", "Q"),
    Member("sample_period", "Q"),
    Member("sample_type", "Q", named("perf_sample_types")),
    Member("read_format", "Q", named("perf_read_formats")),
    Member("flags", "Q"),
)
_CONFIGS: dict[str, Callable[[int], Any]] = {
    "PERF_TYPE_HARDWARE": named("perf_hardware_events"),
    "PERF_TYPE_SOFTWARE": named("perf_software_events"),
    "PERF_TYPE_TRACEPOINT": int,
}


class Precision(int):
    """How far from the event the recorded instruction may be."""

    def __repr__(self) -> str:
        return f"{int(self)} /* {_PRECISE[self]} */"

    __str__ = __repr__


def _fields(data: bytes) -> dict[str, Any]:
    fields = dict(_BEGINNING.read(data))
    word = fields.pop("flags")
    fields["config"] = _CONFIGS.get(str(fields["type"]), Hex)(fields["config"])
    if word >> _FLAGS.index("freq") & 1:
        fields = {("sample_freq" if name == "sample_period" else name): value for name, value in fields.items()}
    flags: dict[str, Any] = {name: word >> bit & 1 for bit, name in enumerate(_FLAGS) if name}
    flags["precise_ip"] = Precision(word >> _PRECISE_AT & 3)
    return {**fields, **flags}


def _text(fields: Mapping[str, Any]) -> str:
    shown = [(name, value) for name, value in fields.items() if value or name not in _FLAGS or name == "precise_ip"]
    return "{" + "".join(f"{name}={written(value)}, " for name, value in shown) + "...}"


@register("perf_attr")
class PerfAttributes(Memory):
    """The beginning of ``struct perf_event_attr``, which all its versions share."""

    portable = True
    noun = "a structure"
    fields = (
        *("type", "size", "config", "sample_period", "sample_freq", "sample_type", "read_format"),
        *filter(None, _FLAGS),
    )
    example = Fields(dict.fromkeys(fields, 0))

    def flagset_of(self, field: str) -> str:
        """Return the set that has the names of a field's values; empty: none does."""
        return _BEGINNING.flagset_of(field)

    def captures(self) -> tuple[Capture, ...]:
        """Copy the beginning."""
        return (Capture("bytes", self.at, _BEGINNING.size),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return its fields."""
        del view
        size = int.from_bytes(piece.data[4:8], "little")
        return Pointer(piece.address) if 0 < size < _FIRST_VERSION else Fields(_fields(piece.data), _text)
