"""An io_uring that is older than the session, in pytest's own process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tiers import unable

if TYPE_CHECKING:
    from e2e.conftest import Suite

pytest_plugins = ["pytester"]

RING = """
import ctypes

RING = ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120))  # io_uring_setup(2)
"""

TESTS = """
import subprocess
import pytest
from conftest import RING
from pytest_ebpf import TraceIncomplete

def test_it_is_noticed(ebpf_trace):
    assert RING > 0
    subprocess.run(["true"], check=True)
    with pytest.raises(TraceIncomplete, match=r"\\(running\\) has an io_uring"):
        ebpf_trace.assert_no_syscall("connect")
    ebpf_trace.assert_no_syscall("connect", process="true")
    ebpf_trace.assert_no_syscall("connect", allow_io_uring=True)

@pytest.mark.ebpf(ring_size="1M")
def test_also_by_another_session(ebpf_trace):
    with pytest.raises(TraceIncomplete, match=r"\\(running\\) has an io_uring"):
        ebpf_trace.assert_no_syscall("connect")
"""


def test_an_io_uring_from_before_the_session_is_noticed(suite: Suite) -> None:
    suite.file("conftest.py", RING)
    suite.file("test_it.py", TESTS)
    result = suite.run()
    if "assert -1 > 0" in result.stdout.str():
        unable("io_uring_setup(2) is refused here: /proc/sys/kernel/io_uring_disabled, or a seccomp filter")
    result.assert_outcomes(passed=2)
