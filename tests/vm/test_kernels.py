"""What is traced on other kernels: all of it (test_short.py: what only they have)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from vm import guest
from vm.guest import KERNELS, PYTEST

if TYPE_CHECKING:
    from pathlib import Path

LEFT_OUT = [
    "test_bcc_tools.py",
    "test_broker.py::test_what_overflows_a_ring_arrives_through_the_spill",
    "test_broker.py::test_what_was_taken_from_the_spill_is_not_told_again",
    "test_calls_strace.py",
    "test_faults.py::test_of_5000_short_lived_processes_none_is_lost_in_the_default_ring",
    "test_faults.py::test_the_broker_empties_a_ring_that_fills_up_and_nothing_is_lost",
    "test_faults.py::test_the_children_of_a_fork_bomb_are_counted_exactly",
    "test_functions_languages.py",
    "test_functions_many.py",
    "test_functions_truth.py",
    "test_probe_requests.py::test_a_thousand_places_in_one_request_are_attached_within_a_second",
]
"""Many processes and strace take an emulated processor tens of minutes, and compilers, of a program in twelve builds,
of C++ and Rust, of 10,000 functions (for which 6.1 needs more descriptors than a guest may open), minutes: they tell
nothing of a kernel. The last one asks for the speed of a real processor."""


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_kernel_tier_passes(kernel: str, compiled_folder: Path) -> None:
    environment = {"CI": "true", "COMPILED": guest.on_host(compiled_folder)}
    options = [f"--deselect=tests/kernel/{test}" for test in LEFT_OUT]
    done = guest.run(kernel, [*PYTEST, *options, "tests/kernel"], environment)
    assert done.status == 0, str(done)
    # These kernels have all that a program can be put on.
    assert "without kprobes" not in done.output, str(done)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_suite_is_traced(kernel: str) -> None:
    done = guest.run(kernel, [*PYTEST, "--ebpf=require", "--ignore=examples/fields", "examples"])
    assert done.status == 0, str(done)


@pytest.mark.parametrize("kernel", KERNELS)
def test_fields_are_read_in_every_way(kernel: str) -> None:
    done = guest.run(kernel, [*PYTEST, "--ebpf=require", "examples/fields"])
    assert done.status == 0, str(done)
    assert "skipped" not in done.output, str(done)
