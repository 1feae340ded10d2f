"""User and group ids, and capabilities."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls import constants

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Capabilities", "Credentials", "all_capabilities", "names_of_mask"]


@functools.cache
def all_capabilities() -> tuple[str, ...]:
    """Return the kernel's names of the capabilities (``CAP_CHOWN`` …), by their bit."""
    bits = constants.prefixed("CAP_", "linux/capability.h")
    names = {bit: name for name, bit in bits.items() if name != "CAP_LAST_CAP"}
    return tuple(names[bit] for bit in range(len(names)))


@functools.lru_cache(maxsize=256)
def names_of_mask(mask: int) -> frozenset[str]:
    """Return the names of the capabilities in a mask; one without a name is ``CAP_<bit>``."""
    names = all_capabilities()
    return frozenset(names[bit] if bit < len(names) else f"CAP_{bit}" for bit in range(64) if mask >> bit & 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The five capability sets of a thread (capabilities(7))."""

    inheritable_mask: int
    permitted_mask: int
    effective_mask: int
    bounding_mask: int
    ambient_mask: int

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> Capabilities:
        """Take them from a record's identity."""
        return cls(
            inheritable_mask=identity["cap_inheritable"],
            permitted_mask=identity["cap_permitted"],
            effective_mask=identity["cap_effective"],
            bounding_mask=identity["cap_bounding"],
            ambient_mask=identity["cap_ambient"],
        )

    @property
    def inheritable(self) -> frozenset[str]:
        """Kept across exec by programs that ask for them."""
        return names_of_mask(self.inheritable_mask)

    @property
    def permitted(self) -> frozenset[str]:
        """What the thread may take."""
        return names_of_mask(self.permitted_mask)

    @property
    def effective(self) -> frozenset[str]:
        """What the kernel checks."""
        return names_of_mask(self.effective_mask)

    @property
    def bounding(self) -> frozenset[str]:
        """The most that exec can give."""
        return names_of_mask(self.bounding_mask)

    @property
    def ambient(self) -> frozenset[str]:
        """Kept across exec by any program."""
        return names_of_mask(self.ambient_mask)


_IDS = ("uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """User and group ids, as the initial user namespace counts them, and capabilities."""

    uid: int
    gid: int
    euid: int
    egid: int
    suid: int
    sgid: int
    fsuid: int
    fsgid: int
    capabilities: Capabilities

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> Credentials:
        """Take them from a record's identity."""
        return cls(**{name: identity[name] for name in _IDS}, capabilities=Capabilities.of(identity))

    def changed_from(self, other: Credentials) -> frozenset[str]:
        """Return the names of the fields that differ from `other`'s."""
        return frozenset(name for name in (*_IDS, "capabilities") if getattr(self, name) != getattr(other, name))
