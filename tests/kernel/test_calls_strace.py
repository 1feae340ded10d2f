"""Every call of one run of a program, told by us and by strace: the same calls with the same arguments and results."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import strace_beside
from strace_programs import PROGRAMS
from strace_programs_system import SYSTEM
from tiers import require_command, require_root

from pytest_ebpf.broker.launch import new_run_directory
from pytest_ebpf.tracer import Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from strace_programs import Program

# What is told comes from the kernel and from tables: another interpreter tells the same, in minutes.
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def tracer() -> Iterator[Tracer]:
    """One broker for all programs."""
    require_root()
    made = Tracer(new_run_directory(), os.getpid(), None, ends=True)
    yield made
    made.close()


@pytest.mark.parametrize("traced", [*PROGRAMS, *SYSTEM], ids=lambda traced: traced.name)
def test_of_one_run_we_tell_the_calls_that_strace_tells(
    traced: Program, tracer: Tracer, program: Callable[[str], str], tmp_path: Path
) -> None:
    require_command("strace", *traced.needs)
    folder = tmp_path / "folder"
    folder.mkdir()
    command = [program(word.removeprefix("PROGRAMS/")) if "PROGRAMS/" in word else word for word in traced.command]
    found = strace_beside.run(
        tracer,
        command,
        tmp_path / "strace",
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert not found.ours, found.report()
    assert not found.theirs, found.report()
    assert found.both > 20, "the program made calls"
