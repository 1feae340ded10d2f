"""Capabilities, sandboxes, identifiers."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Scalar, Structure, structure
from pytest_ebpf.syscalls.kinds import Memory, register
from pytest_ebpf.syscalls.scalars import identifier, named, pointer
from pytest_ebpf.syscalls.table import Capture
from pytest_ebpf.syscalls.values import Fields, Hex, Missing, Pointer

if TYPE_CHECKING:
    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

structure("identity", Scalar("I", identifier))
_HEADER = structure("cap_header", Structure(Member("version", "I", named("capability_versions")), Member("pid", "i")))
_DATA = struct.Struct("@6I")
_HALF = struct.Struct("@3I")
_SETS = ("effective", "permitted", "inheritable")


@register("cap_data")
class Capabilities(Memory):
    """Three sets of capabilities, in one or two halves as the version in the header says: cap_data(header)."""

    portable = True
    noun = "the capabilities"
    fields = _SETS
    example = Fields(dict.fromkeys(_SETS, 0))

    def flagset_of(self, field: str) -> str:
        """Return the set that has the names of capabilities."""
        return "capability_sets" if field in _SETS else ""

    def captures(self) -> tuple[Capture, ...]:
        """Copy the header and both halves."""
        header = self.argument(self.parameters[0])
        out = "out" in self.parameters
        return (Capture("bytes", self.at, _DATA.size, at_exit=out), Capture("bytes", header, _HEADER.size))

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the sets."""
        header = view.piece(self.first + 1)
        if header is None or header.unreadable:
            return Pointer(piece.address)
        if str(_HEADER.read(header.data).version).endswith("_1"):
            halves = (*_HALF.unpack_from(piece.data), 0, 0, 0)
        elif len(piece.data) == _DATA.size:
            halves = _DATA.unpack(piece.data)
        else:
            return Missing("the capabilities were not copied whole", address=piece.address)
        make = named("capability_sets")
        return Fields({name: make(halves[at] | halves[at + 3] << 32) for at, name in enumerate(_SETS)})


structure("sock_fprog", Structure(Member("len", "H"), Member("filter", "Q", pointer)))
structure(
    "seccomp_notif_sizes",
    Structure(*(Member(name, "H") for name in ("seccomp_notif", "seccomp_notif_resp", "seccomp_data"))),
)
structure("seccomp_action", Scalar("I", named("seccomp_actions")))


_HANDLED = {
    "handled_access_fs": "landlock_fs_access",
    "handled_access_net": "landlock_net_access",
    "scoped": "landlock_scopes",
}


@register("landlock_ruleset")
class Ruleset(Memory):
    """What a ruleset handles: as much of ``struct landlock_ruleset_attr`` as the size says."""

    portable = True
    noun = "a structure"
    fields = tuple(_HANDLED)
    example = Fields(dict.fromkeys(_HANDLED, 0))

    def flagset_of(self, field: str) -> str:
        """Return the set that has the names of a field's values; empty: none does."""
        return _HANDLED.get(field, "")

    def captures(self) -> tuple[Capture, ...]:
        """Copy it."""
        return (Capture("bytes", self.at, 1, length="arg", length_arg=self.argument(self.parameters[0])),)

    def decode(self, view: View, piece: Piece) -> Any:
        """Return the fields that the caller's version has."""
        del view
        words = [word for (word,) in struct.iter_unpack("@Q", piece.data[: len(piece.data) // 8 * 8])][:3]
        if not words:
            return Pointer(piece.address)
        return Fields({name: named(each)(word) for (name, each), word in zip(_HANDLED.items(), words, strict=False)})


# linux/landlock.h; the first is packed.
structure(
    "landlock_path_beneath",
    Structure(Member("allowed_access", "Q", named("landlock_fs_access")), Member("parent_fd", "i")),
)
structure(
    "landlock_net_port", Structure(Member("allowed_access", "Q", named("landlock_net_access")), Member("port", "Q"))
)


@register("key_capabilities")
class KeyCapabilities(Memory):
    """What the kernel can do with keys, byte by byte: key_capabilities(size argument)."""

    portable = True
    example = (0,)

    def captures(self) -> tuple[Capture, ...]:
        """Copy what came."""
        size = self.argument(self.parameters[0])
        return (Capture("bytes", self.at, 1, at_exit=True, length="filled", length_arg=size),)

    def decode(self, view: View, piece: Piece) -> tuple[Any, ...]:
        """Return the bytes, with their names as far as there are any."""
        del view
        sets = (named("key_capabilities_0"), named("key_capabilities_1"))
        return tuple(sets[at](byte) if at < len(sets) else Hex(byte) for at, byte in enumerate(piece.data))
