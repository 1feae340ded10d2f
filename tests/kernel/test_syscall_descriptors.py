"""What a test sees of the descriptors that have no path, beside what /proc says of them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tiers import require_root

from pytest_ebpf.broker.launch import new_run_directory
from pytest_ebpf.syscalls.call import Syscall
from pytest_ebpf.trace import Trace
from pytest_ebpf.tracer import Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def tracer() -> Iterator[Tracer]:
    require_root()
    made = Tracer(new_run_directory(), os.getpid(), None, ends=True)
    yield made
    made.close()


def test_a_descriptor_without_a_path_is_called_as_in_proc(tracer: Tracer, program: Callable[[str], str]) -> None:
    history = tracer.history(1 << 20)
    tracer.session.want_calls(None)
    with Trace(history) as trace:
        said = subprocess.run([program("kinds")], check=True, capture_output=True, text=True)
        window = trace.window
        window.update()
        calls = [Syscall(index, window) for index in history.calls.select(window.first, window.last)]
        named = [call.args.fd for call in calls if call.name == "fsync"]
        found = [f"{fd.file.kind} {int(fd)} {fd.path}" for fd in named]
    assert found == said.stdout.splitlines()
    assert len(found) > 15
    assert not any(fd.file.cut for fd in named)
