"""What no kernel of this machine may have, in minutes: functions of the kernel are traced, and which one is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from vm import guest
from vm.guest import KERNELS, PYTEST

if TYPE_CHECKING:
    from pathlib import Path

TESTS = ["tests/kernel/test_programs_on_functions.py", "tests/kernel/test_functions_kernel_calls.py"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_functions_of_the_kernel_are_traced(kernel: str, compiled_folder: Path) -> None:
    environment = {"CI": "true", "COMPILED": guest.on_host(compiled_folder)}
    done = guest.run(kernel, [*PYTEST, *TESTS], environment)
    assert done.status == 0, str(done)
    assert "without kprobes" not in done.output, str(done)


def test_a_kernel_that_cannot_is_refused_by_what_it_lacks() -> None:
    done = guest.run("5.10", [*PYTEST, "--ebpf=require", "examples/test_daemon.py"])
    assert done.status == 1, str(done)
    lines = [line.removeprefix("E").strip() for line in done.output.splitlines()]
    start = next(at for at, line in enumerate(lines) if line.startswith("pytest-ebpf: this kernel"))
    assert re.sub(r"5\.10\.\S+(?=\))", "5.10", "\n".join(lines[start : start + 3])) == (
        "pytest-ebpf: this kernel (5.10) cannot run the tracing programs\n"
        "lacks   BPF task storage (kernel 5.11)\n"
        "needs   kernel 5.15 or later with BTF"
    )
