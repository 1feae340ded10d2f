"""Hooks that other plugins and ``conftest.py`` files can implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.trace import Trace

__all__ = ["pytest_ebpf_failure_text", "pytest_ebpf_probes", "pytest_ebpf_window_closed"]


@pytest.hookspec
def pytest_ebpf_window_closed(item: pytest.Item, trace: Trace) -> None:
    """Look at a test's events when its window has closed.

    The trace can be asked until the next test's window opens. Runs in the process that ran the test.

    Args:
        item: The test.
        trace: What its ``ebpf_trace`` fixture gave it.
    """


@pytest.hookspec
def pytest_ebpf_probes(config: pytest.Config) -> Iterable[Wanted | str]:  # type: ignore[empty-body]  # never called
    """Add probes that are on in the window of every test that asks for ``ebpf_trace``.

    Called once in each process that runs such tests, before the first.

    Args:
        config: Of the run.

    Returns:
        What `pytest_ebpf.uprobe` and the others return, or texts: ``"uprobe:./program:function"``.
    """


@pytest.hookspec
def pytest_ebpf_failure_text(trace: Trace) -> Iterable[str]:  # type: ignore[empty-body]  # never called
    """Add lines to the text of a failing assertion on a trace.

    Args:
        trace: The one that failed; it must not be asserted on here.

    Returns:
        Lines without their ends.
    """
