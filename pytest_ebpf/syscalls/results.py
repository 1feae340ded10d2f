"""The kinds of results: what a system call's return value means, and how it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.scalars import IoPriority, named
from pytest_ebpf.syscalls.values import Descriptor, Hex, Permissions, Pointer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf.syscalls.values import Pid
    from pytest_ebpf.syscalls.view import View

__all__ = ["RESULTS", "Result"]


class Result:
    """A plain number."""

    descriptor = False
    """Whether it is a file descriptor, to be resolved when the call returns."""

    def __init__(self) -> None:
        """Prepare it."""
        self.slot_at: int | None = None
        """Index of its file slot; set by the prototype."""

    def value(self, view: View) -> Any:
        """Return what a call that succeeded returned."""
        return view.raw.result

    def note(self, view: View) -> str:
        """Return what strace writes of it in parentheses; empty: nothing."""
        del view
        return ""


class DescriptorResult(Result):
    """A new file descriptor."""

    descriptor = True

    def value(self, view: View) -> Descriptor:
        """Return the number and the file."""
        return Descriptor(view.raw.result, view.file(self.slot_at))


class PidResult(Result):
    """A process or a thread."""

    def value(self, view: View) -> Pid:
        """Return its number, with what finds it."""
        return view.pid(view.raw.result)


class ChildResult(Result):
    """A new process or thread."""

    def value(self, view: View) -> Pid:
        """Return its number, with what finds it."""
        return view.pid(view.raw.result, child=True)


class AddressResult(Result):
    """An address."""

    def value(self, view: View) -> Pointer:
        """Return it."""
        return Pointer(view.raw.result & ((1 << 64) - 1))


class RegisterResult(Result):
    """Whatever a register holds."""

    def value(self, view: View) -> int:
        """Return it, 64 unsigned bits."""
        return view.raw.result & ((1 << 64) - 1)


class OctalResult(Result):
    """Permissions."""

    def value(self, view: View) -> Permissions:
        """Return them."""
        return Permissions(view.raw.result)


class HexResult(Result):
    """A mask."""

    def value(self, view: View) -> Hex:
        """Return it."""
        return Hex(view.raw.result)


class NamedResult(Result):
    """A number with names: the parameter names the set (`pytest_ebpf.syscalls.flagsets`)."""

    def __init__(self, flagset: str) -> None:
        """Prepare it.

        Args:
            flagset: Where the names are.
        """
        super().__init__()
        self._make = named(flagset)

    def note(self, view: View) -> str:
        """Return the names, nothing for a number that has none."""
        if not view.succeeded:
            return ""
        value = self._make(view.raw.result)
        return str(value) if getattr(value, "name", None) or getattr(value, "names", None) else ""


class FlagsResult(NamedResult):
    """A set of flags, written in hexadecimal."""

    def value(self, view: View) -> Hex:
        """Return it."""
        return Hex(view.raw.result)


class CommandResult(FlagsResult):
    """A set of flags that one command of a call returns: the second parameter is what strace calls them."""

    def __init__(self, flagset: str, label: str) -> None:
        """Prepare it.

        Args:
            flagset: Where the names are.
            label: Stands before them.
        """
        super().__init__(flagset)
        self._label = label

    def note(self, view: View) -> str:
        """Return the names, also of 0 if that has one."""
        names = NamedResult.note(self, view)
        return f"{self._label} {names}" if names else ""


class HexNamedResult(NamedResult):
    """A number with names, written in hexadecimal."""

    def value(self, view: View) -> Hex:
        """Return it."""
        return Hex(view.raw.result)


class ReadyResult(Result):
    """How many descriptors are ready."""

    def note(self, view: View) -> str:
        """Say that none came."""
        return "" if view.raw.result else "Timeout"


class IoPriorityResult(Result):
    """An I/O priority."""

    def note(self, view: View) -> str:
        """Return its class and level."""
        return str(IoPriority(view.raw.result)) if view.succeeded else ""


class MomentResult(Result):
    """Seconds since 1970."""

    def note(self, view: View) -> str:
        """Return the time in the local zone."""
        from pytest_ebpf.syscalls.structures.timers import local  # noqa: PLC0415 - structures know results

        return local(view.raw.result) if view.succeeded else ""


class NoResult(Result):
    """None: it never returns."""


RESULTS: dict[str, Callable[..., Result]] = {
    "int": Result,
    "size": Result,
    "pid": PidResult,
    "child": ChildResult,
    "fd": DescriptorResult,
    "address": AddressResult,
    "register": RegisterResult,
    "octal": OctalResult,
    "hex": HexResult,
    "named": NamedResult,
    "flags": FlagsResult,
    "command": CommandResult,
    "hex_named": HexNamedResult,
    "ready": ReadyResult,
    "ioprio": IoPriorityResult,
    "moment": MomentResult,
    "none": NoResult,
}
"""By the names that prototypes use."""
