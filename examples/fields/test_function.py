"""What a function is passed and returns: the macros ``PT_REGS_*``, and a structure without its header."""

import subprocess
from pathlib import Path

import pytest

from pytest_ebpf import Program, Trace

HERE = Path(__file__).parent
PARAMETERS = ["parm1", "parm2", "parm3", "parm4", "parm5", "parm6"]


def load(ebpf_trace: Trace, dialect: str, **places: str) -> Program:
    """Load the program in a dialect, and attach of its functions those that are named."""
    attach = {"at_entry": None, "at_return": None, "at_accept_exp": None, **places}
    if dialect == "BCC":
        return ebpf_trace.bcc(HERE / "function.bcc.c", attach=attach)
    return ebpf_trace.program(HERE / "function.bpf.c", attach=attach)


def add_of(target: Path) -> dict[str, int]:
    """Run the program; return what its function printed that it was passed, and what its registers were."""
    shown = subprocess.run([target], check=True, capture_output=True, text=True).stdout.splitlines()[1]
    names = [*PARAMETERS, "rc", "sp", "fp", "ip", "return_address"]
    return dict(zip(names, map(int, shown.split()), strict=True))


dialects = pytest.mark.parametrize("dialect", ["CO-RE", "BCC"])


@dialects
def test_at_the_entry(ebpf_trace: Trace, target: Path, dialect: str) -> None:
    program = load(ebpf_trace, dialect, at_entry=f"uprobe:{target}:add")
    shown = add_of(target)
    del shown["rc"]

    # CO-RE's program writes two records: what it read directly, and by the _CORE forms.
    program.assert_event("entered", count=2 if dialect == "CO-RE" else 1, fields=shown)


@dialects
def test_at_the_return(ebpf_trace: Trace, target: Path, dialect: str) -> None:
    program = load(ebpf_trace, dialect, at_entry=f"uprobe:{target}:add", at_return=f"uretprobe:{target}:add")
    shown = add_of(target)

    # The return took its address from the stack, which grows downwards, and the caller's frame pointer is back.
    program.assert_event("returned", rc=shown["rc"], sp=shown["sp"] + 8, fp=shown["fp"], count=1)
    if dialect == "CO-RE":
        program.assert_event("returned", rc_core=shown["rc"])
    # It went where it was to go. (What the function prints now is where the kernel makes it return for the probe.)
    entered = program.assert_event("entered")
    program.assert_event("returned", ip=entered["return_address"])


@dialects
def test_a_structure_without_its_header(ebpf_trace: Trace, target: Path, dialect: str) -> None:
    program = load(ebpf_trace, dialect, at_accept_exp=f"uprobe:{target}:accept_exp")
    shown = subprocess.run([target], check=True, capture_output=True, text=True).stdout.splitlines()[0]

    assert shown == "7 keqing"
    program.assert_event("accepted", num=7, name="keqing", name_by_declaration="keqing", count=1)
