"""What is waited for: poll(2), select(2), epoll(7)."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import ListKind, Member, Structure, StructureKind, structure
from pytest_ebpf.syscalls.kinds import Memory, register
from pytest_ebpf.syscalls.scalars import named, pointer
from pytest_ebpf.syscalls.structures.signals import SignalSet
from pytest_ebpf.syscalls.structures.time import TIMESPEC
from pytest_ebpf.syscalls.structures.timers import TIMEVAL
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Fields, Missing, Pointer, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []


def _asked(fields: Mapping[str, Any]) -> str:
    names = ("fd",) if fields["fd"] < 0 else ("fd", "events")
    return "{" + ", ".join(f"{name}={written(fields[name])}" for name in names) + "}"


_POLLFD = Structure(
    Member("fd", "i"),
    Member("events", "H", named("poll_events")),
    Member("revents", "H", named("poll_events")),
    text=_asked,
)


@register("pollfds", _POLLFD)
class PollKind(ListKind):
    """What poll(2) waits for, and what came: pollfds(count)."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it before and after."""
        (before,) = super().captures()
        return (
            before,
            Capture(before.kind, self.at, before.size, at_exit=True, length="arg", length_arg=before.length_arg),
        )

    def value(self, view: View) -> Any:
        """Return the list, as the call left it if it succeeded."""
        before = super().value(view)
        after = self.read(view, self.first + 1) if view.succeeded else None
        return after if isinstance(after, tuple) else before

    def note(self, view: View) -> str:
        """Return what came."""
        after = self.value(view)
        if not view.raw.result or not isinstance(after, tuple):
            return ""
        came = (each for each in after if each["revents"])
        return written(tuple(Fields({name: each[name] for name in ("fd", "revents")}) for each in came))


class DescriptorSet(tuple[int, ...]):  # noqa: SLOT001 - those of a tuple have to be empty
    """The descriptors of an ``fd_set``, in order."""

    ready: tuple[int, ...] | None = None
    """Those that the call left there; None: it failed, or did not return."""

    def __repr__(self) -> str:
        return "[" + " ".join(map(str, self)) + "]"

    __str__ = __repr__

    def written(self) -> str:
        """Write them as strace does."""
        return repr(self)


@register("fd_set")
class SetKind(Memory):
    """A set of descriptors: fd_set(highest, name of the set)."""

    portable = False
    noun = "a set of descriptors"
    example = (0,)

    def captures(self) -> tuple[Capture, ...]:
        """Copy it before and after."""
        highest = self.argument(self.parameters[0])
        return tuple(
            Capture("bytes", self.at, 1, at_exit=after, length="bits", length_arg=highest) for after in (False, True)
        )

    def value(self, view: View) -> Any:
        """Return the set."""
        highest = view.signed(self.argument(self.parameters[0]), 32)
        if view.word(self.at) and highest < 0:
            return Pointer(view.word(self.at))
        found = super().value(view)
        if isinstance(found, DescriptorSet) and view.succeeded:
            after = self.read(view, self.first + 1)
            found.ready = tuple(after) if isinstance(after, DescriptorSet) else None
        return found

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the numbers of the bits that are set."""
        highest = view.signed(self.argument(self.parameters[0]), 32)
        if len(piece.data) * 8 < highest:
            return Missing(f"{self.names[self.at]} is longer than what is copied", address=piece.address)
        bits = int.from_bytes(piece.data, "little")
        return DescriptorSet(number for number in range(highest) if bits >> number & 1)

    def note(self, view: View) -> str:
        """Return those that are ready."""
        found = self.value(view)
        ready = found.ready if isinstance(found, DescriptorSet) and view.raw.result else ()
        return f"{self.parameters[1]} {DescriptorSet(ready)}" if ready else ""


@register("time_left", TIMESPEC)
@register("timeval_left", TIMEVAL)
class TimeLeft(StructureKind):
    """How long to wait, and what was left of it."""

    def captures(self) -> tuple[Capture, ...]:
        """Copy it before and after."""
        return tuple(Capture("bytes", self.at, self._shape.size, at_exit=after) for after in (False, True))

    def note(self, view: View) -> str:
        """Return what was left when something came."""
        left = self.read(view, self.first + 1) if view.raw.result else None
        return f"left {left}" if isinstance(left, Fields) else ""


_ARGPACK = struct.Struct("@QQ")  # struct sigset_argpack, fs/select.c


@register("sigset_argpack")
class SignalSetPack(Memory):
    """pselect6(2)'s last argument: where a set of signals is, and how long it is."""

    portable = False
    noun = "a structure"
    example = Fields({"sigmask": SignalSet(), "sigsetsize": 0})
    fields = tuple(example)

    def captures(self) -> tuple[Capture, ...]:
        """Copy both, and the set."""
        return (Capture("bytes", self.at, _ARGPACK.size), Capture("bytes", self.at, 8, indirect=True))

    def decode(self, view: View, piece: Piece) -> Any:
        """Return what the structure says."""
        address, size = _ARGPACK.unpack(piece.data)
        found = view.piece(self.first + 1)
        if not address or found is None or found.unreadable or size != len(found.data):
            return Fields({"sigmask": pointer(address), "sigsetsize": size})
        return Fields({"sigmask": SignalSet.of(found.data), "sigsetsize": size})


def _either(number: int) -> Fields:
    return Fields({"u32": number & 0xFFFFFFFF, "u64": number})


class _EpollEvent:
    """``struct epoll_event`` (linux/eventpoll.h)."""

    def __init__(self) -> None:
        # EPOLL_PACKED: on x86-64 alone it has no padding.
        self._unpack = struct.Struct("=IQ" if os.uname().machine == "x86_64" else "@IQ")
        self.size = self._unpack.size
        self.fields = ("events", "data")

    def read(self, data: bytes, at: int = 0) -> Fields:
        """Return its fields."""
        events, number = self._unpack.unpack_from(data, at)
        return Fields({"events": named("epoll_events")(events), "data": _either(number)})


structure("epoll_event", _EpollEvent())
