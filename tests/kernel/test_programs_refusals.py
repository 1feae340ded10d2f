"""Compiled BPF programs that cannot be used, each with the whole of what is said."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiers import require_root, without_kprobes

from pytest_ebpf import ProgramError, Trace, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRY = "  try     its text, or clang -target bpf -g -O2 -c …, and no llvm-strip but with -g"


@pytest.fixture(autouse=True)
def _as_root() -> None:
    require_root()


def refused(trace: Trace, path: str | Path, attach: Mapping[str, str | None] | None = None) -> ProgramError:
    """What is raised."""
    with pytest.raises(ProgramError) as caught:
        trace.program(path, attach=attach)
    return caught.value


def test_what_the_verifier_says_is_in_the_message_its_end_and_in_the_log_all_of_it(
    ebpf_trace: Trace, bpf: Callable[[str], str]
) -> None:
    error = refused(ebpf_trace, bpf("refused"))
    lines = str(error).splitlines()
    assert lines[0] == (
        "pytest-ebpf: refused.bpf.o cannot be used: the kernel refused its program on_exec (Permission denied)"
    )
    assert lines[1].startswith("  says    ")
    assert lines[-3].endswith("R0 invalid mem access 'map_value_or_null'")
    assert lines[-2].strip().startswith("processed ")
    count = len([line for line in error.log.splitlines() if line.strip()])
    assert lines[-1] == f"  log     these are the last of {count} lines; the failed test's report has all of them"
    assert len(lines) == 14
    assert error.log.startswith("libbpf: prog 'on_exec': BPF program load failed: Permission denied\n")
    assert "R1_w=0" in error.log or "R1=0" in error.log
    assert all(line.strip() in error.log for line in lines[2:-1])


def test_a_map_that_is_too_big(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    assert str(refused(ebpf_trace, bpf("huge"))) == (
        "pytest-ebpf: huge.bpf.o cannot be used: its map huge, of 1,048,576 entries with values of 65,536 bytes,"
        " cannot be made (Cannot allocate memory)\n"
        "  says    libbpf: Error in bpf_create_map_xattr(huge):Cannot allocate memory(-12). Retrying without BTF.\n"
        "          libbpf: map 'huge': failed to create: Cannot allocate memory(-12)\n"
        "          libbpf: failed to load object 'huge'"
    )


def test_a_section_that_libbpf_does_not_know(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    assert str(refused(ebpf_trace, bpf("nowhere"))) == (
        "pytest-ebpf: nowhere.bpf.o cannot be used: libbpf cannot load it (Invalid argument)\n"
        "  says    libbpf: prog 'on_exec': missing BPF prog type, check ELF section name 'nonsense/x'\n"
        "          libbpf: prog 'on_exec': failed to load: -22\n"
        "          libbpf: failed to load object 'nowhere'"
    )


def test_a_program_whose_section_does_not_say_where_to(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    assert str(refused(ebpf_trace, bpf("probes"))) == (
        "pytest-ebpf: probes.bpf.o cannot be used: its program on_entry cannot be attached: its section"
        ' SEC("uprobe") does not say where to\n'
        '  try     attach={"on_entry": "uprobe:./program:function"} (or kprobe:, tracepoint:, usdt:), or'
        ' SEC("uprobe/…") with the place, or {"on_entry": None} if something else calls it'
    )


def test_an_object_without_types(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    assert str(refused(ebpf_trace, bpf("untyped"))) == (
        f"pytest-ebpf: untyped.bpf.o does not describe its types: it has no section .BTF\n{TRY}"
    )


def test_an_object_for_another_architecture(ebpf_trace: Trace, bpf: Callable[[str], str], tmp_path: Path) -> None:
    assert str(refused(ebpf_trace, bpf("big_endian"))) == (
        "pytest-ebpf: big_endian.bpf.o is compiled for BPF of big-endian machines, and not for this machine's BPF\n"
        f"{TRY}"
    )
    shutil.copy("/bin/true", tmp_path / "true.bpf.o")
    assert str(refused(ebpf_trace, tmp_path / "true.bpf.o")) == (
        f"pytest-ebpf: true.bpf.o is compiled for {os.uname().machine.replace('_', '-')}, and not for this machine's"
        f" BPF\n{TRY}"
    )


def test_an_object_that_is_damaged(ebpf_trace: Trace, bpf: Callable[[str], str], tmp_path: Path) -> None:
    whole = Path(bpf("outputs")).read_bytes()
    types = whole.index(b"\x9f\xeb\x01")
    for data, text in (
        (b"", "x.bpf.o is no compiled BPF program: it is empty"),
        (b"hello\n", r"x.bpf.o is no compiled BPF program: it is no ELF file (it begins with 'hello\n')"),
        (whole[:30], "x.bpf.o is no compiled BPF program: its ELF header is cut off"),
        (whole[:900], "x.bpf.o is no compiled BPF program: it is cut off, its sections are not there"),
        (
            whole[: types + 20] + b"\xff" * 4 + whole[types + 24 :],
            "the types of x.bpf.o cannot be read: this BTF is damaged: its parts reach beyond its end",
        ),
    ):
        (tmp_path / "x.bpf.o").write_bytes(data)
        assert str(refused(ebpf_trace, tmp_path / "x.bpf.o")) == f"pytest-ebpf: {text}\n{TRY}"


@pytest.mark.parametrize("seed", range(40))
def test_damage_anywhere_is_survived(ebpf_trace: Trace, bpf: Callable[[str], str], tmp_path: Path, seed: int) -> None:
    data = bytearray(Path(bpf("outputs")).read_bytes())
    step = len(data) // 41
    data[step * seed : step * seed + 16] = bytes(each ^ 0xA5 for each in data[step * seed : step * seed + 16])
    (tmp_path / "x.bpf.o").write_bytes(data)
    with contextlib.suppress(ProgramError, UsageError):
        ebpf_trace.program(tmp_path / "x.bpf.o", attach={"on_exec": None}).detach()
    # Whoever holds the programs is still there for the others.
    program = ebpf_trace.program(bpf("typed"))
    subprocess.run(["true"], check=True)
    program.assert_event("ring")


def test_a_file_that_is_not_there(ebpf_trace: Trace, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        ebpf_trace.program(tmp_path / "absent.bpf.o")
    path = tmp_path / "absent.bpf.o"
    assert str(caught.value) == f"there is no BPF program {path}: {path} is no file"


@without_kprobes
def test_a_kernel_without_kprobes_says_so(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    attach = {"on_entry": None, "on_return": None, "on_exec": "kprobe:do_unlinkat"}
    assert str(refused(ebpf_trace, bpf("probes"), attach=attach)) == (
        "pytest-ebpf: probes.bpf.o cannot be used: its program on_exec cannot be attached: this kernel"
        f" ({os.uname().release}) has no kprobes\n"
        "  needs   a kernel built with CONFIG_KPROBES=y and CONFIG_KPROBE_EVENTS=y\n"
        "  try     a tracepoint near do_unlinkat: grep NAME /sys/kernel/tracing/available_events"
    )


def test_a_tracepoint_that_is_not_there(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    attach = {"on_entry": None, "on_return": None, "on_exec": "tracepoint:sched:sched_process_exek"}
    assert str(refused(ebpf_trace, bpf("probes"), attach=attach)) == (
        "pytest-ebpf: probes.bpf.o cannot be used: its program on_exec cannot be attached: this kernel"
        f" ({os.uname().release}) has no tracepoint sched:sched_process_exek"
    )


def test_a_program_of_another_kind_than_its_place(ebpf_trace: Trace, bpf: Callable[[str], str]) -> None:
    error = refused(ebpf_trace, bpf("outputs"), attach={"on_exec": "uprobe:libc:getpid"})
    assert str(error) == (
        "pytest-ebpf: outputs.bpf.o cannot be used: its program on_exec cannot be attached: the kernel refused"
        " uprobe getpid: Invalid argument"
    )
