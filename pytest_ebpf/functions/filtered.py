"""Who runs under a seccomp filter that a return probe may crash it by (`pytest_ebpf.engine.uretprobe`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf import procfs
from pytest_ebpf._values import Gap
from pytest_ebpf.processes import Process
from pytest_ebpf.report import brief
from pytest_ebpf.syscalls.numbers import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ebpf.functions.arming import Arming
    from pytest_ebpf.lives import Life

__all__ = ["gaps"]

_PR_SET_SECCOMP = 22  # linux/prctl.h


def gaps(arming: Arming) -> Iterator[Gap]:
    """Name the processes that may have crashed at the return of a function."""
    functions = arming.window.history.functions
    if not any(group.spec.returns for group in arming.definition.groups) or not functions.returns_filtered:
        return
    for life in dict.fromkeys(_under_filters(arming)):
        yield Gap(
            f"{brief(Process(life, arming.window))} runs under a seccomp filter, which on this kernel answers the"
            f" system call that return probes work by: it may have crashed in {arming.definition.name}",
            "ask for the entry alone, without returns=; or use a kernel with commit cf6cb56ef244",
        )


def _under_filters(arming: Arming) -> Iterator[Life]:
    window, history = arming.window, arming.window.history
    for life in list(history.lives.values()):
        pid = history.pid_in_proc(life) if life.exit is None else 0
        if pid and procfs.has_filter(pid):
            yield life
    if window.syscalls.none or not history.has_calls:
        return
    numbers = [("native", number) for name in ("seccomp", "prctl") if (number := number_of("native", name)) is not None]
    for place in history.calls.select(window.first, window.last, numbers):
        call = history.calls.call(place)
        by_prctl = call.number == number_of("native", "prctl")
        if call.result == 0 and (call.args[0] == _PR_SET_SECCOMP if by_prctl else call.args[0] <= 1):
            yield history.life_of((call.host_pid, call.start_ns))
