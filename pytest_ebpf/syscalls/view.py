"""One system call's record with all that came with it, as the kinds of its arguments read it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Protocol

from pytest_ebpf.syscalls.values import Missing, Pid, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ebpf.engine.calls import Piece, RawCall
    from pytest_ebpf.processes import Process
    from pytest_ebpf.syscalls.values import File

__all__ = ["Store", "View"]

_MAX_ERRNO = 4095  # linux/err.h
_RESTART = range(-516, -511)  # linux/errno.h: -ERESTARTSYS to -ERESTART_RESTARTBLOCK


class Store(Protocol):
    """Where calls come from (`pytest_ebpf.engine.calls.CallStore`)."""

    def call(self, index: int) -> RawCall:
        """Return a call."""

    def pieces(self, index: int) -> tuple[Piece, ...]:
        """Return what its arguments point to."""


class View:
    """What is known of one call."""

    __slots__ = ("_file", "_parts", "_process", "raw")

    def __init__(
        self,
        raw: RawCall,
        pieces: Sequence[Piece],
        file: Callable[[int], File | None],
        process: Callable[[int, bool], Process | None] | None = None,
    ) -> None:
        """Take a record.

        Args:
            raw: The record itself.
            pieces: What its arguments point to.
            file: Returns what the file of an id is; None: it is not known.
            process: Returns which process a number is that the caller counts with, and whether it is the child
                that the call made; None: it is not known.
        """
        self.raw = raw
        self._file, self._process = file, process
        self._parts: dict[int, dict[int, Piece]] = {}
        for piece in pieces:
            self._parts.setdefault(piece.capture, {})[piece.part] = piece

    def word(self, index: int) -> int:
        """Return an argument, 64 unsigned bits."""
        return self.raw.args[index]

    def signed(self, index: int, bits: int = 64) -> int:
        """Return an argument as a signed number of so many bits."""
        value = self.raw.args[index] & ((1 << bits) - 1)
        return value - (1 << bits) if value >> (bits - 1) else value

    @property
    def returned(self) -> bool:
        """Whether it came back to its caller, with a result."""
        return not (self.raw.unfinished or self.raw.in_progress or self.raw.trapped)

    @property
    def succeeded(self) -> bool:
        """Whether it came back, and with no error."""
        return self.returned and not -_MAX_ERRNO <= self.raw.result < 0

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended it: the kernel calls it again, or says EINTR."""
        return self.returned and self.raw.result in _RESTART

    def piece(self, capture: int, part: int = 0) -> Piece | None:
        """Return what was copied there; None: nothing."""
        return self._parts.get(capture, {}).get(part)

    def parts(self, capture: int) -> dict[int, Piece]:
        """Return all that was copied there, by part."""
        return self._parts.get(capture, {})

    def file(self, slot: int | None) -> File | None:
        """Return what was in a file slot; None: nothing, or its record was lost."""
        return None if slot is None else self._file(self.raw.files[slot])

    def file_lost(self, slot: int | None) -> bool:
        """Whether there was something in a file slot, and its record was lost."""
        return slot is not None and bool(self.raw.files[slot]) and self._file(self.raw.files[slot]) is None

    def pid(self, number: int, *, child: bool = False) -> Pid:
        """Return a process's number with what finds the process.

        Args:
            number: As the caller counts.
            child: Whether the call made it.
        """
        find = self._process
        return Pid(number) if find is None else Pid(number).found_by(lambda: find(number, child))

    def unread(self, address: int, what: str = "it") -> Missing | Unreadable:
        """Return what stands for memory that could not be read."""
        if self.returned and self.raw.result == -errno.EFAULT:
            return Unreadable(address)
        return Missing(f"{what} could not be read at {address:#x}", address=address)
