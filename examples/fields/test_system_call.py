"""The arguments of a system call, from registers that are not the program's context."""

import ctypes
from pathlib import Path

from pytest_ebpf import Trace

HERE = Path(__file__).parent
NONE = 9999  # no kernel has it, and what it is passed means nothing: all the same the tracepoint is passed it


def test_the_arguments_of_a_system_call(ebpf_trace: Trace) -> None:
    program = ebpf_trace.program(HERE / "system_call.bpf.c", variables={"wanted": NONE})
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    assert syscall(NONE, *map(ctypes.c_long, [1, -2, 30_000_000_000, 4, 5, 6])) == -1

    program.assert_event("arguments", parm1=1, parm2=-2, parm3=30_000_000_000, parm4=4, parm5=5, parm6=6, count=1)
