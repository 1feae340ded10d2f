"""The kinds of arguments: what the kernel side copies for each, and what it means.

A kind is made for one argument of one call by the prototype's line (`pytest_ebpf.syscalls.prototypes`), which
names it with its parameters: other arguments of the call, or words. The values that it makes know how they are
written (`pytest_ebpf.syscalls.values.written`).
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, ClassVar

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.syscalls.scalars import SCALARS, named
from pytest_ebpf.syscalls.table import Capture, Slot
from pytest_ebpf.syscalls.values import Descriptor, DirectoryDescriptor, Fields, Missing, PathName, Pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.values import File, Pid
    from pytest_ebpf.syscalls.view import View

__all__ = ["KINDS", "Kind", "Memory", "Number", "enter_kind", "register"]

KINDS: dict[str, Callable[..., Kind]] = {}
"""By the names that prototypes use."""


def enter_kind(name: str, make: Callable[..., Kind]) -> None:
    """Enter what makes a kind of its place, the names of all arguments and its parameters.

    Raises:
        ValueError: There is one of this name.
    """
    if name in KINDS:
        raise ValueError(f"two kinds of arguments are called {name!r}")
    KINDS[name] = make


def register(name: str, *bound: Any) -> Callable[[type[Kind]], type[Kind]]:
    """Enter a kind, with what its constructor gets behind the parameters."""

    def enter(kind: type[Kind]) -> type[Kind]:
        enter_kind(name, lambda at, names, parameters: kind(at, names, parameters, *bound))
        return kind

    return enter


class Kind:
    """One argument of one call."""

    portable: ClassVar[bool] = True
    """Whether it means the same in a 32-bit call: what is copied has no layout that differs there."""
    flagset: str = ""
    """The set that has the names of its values (`pytest_ebpf.syscalls.flagsets`); empty: none does."""
    has_address: ClassVar[bool] = False
    """Whether a value is, or has in it, a socket's address."""
    fields: tuple[str, ...] = ()
    """What a value has by name, if it is a structure."""
    hides_files: ClassVar[bool] = False
    """Whether there are descriptors behind it that the call uses, and whose files nobody looks at."""

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

    @property
    def example(self) -> Any:
        """A value such as it has, which tells what it can be compared with; None: it may have any."""
        return None

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
        """Whether the call has this argument: open(2) has a mode only if it may create a file."""
        del view
        return True

    def flagset_of(self, field: str) -> str:
        """Return the set that has the names of a field's values; empty: none does."""
        del field
        return ""

    def example_of(self, field: str) -> Any:
        """Return a value such as a field of a structure has; None: it may have any."""
        return self.example.raw(field) if isinstance(self.example, Fields) and field in self.example else None

    def note(self, view: View) -> str:
        """Return what strace writes of the argument behind the result; empty: nothing."""
        del view
        return ""


class Number(Kind):
    """A number of some bits."""

    example = 0

    def __init__(
        self,
        at: int,
        names: Sequence[str],
        parameters: Sequence[str],
        bits: int = 32,
        make: Callable[[int], Any] | None = None,
    ) -> None:
        """Prepare it.

        Args:
            at: As of `Kind`.
            names: As of `Kind`.
            parameters: As of `Kind`.
            bits: How many count; negative: they are signed.
            make: Makes the value of the number; None: as it is.
        """
        super().__init__(at, names, parameters)
        self._bits, self._make = bits, make
        self.flagset = getattr(make, "flagset", "")

    def value(self, view: View) -> Any:
        """Return the number."""
        bits = self._bits
        number = view.signed(self.at, -bits) if bits < 0 else view.word(self.at) & ((1 << bits) - 1)
        return self._make(number) if self._make else number


for _name, (_bits, _make) in SCALARS.items():
    register(_name, _bits, _make)(Number)


@register("pid")
class ProcessId(Number):
    """A process or a thread, or with 0 and negative numbers what the call says that they are."""

    def __init__(self, at: int, names: Sequence[str], parameters: Sequence[str]) -> None:
        """Prepare it; see `Kind`."""
        super().__init__(at, names, parameters, bits=-32)

    def value(self, view: View) -> Pid:
        """Return the number with what finds the process."""
        return view.pid(view.signed(self.at, 32))


@register("ptr")
class Address(Kind):
    """A pointer that is not followed."""

    example = 0

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
        self.flagset = parameters[0]

    def value(self, view: View) -> Any:
        """Return the number with its names."""
        return self._make(view.word(self.at) & self._mask)


@register("fd")
class FileDescriptor(Kind):
    """A file descriptor."""

    def slot(self) -> Slot:
        """Resolve it."""
        return Slot("fd", self.at)

    def value(self, view: View) -> Descriptor:
        """Return the number and the file."""
        return Descriptor(view.signed(self.at, 32), view.file(self.slot_at))


@register("dirfd")
class Directory(FileDescriptor):
    """A descriptor from whose directory a path of the call starts, and the file of which the path resolves."""

    def slot(self) -> None:  # type: ignore[override]  # it has none of its own
        """Leave it to the path, which may be absolute and not need it; the prototype shares it."""

    def value(self, view: View) -> DirectoryDescriptor:
        """Return the number and the directory; nothing of the directory if the path is absolute."""
        return DirectoryDescriptor(view.signed(self.at, 32), view.file(self.slot_at))


class Memory(Kind):
    """What is behind a pointer, in one piece."""

    noun: ClassVar[str] = "the memory"

    def value(self, view: View) -> Any:
        """Return what was copied, decoded; what was not is a gap."""
        return self.read(view, self.first)

    def read(self, view: View, capture: int) -> Any:
        """Return what one of the call's captures brought."""
        address = view.word(self.at)
        if not address:
            return None
        piece = view.piece(capture)
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
    example = ""

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
        if not raw and view.raw.result == -errno.ENOENT:
            return PathName("", "")  # the call takes no empty path for its descriptor (AT_EMPTY_PATH)
        if view.file_lost(self.slot_at):
            gap = Missing("the directory that the path starts from is not known", address=piece.address)
            return Cut(PathName(f"…/{raw}", raw), gap, start_missing=True) if raw else gap
        return _joined(view.file(self.slot_at), raw)


def _joined(base: File | None, raw: str) -> PathName | Cut:
    if base is None:
        return PathName(raw, raw)  # there was no such directory: EBADF
    if base.cut:
        gap = Gap("the directory that the path starts from is not known whole")
        return Cut(PathName(f"{base.path}/{raw}".removesuffix("/"), raw), gap, start_missing=True)
    return PathName(_tidy(f"{base.path}/{raw}") if raw else base.path, raw)


def _tidy(path: str) -> str:
    """Leave out what leads nowhere: ``.`` and empty components, but not ``..``, which may cross a link."""
    return "/" + "/".join(part for part in path.split("/") if part not in {"", "."})


@register("strings")
class Strings(Kind):
    """A list of strings that ends with NULL."""

    portable: ClassVar[bool] = False
    example = ("",)

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
