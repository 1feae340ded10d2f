"""Asynchronous I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Structure, StructureKind, structure
from pytest_ebpf.syscalls.kinds import register
from pytest_ebpf.syscalls.scalars import named, pointer
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Fields

if TYPE_CHECKING:
    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

structure(
    "io_event",  # linux/aio_abi.h
    Structure(Member("data", "Q", pointer), Member("obj", "Q", pointer), Member("res", "q"), Member("res2", "q")),
)

_SUBMISSION = Structure(
    *(
        Member(name, "I")
        for name in ("head", "tail", "ring_mask", "ring_entries", "flags", "dropped", "array", "_resv")
    ),
    Member("user_addr", "Q"),
)
_COMPLETION = Structure(
    *(
        Member(name, "I")
        for name in ("head", "tail", "ring_mask", "ring_entries", "overflow", "cqes", "flags", "_resv")
    ),
    Member("user_addr", "Q"),
)
_ASKED = ("flags", "sq_thread_cpu", "sq_thread_idle")


_URING = Structure(  # linux/io_uring.h
    *(Member("sq_entries", "I"), Member("cq_entries", "I"), Member("flags", "I", named("io_uring_setup_flags"))),
    *(Member("sq_thread_cpu", "I"), Member("sq_thread_idle", "I")),
    Member("features", "I", named("io_uring_features")),
    *(Member("wq_fd", "I"), Member("_resv", "3I")),
    Member("sq_off", f"0q{_SUBMISSION.size}s", _SUBMISSION.read),
    Member("cq_off", f"0q{_COMPLETION.size}s", _COMPLETION.read),
)


@register("io_uring_params", _URING)
class UringKind(StructureKind):
    """What a ring is asked for, and what it became."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it before and after."""
        return tuple(Capture("bytes", self.at, self._shape.size, at_exit=after) for after in (False, True))

    def value(self, view: View) -> Any:
        """Return all of it if the call succeeded, else what it asked for."""
        if view.succeeded:
            return self.read(view, self.first + 1)
        found = super().value(view)
        return Fields({name: found.raw(name) for name in _ASKED}) if isinstance(found, Fields) else found
