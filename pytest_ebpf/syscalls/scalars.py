"""What a number means, in a register or in a structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.values import Device, Hex, Octal, Permissions, Pointer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SCALARS", "IoPriority", "identifier", "named", "pointer", "signal"]


class named:  # noqa: N801 - it is used as a function: named("signals")(9)
    """Makes values with the names of a set of `pytest_ebpf.syscalls.flagsets`."""

    def __init__(self, flagset: str) -> None:
        """Prepare it.

        Args:
            flagset: The name of the set.
        """
        self.flagset = flagset

    def __call__(self, number: int) -> Any:
        """Return the value."""
        from pytest_ebpf.syscalls.flagsets import FLAGSETS  # noqa: PLC0415 - a build makes kinds too

        found = FLAGSETS[self.flagset].of(number)
        if number >> 31 == 1 and not _has_names(found):
            signed = FLAGSETS[self.flagset].of(number - (1 << 32))  # negative numbers have names too: RUSAGE_CHILDREN
            return signed if _has_names(signed) else found
        return found


class _NamedOrNumber(named):
    """Makes values with their names; what has none, as a plain number."""

    def __call__(self, number: int) -> Any:
        """Return the value."""
        found = super().__call__(number)
        return int(found) if found.name is None else found


signal = _NamedOrNumber("signals")
"""Returns a signal with its name; what is none, as a plain number."""

key = _NamedOrNumber("keyrings")
"""Returns a key or keyring: those that every process has, by name; others by serial number."""


def _has_names(value: Any) -> bool:
    return bool(getattr(value, "names", None)) or getattr(value, "name", None) is not None


def pointer(number: int) -> Pointer | None:
    """Return an address, None for NULL."""
    return Pointer(number) if number else None


def identifier(number: int) -> int:
    """Return a user or group; -1 as most calls take it: leave as it is."""
    return -1 if number == 0xFFFFFFFF else number  # noqa: PLR2004 - (uid_t) -1


class IoPriority(int):
    """A class and a priority within it (ioprio_set(2))."""

    @property
    def io_class(self) -> Any:
        """The class, with its name."""
        return named("ioprio_classes")(self >> 13)

    @property
    def level(self) -> int:
        """The priority within the class."""
        return self & 0x1FFF

    def __repr__(self) -> str:
        return f"IOPRIO_PRIO_VALUE({self.io_class}, {self.level})"

    __str__ = __repr__


SCALARS: dict[str, tuple[int, Callable[[int], Any]]] = {
    "int": (-32, int),
    "uint": (32, int),
    "long": (-64, int),
    "ulong": (64, int),
    "lptr": (64, pointer),
    "hex": (32, Hex),
    "lhex": (64, Hex),
    "octal": (32, Octal),
    "size": (64, int),
    "status": (-32, int),
    "id": (32, identifier),
    "mode": (16, Permissions),  # umode_t
    "file_mode": (16, named("file_mode")),
    "dev": (32, Device),
    "signal": (-32, signal),
    "ioprio": (32, IoPriority),
    "key": (-32, key),
}
"""Kinds of numbers: how many bits count, negative if signed, and what makes the value."""
