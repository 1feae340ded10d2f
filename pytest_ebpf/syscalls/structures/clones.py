"""How processes and threads are made: clone(2), clone3(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Structure, example_of
from pytest_ebpf.syscalls.kinds import Kind, Memory, register
from pytest_ebpf.syscalls.scalars import named, pointer, signal
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Descriptor, Fields, Hex, Missing, Pointed, Pointer, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

# linux/sched.h, part of the kernel's binary interface
_PIDFD, _SETTLS, _PARENT_SETTID = 0x1000, 0x80000, 0x100000
_CHILD_CLEARTID, _CHILD_SETTID, _INTO_CGROUP = 0x200000, 0x1000000, 0x200000000
_FIRST_VERSION = 64  # CLONE_ARGS_SIZE_VER0
_PIDFD_AT = 8  # offsetof(struct clone_args, pidfd)
_OFFSETS = {"set_tid": 64, "set_tid_size": 72, "cgroup": 80}
"""Of what came with later versions."""


class _WithFlags(Kind):
    """An argument that clone(2) has only with some flags."""

    flags = 0

    def passed(self, view: View) -> bool:
        """Whether one of them is set."""
        return bool(view.word(self.argument("flags")) & self.flags)


@register("clone_child_tid")
class ChildTid(_WithFlags):
    """Where the child's number will be in its own memory."""

    flags = _CHILD_SETTID | _CHILD_CLEARTID

    example = 0

    def value(self, view: View) -> Pointer | None:
        """Return the address."""
        return pointer(view.word(self.at))


@register("clone_tls")
class Tls(ChildTid):
    """The thread's own storage."""

    flags = _SETTLS


@register("clone_parent_tid")
class ParentTid(_WithFlags, Memory):
    """The child's number, or a descriptor for it, in its parent's memory."""

    flags = _PARENT_SETTID | _PIDFD
    noun = "a number"
    example = 0

    def captures(self) -> tuple[Capture, ...]:
        """Copy it when it is there."""
        return (Capture("bytes", self.at, 4, at_exit=True),)

    def decode(self, view: View, piece: Piece) -> Pointed:
        """Return the number."""
        del view
        return Pointed(int.from_bytes(piece.data, "little", signed=True))


def _shown(fields: dict[str, Any]) -> Mapping[str, Any]:
    flags = fields["flags"]
    # What is not asked for may hold anything.
    absent = {
        "pidfd": not flags & _PIDFD,
        "child_tid": not flags & (_CHILD_SETTID | _CHILD_CLEARTID),
        "parent_tid": not flags & _PARENT_SETTID,
        "tls": not flags & _SETTLS,
        "set_tid": not (fields["set_tid"] or fields["set_tid_size"]),
        "set_tid_size": not (fields["set_tid"] or fields["set_tid_size"]),
        "cgroup": not (fields["cgroup"] or flags & _INTO_CGROUP),
    }
    return {name: value for name, value in fields.items() if not absent.get(name)}


_CLONE_ARGS = Structure(  # linux/sched.h
    Member("flags", "Q", named("clone3_flags")),
    *(Member(name, "Q", pointer) for name in ("pidfd", "child_tid", "parent_tid")),
    Member("exit_signal", "Q", signal),
    Member("stack", "Q", pointer),
    Member("stack_size", "Q", Hex),
    Member("tls", "Q", pointer),
    Member("set_tid", "Q", pointer),
    Member("set_tid_size", "Q"),
    Member("cgroup", "Q"),
    pick=_shown,
)


class CloneArgs(Fields):
    """What clone3(2) was asked for, and what it filled in (`after`)."""

    after: Fields | None = None

    def __repr__(self) -> str:
        return super().__repr__() + ("" if self.after is None else f" => {written(self.after)}")

    __str__ = __repr__


@register("clone_args")
class CloneArgsKind(Memory):
    """``struct clone_args``, as long as the size argument says."""

    portable = True
    noun = "a structure"
    fields = _CLONE_ARGS.fields

    @property
    def example(self) -> Any:
        """One with all fields."""
        return example_of(_CLONE_ARGS)

    def flagset_of(self, field: str) -> str:
        """Return the set that has the names of a field's values; empty: none does."""
        return _CLONE_ARGS.flagset_of(field)

    def captures(self) -> tuple[Capture, ...]:
        """Copy it."""
        return (
            Capture("bytes", self.at, 1, length="arg", length_arg=self.argument("size")),
            Capture("bytes", self.at, 4, at_exit=True, indirect=True, skip=_PIDFD_AT),
        )

    def decode(self, view: View, piece: Piece) -> Any:
        """Return its fields, with what the kernel filled in."""
        if len(piece.data) < _FIRST_VERSION:
            return Pointer(piece.address) if not view.succeeded else Missing("it was not copied", address=piece.address)
        there = dict(_CLONE_ARGS.read(piece.data))
        fields = CloneArgs({name: value for name, value in there.items() if len(piece.data) > _OFFSETS.get(name, 0)})
        after: dict[str, Any] = {}
        pidfd = view.piece(self.first + 1)
        if view.succeeded and "pidfd" in fields and pidfd is not None and not pidfd.unreadable:
            after["pidfd"] = Pointed(Descriptor(int.from_bytes(pidfd.data, "little", signed=True)))
        if view.succeeded and "parent_tid" in fields:
            # put_user() in kernel_clone(): the number that the parent gets as the result.
            after["parent_tid"] = Pointed(view.raw.result)
        fields.after = Fields(after) if after else None
        return fields
