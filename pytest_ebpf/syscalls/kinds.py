"""The kinds of arguments: what the kernel side copies for each, what it means, and how it is written.

A kind is made for one argument of one call by the prototype's line (`pytest_ebpf.syscalls.prototypes`), which
names it with its parameters: other arguments of the call, or words.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.syscalls.scalars import SCALARS, named
from pytest_ebpf.syscalls.table import Capture, Slot
from pytest_ebpf.syscalls.values import Descriptor, Missing, PathName, Pointer, Unreadable, quoted, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__ = ["KINDS", "Kind", "Number", "register"]

KINDS: dict[str, Callable[..., Kind]] = {}
"""By the names that prototypes use."""


def register(name: str, *bound: Any) -> Callable[[type[Kind]], type[Kind]]:
    """Enter a kind, with what its constructor gets before the parameters."""

    def enter(kind: type[Kind]) -> type[Kind]:
        KINDS[name] = lambda at, names, parameters: kind(at, names, parameters, *bound)
        return kind

    return enter


class Kind:
    """One argument of one call."""

    portable: ClassVar[bool] = True
    """Whether it means the same in a 32-bit call: what is copied has no layout that differs there."""

    def __init__(self, at: int, names: Sequence[str], parameters: Sequence[str]) -> None:
        """Prepare it.

        Args:
            at: Which argument it is, 0 to 5.
            names: Of all the call's arguments.
            parameters: What stands in parentheses in the prototype.
        """
        self.at = at
        self.names = names
        self.parameters = parameters
        self.first = 0
        """Index of the first of its captures among the call's; set by the prototype."""
        self.slot_at: int | None = None
        """Index of its file slot; set by the prototype."""

    def argument(self, name: str) -> int:
        """Return which argument has that name."""
        return self.names.index(name)

    def captures(self) -> tuple[Capture, ...]:
        """Say what to copy."""
        return ()

    def slot(self) -> Slot | None:
        """Say which file to resolve."""
        return None

    def value(self, view: View) -> Any:
        """Return the argument's value, a `Gap` if it is not known, a `Cut` if a part of it is."""
        raise NotImplementedError  # every kind has its own

    def passed(self, view: View) -> bool:
        """Whether the call has this argument: some have fewer for some values of the others."""
        del view
        return True

    def text(self, value: Any) -> str:
        """Write a value, which may be a `Gap` or a `Cut`, as strace does."""
        if isinstance(value, Cut):
            return self.cut_text(value)
        if value is None or isinstance(value, Gap | Unreadable):
            return written(value)
        return self.whole_text(value)

    def whole_text(self, value: Any) -> str:
        """Write a value that is known."""
        return written(value)

    def cut_text(self, value: Cut) -> str:
        """Write a value of which a part is known."""
        return written(value)


class Number(Kind):
    """A number of some bits."""

    def __init__(
        self,
        at: int,
        names: Sequence[str],
        parameters: Sequence[str],
        bits: int = 32,
        make: Callable[[int], Any] = int,
    ) -> None:
        """Prepare it.

        Args:
            at: As of `Kind`.
            names: As of `Kind`.
            parameters: As of `Kind`.
            bits: How many count; negative: they are signed.
            make: Makes the value of the number.
        """
        super().__init__(at, names, parameters)
        self._bits, self._make = bits, make

    def value(self, view: View) -> Any:
        """Return the number."""
        if self._bits < 0:
            return self._make(view.signed(self.at, -self._bits))
        return self._make(view.word(self.at) & ((1 << self._bits) - 1))


for _name, (_bits, _make) in SCALARS.items():
    register(_name, _bits, _make)(Number)


@register("ptr")
class Address(Kind):
    """A pointer that is not followed."""

    def value(self, view: View) -> Pointer | None:
        """Return the address, None for NULL."""
        return Pointer(view.word(self.at)) if view.word(self.at) else None


@register("flags", 32)
@register("flags64", 64)
class Flag(Kind):
    """A set of flags, or one of several names: the parameter names the set (`pytest_ebpf.syscalls.flagsets`)."""

    def __init__(self, at: int, names: Sequence[str], parameters: Sequence[str], bits: int) -> None:
        """Prepare it.

        Args:
            at: As of `Kind`.
            names: As of `Kind`.
            parameters: As of `Kind`.
            bits: How many count.
        """
        super().__init__(at, names, parameters)
        self._mask, self._make = (1 << bits) - 1, named(parameters[0])

    def value(self, view: View) -> Any:
        """Return the number with its names."""
        return self._make(view.word(self.at) & self._mask)


@register("mode")
class Mode(Number):
    """Permissions, and the type of a file for mknod(2)."""

    def value(self, view: View) -> int:
        """Return the number: umode_t has 16 bits."""
        return view.word(self.at) & 0xFFFF

    def whole_text(self, value: int) -> str:
        """Write it in octal, at least three digits."""
        return f"{value:#05o}".replace("0o", "0") if value else "000"


@register("fd")
class FileDescriptor(Kind):
    """A file descriptor."""

    def slot(self) -> Slot:
        """Resolve it."""
        return Slot("fd", self.at)

    def value(self, view: View) -> Descriptor | Gap:
        """Return the number and the file."""
        return Descriptor(view.signed(self.at, 32), view.file(self.slot_at))

    def whole_text(self, value: Descriptor) -> str:
        """Write the number: what it is stands in the value."""
        return "AT_FDCWD" if value == -100 else str(int(value))  # noqa: PLR2004 - see `Descriptor`


@register("dirfd")
class Directory(FileDescriptor):
    """A descriptor from whose directory a path of the call starts: `Path` resolves it."""

    def slot(self) -> None:  # type: ignore[override]
        """Leave it to the path, which may be absolute and not need it."""


class Memory(Kind):
    """What is behind a pointer, in one piece."""

    noun: ClassVar[str] = "the memory"

    def value(self, view: View) -> Any:
        """Return what was copied, decoded; what was not is a gap."""
        address = view.word(self.at)
        if not address:
            return None
        piece = view.piece(self.first)
        if piece is None:
            return self.absent(view, address)
        if piece.unreadable:
            return view.unread(address, f"{self.names[self.at]}, {self.noun},")
        return self.decode(view, piece)

    def absent(self, view: View, address: int) -> Any:
        """Return what stands for something that was not copied."""
        captures = self.captures()
        if captures and captures[0].at_exit and not view.succeeded:
            # The kernel filled nothing in.
            return Pointer(address)
        return Missing(f"{self.names[self.at]} was not copied", address=address)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return what the bytes mean."""
        raise NotImplementedError  # every kind has its own


@register("str")
class String(Memory):
    """A string that is no path."""

    noun = "a string"

    def captures(self) -> tuple[Capture, ...]:
        """Copy it up to its NUL."""
        return (Capture("string", self.at),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return it as `os.fsdecode` does."""
        del view
        text = os.fsdecode(piece.data)
        if piece.cut:
            return Cut(text, Gap(f"{self.names[self.at]} is longer than the {len(piece.data)} bytes that are copied"))
        return text


@register("path")
class Path(String):
    """A path, from the directory that the parameter names, or from the current one."""

    noun = "a path"

    def slot(self) -> Slot:
        """Resolve the directory that it starts from."""
        if self.parameters:
            return Slot("base", self.argument(self.parameters[0]), self.at)
        return Slot("cwd", 0, self.at)

    def decode(self, view: View, piece: Piece) -> Any:
        """Make it absolute."""
        raw = super().decode(view, piece)
        if isinstance(raw, Cut):
            return raw
        if raw.startswith("/"):
            return PathName(_tidy(raw), raw)
        base = view.file(self.slot_at)
        if base is not None and not base.cut:
            return PathName(_tidy(f"{base.path}/{raw}") if raw else base.path, raw)
        if view.raw.files[self.slot_at or 0] or base is not None:
            return Cut(f"…/{raw}", Gap("the directory that the path starts from is not known"), start_missing=True)
        return PathName(raw, raw)  # there was no such directory: EBADF

    def whole_text(self, value: str) -> str:
        """Quote what was passed."""
        return quoted(getattr(value, "raw", value))

    def cut_text(self, value: Cut) -> str:
        """Quote what was passed, as far as it is known."""
        if value.start_missing and isinstance(value.value, str):
            return quoted(value.value.removeprefix("…/"))
        return super().cut_text(value)


def _tidy(path: str) -> str:
    """Leave out what leads nowhere: ``.`` and empty components, but not ``..``, which may cross a link."""
    return "/" + "/".join(part for part in path.split("/") if part not in {"", "."})


@register("strings")
class Strings(Kind):
    """A list of strings that ends with NULL."""

    portable: ClassVar[bool] = False

    def captures(self) -> tuple[Capture, ...]:
        """Copy it, string by string."""
        return (Capture("strings", self.at),)

    def value(self, view: View) -> Any:
        """Return a tuple."""
        address = view.word(self.at)
        if not address:
            return None
        parts = view.parts(self.first)
        found: list[str] = []
        for part in sorted(parts):
            piece = parts[part]
            if piece.unreadable:
                return view.unread(address, f"{self.names[self.at]}[{part}]")
            found.append(os.fsdecode(piece.data))
            if piece.cut:
                return Cut(tuple(found), Gap(f"{self.names[self.at]} is longer than what is copied"))
        return tuple(found)
