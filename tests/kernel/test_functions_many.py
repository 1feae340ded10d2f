"""As many functions as a pattern names."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from once import made_once
from tiers import require_command

from pytest_ebpf import TraceIncomplete, glob

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ebpf import Trace

FUNCTIONS = 10_000


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the program, in assembly: a compiler of C takes a minute for so many functions."""
    require_command("gcc")

    def build(folder: Path) -> None:
        body = (
            "lea 1(%rdi), %eax\nret"
            if "x86" in subprocess.check_output(["gcc", "-dumpmachine"], text=True)
            else ("add w0, w0, 1\nret")
        )
        lines = [f".global many_{at}\n.type many_{at}, %function\nmany_{at}: {body}" for at in range(FUNCTIONS)]
        (folder / "many.s").write_text("\n".join([".text", *lines, '.section .note.GNU-stack,"",%progbits', ""]))
        calls = " ".join(f"int many_{at}(int);" for at in (0, 4999, 9999))
        made = "int main(void) { return many_0(1) + many_4999(2) + many_9999(3) - 9; }"
        (folder / "main.c").write_text(f"{calls} {made}")
        command = ["gcc", "-o", str(folder / "many"), str(folder / "main.c"), str(folder / "many.s")]
        subprocess.run(command, check=True)

    return made_once(tmp_path_factory, "many", build) / "many"


def test_ten_thousand_functions_by_one_pattern(ebpf_trace: Trace, many: Path) -> None:
    probe = ebpf_trace.uprobe(many, "many_*", number="s32(arg0)", returns="s32")
    assert len(probe.functions) == FUNCTIONS
    subprocess.run([many], check=True)
    assert [(call.function, call.number, call.result) for call in probe] == [
        ("many_0", 1, 2),
        ("many_4999", 2, 3),
        ("many_9999", 3, 4),
    ]
    ebpf_trace.assert_called(glob("many_*"), count=3)
    # Nobody knows whether they were inlined somewhere: there is no debug information.
    ebpf_trace.assert_not_called("many_77", allow_inlined=True)


def test_what_was_never_mapped_was_not_shown_to_be_not_called(ebpf_trace: Trace, many: Path) -> None:
    ebpf_trace.uprobe(many, "many_1")
    with pytest.raises(TraceIncomplete, match="nothing shows that a process had"):
        ebpf_trace.assert_not_called("many_1", allow_inlined=True)


def test_what_was_put_into_others_among_many_is_not_shown_to_be_not_called(ebpf_trace: Trace, tmp_path: Path) -> None:
    require_command("gcc")
    lines = [f"int part_{at}(int a) {{ return a + {at}; }}" for at in range(40)]
    (tmp_path / "parts.c").write_text("\n".join([*lines, "int main(int n, char **v) { return part_7(n) != 8; }"]))
    subprocess.run(["gcc", "-O2", "-g", "-o", tmp_path / "parts", tmp_path / "parts.c"], check=True)
    probe = ebpf_trace.uprobe(tmp_path / "parts", "part_*", a="s32(arg0)")
    subprocess.run([tmp_path / "parts"], check=True)
    with pytest.raises(TraceIncomplete, match="put the code of part_7 into 1 other place"):
        ebpf_trace.assert_not_called(probe)


def test_what_is_chosen_at_run_time_is_not_shown_to_be_not_called(ebpf_trace: Trace) -> None:
    probe = ebpf_trace.uprobe("libc.so.6", "strs*", text="ptr")
    subprocess.run(["/bin/true"], check=True)
    with pytest.raises(TraceIncomplete, match="chosen at run time and have no probe: strspn, strstr"):
        ebpf_trace.assert_not_called(probe, text=77)
