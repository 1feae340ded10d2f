"""Asynchronous I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.syscalls.buffers import Member, Structure, StructureKind, example_of, structure
from pytest_ebpf.syscalls.kinds import Kind, register
from pytest_ebpf.syscalls.scalars import named, pointer
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Fields, Hex

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

structure(
    "io_event",  # linux/aio_abi.h
    Structure(Member("data", "Q", Hex), Member("obj", "Q", pointer), Member("res", "q"), Member("res2", "q")),
)
_WHAT = ("aio_data", "aio_lio_opcode", "aio_fildes")
_TRANSFERS = {"IOCB_CMD_PREAD", "IOCB_CMD_PWRITE", "IOCB_CMD_PREADV", "IOCB_CMD_PWRITEV"}


def _transfer(fields: dict[str, Any]) -> Mapping[str, Any]:
    where = ("aio_buf", "aio_nbytes", "aio_offset") if str(fields["aio_lio_opcode"]) in _TRANSFERS else ()
    return {name: fields[name] for name in (*_WHAT, *where)}


_IOCB = (
    *(Member("aio_data", "Q", Hex), Member("_key", "2I"), Member("aio_lio_opcode", "H", named("aio_commands"))),
    *(Member("_reqprio", "h"), Member("aio_fildes", "i"), Member("aio_buf", "Q", pointer)),
    *(Member("aio_nbytes", "Q"), Member("aio_offset", "q"), Member("_rest", "2Q")),
)
_SUBMITTED = Structure(*_IOCB, pick=_transfer)
structure("iocb", Structure(*_IOCB, pick=lambda fields: {name: fields[name] for name in _WHAT}))


@register("iocbs")
class SubmittedKind(Kind):
    """A list of pointers to what to do: iocbs(count)."""

    portable = False
    hides_files = True

    @property
    def example(self) -> tuple[Any, ...]:
        """A list of one."""
        return (example_of(_SUBMITTED),)

    def captures(self) -> tuple[Capture, ...]:
        """Copy what they point to."""
        count = self.argument(self.parameters[0])
        return (Capture("pointers", self.at, _SUBMITTED.size, length="arg", length_arg=count),)

    def value(self, view: View) -> Any:
        """Return a tuple."""
        address, name = view.word(self.at), self.names[self.at]
        if not address:
            return None
        found = []
        for part, piece in sorted(view.parts(self.first).items()):
            if piece.unreadable:
                return view.unread(address, f"{name}[{part}]")
            found.append(_SUBMITTED.read(piece.data))
            if piece.cut:
                return Cut(tuple(found), Gap(f"{name} is longer than what is copied"))
        return tuple(found)


def _without_address(fields: dict[str, Any]) -> Mapping[str, Any]:
    if not fields["user_addr"]:
        del fields["user_addr"]
    return fields


def _offsets(*names: str) -> Structure:
    return Structure(*(Member(name, "I") for name in names), Member("user_addr", "Q", pointer), pick=_without_address)


_ENTRIES = ("head", "tail", "ring_mask", "ring_entries")
_SUBMISSION = _offsets(*_ENTRIES, "flags", "dropped", "array", "_resv")
_COMPLETION = _offsets(*_ENTRIES, "overflow", "cqes", "flags", "_resv")
_ASKED = ("flags", "sq_thread_cpu", "sq_thread_idle")
_MADE = ("sq_entries", "cq_entries", "features", "sq_off", "cq_off")
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
        """Return what it asked for, and if the call succeeded what it got."""
        found = self.read(view, self.first + 1) if view.succeeded else super().value(view)
        if not isinstance(found, Fields):
            return found
        attached = ("wq_fd",) if "IORING_SETUP_ATTACH_WQ" in found["flags"].names else ()
        shown = (*_ASKED, *attached, *(_MADE if view.succeeded else ()))
        return Fields({name: found[name] for name in shown})
