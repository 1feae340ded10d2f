"""The call table, packed for the kernel programs."""

from __future__ import annotations

import pytest

from pytest_ebpf.engine.layout import layouts
from pytest_ebpf.engine.specs import _packed
from pytest_ebpf.syscalls.table import CallSpec, Capture, Slot

STRING, LATE = Capture("string", 0), Capture("bytes", 1, 8, at_exit=True)


@pytest.mark.parametrize(
    ("spec", "flags"),
    [
        (CallSpec((), ()), set()),
        (CallSpec((STRING,), ()), {"used"}),
        (CallSpec((STRING, LATE), ()), {"used", "late"}),
        (CallSpec((), (Slot("fd", 0),)), {"used", "names"}),
        (CallSpec((), (Slot("result"),)), {"used", "opens"}),
        (CallSpec((), (Slot("cwd", 0, 0), Slot("result"))), {"used", "names", "opens"}),
        (CallSpec((), (), moves=True), {"used", "moves"}),
    ],
)
def test_the_kernel_is_told_when_a_call_has_something_to_do(spec: CallSpec, flags: set[str]) -> None:
    layout = layouts().structs["call_spec"]
    values = dict(zip(layout.names, layout.unpacker.unpack(_packed(spec)), strict=True))
    assert {name for name in ("used", "names", "late", "opens", "moves") if values[name]} == flags


def test_more_than_the_kernel_has_room_for_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^3 files for one system call: more than struct call_spec has room for$"):
        _packed(CallSpec((), (Slot("fd", 0), Slot("fd", 1), Slot("result"))))
