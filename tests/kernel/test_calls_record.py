"""One record a system call, whole and under its own name, straight from the ring."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from call_stream import Tracing


def test_a_call_carries_its_arguments_and_its_result(tracing: Tracing, program: Callable[[str], str]) -> None:
    with subprocess.Popen([program("caller"), "getppid"], stdout=subprocess.PIPE) as running:
        running.communicate()
    [call] = tracing.calls("getppid", pid=running.pid)
    assert (call.args, call.result) == ((1, 2, 3, 4, 5, 6), os.getpid())
    assert call.entered_ns < call.time_ns
