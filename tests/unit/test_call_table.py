"""The table of what to copy of which call: C text, compiled into the kernel programs."""

from __future__ import annotations

from pathlib import Path

import pytest
import setup_script
import table_broker

from pytest_ebpf.engine.native import object_path
from pytest_ebpf.syscalls import constants
from pytest_ebpf.syscalls.table import CallSpec, Capture, Slot, call_specs
from pytest_ebpf.syscalls.table_build import table_text

STRING, LATE = Capture("string", 0), Capture("bytes", 1, 8, at_exit=True)


def test_calls_with_the_same_to_do_share_one_item_of_the_table() -> None:
    when = Capture("bytes", 3, 16, when=(6, 9), when_arg=1, when_mask=127)
    specs = {
        ("native", 1): CallSpec((STRING, LATE), (Slot("fd", 0),)),
        ("native", 2): CallSpec((when,), ()),
        ("x32", 1): CallSpec((STRING, LATE), (Slot("fd", 0),)),
    }
    assert table_text(specs) == (
        "static const struct call_spec call_specs[] = {\n"
        "\t{},\n"
        "\t{ .captures = { { .kind = CAPTURE_STRING, .length = LENGTH_FIXED }, "
        "{ .kind = CAPTURE_BYTES, .arg = 1, .flags = CAPTURE_AT_EXIT, .length = LENGTH_FIXED, .size = 8 } }, "
        ".files = { { SLOT_FD, 0, 0 } }, .names = 1, .late = 1 },\n"
        "\t{ .captures = { { .kind = CAPTURE_BYTES, .arg = 3, .length = LENGTH_FIXED, .size = 16, "
        ".when = 0x9, .when_arg = 1, .when_mask = 127, .when_base = 6 } }, .files = {  } },\n"
        "};\n"
        "static const __u16 call_spec_places[CALL_ABIS][CALL_NUMBERS] = {\n"
        "\t[CALL_NATIVE][1] = 1,\n"
        "\t[CALL_NATIVE][2] = 2,\n"
        "\t[CALL_X32][1] = 1,\n"
        "};\n"
    )


@pytest.mark.parametrize(
    ("spec", "flags"),
    [
        (CallSpec((STRING,), ()), set()),
        (CallSpec((STRING, LATE), ()), {"late"}),
        (CallSpec((), (Slot("fd", 0),)), {"names"}),
        (CallSpec((), (Slot("result"),)), {"opens"}),
        (CallSpec((), (Slot("cwd", 0, 0), Slot("result"))), {"names", "opens"}),
        (CallSpec((), (), moves=True), {"moves"}),
    ],
)
def test_the_kernel_is_told_when_a_call_has_something_to_do(spec: CallSpec, flags: set[str]) -> None:
    text = table_text({("native", 0): spec})
    assert {name for name in ("names", "late", "opens", "moves") if f".{name} = 1" in text} == flags


@pytest.mark.parametrize(
    ("number", "spec"),
    [(0, CallSpec((), (Slot("fd", 0), Slot("fd", 1), Slot("result")))), (640, CallSpec((STRING,), ()))],
    ids=["files", "number"],
)
def test_more_than_the_kernel_has_room_for_is_refused_by_the_compiler(
    number: int, spec: CallSpec, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match=r"^pytest-ebpf cannot be built: clang refused .*tracing\.bpf\.c$"):
        table_broker.compiled(tmp_path, {number: spec})


@pytest.mark.once
def test_the_calls_of_every_machine_have_room(tmp_path: Path) -> None:
    setup = setup_script.loaded()
    for machine in setup.TARGETS:
        (tmp_path / "call_table.h").write_text(table_text(call_specs(machine)))
        setup.compile_bpf(setup_script.PROJECT / "bpf/tracing.bpf.c", tmp_path / "tracing.bpf.o", tmp_path)


@pytest.mark.once
def test_the_kernel_programs_are_as_new_as_their_source_and_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(setup_script.PROJECT)  # the object names its source as it was named to the compiler
    setup = setup_script.loaded()
    setup.write_call_table(tmp_path, Path(constants.__file__).with_name("constants.txt"))
    target = tmp_path / "tracing.bpf.o"
    setup.compile_bpf(Path("bpf/tracing.bpf.c"), target, tmp_path)
    if target.read_bytes() != object_path("tracing").read_bytes():
        pytest.fail("the objects are older than bpf/ or the prototypes: pip install -e . makes them", pytrace=False)
