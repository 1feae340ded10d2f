"""What mounts and quotas are changed by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ebpf.syscalls.buffers import Bytes, Member, Structure
from pytest_ebpf.syscalls.kinds import Number, register
from pytest_ebpf.syscalls.scalars import named
from pytest_ebpf.syscalls.structures.files import SizedKind
from pytest_ebpf.syscalls.values import HexBytes

if TYPE_CHECKING:
    from pytest_ebpf.engine.calls import Piece
    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

register(
    "mount_attr",
    Structure(
        Member("attr_set", "Q", named("mount_attributes")),
        Member("attr_clr", "Q", named("mount_attributes")),
        Member("propagation", "Q", named("mount_flags")),
        Member("userns_fd", "Q"),
    ),
)(SizedKind)


@register("binary")
class Binary(Bytes):
    """Bytes that are no text."""

    def decode(self, view: View, piece: Piece) -> object:
        """Return them."""
        found = super().decode(view, piece)
        return HexBytes(found) if isinstance(found, bytes) else found


class QuotaCommand(int):
    """A command of quotactl(2), and of which quotas."""

    @property
    def command(self) -> int:
        """``Q_*``."""
        made: int = named("quota_commands")(self >> 8)
        return made

    @property
    def type(self) -> int:
        """``USRQUOTA``, ``GRPQUOTA`` or ``PRJQUOTA``."""
        made: int = named("quota_types")(self & 0xFF)
        return made

    @property
    def names(self) -> tuple[str, str]:
        """Those of both."""
        return str(self.command), str(self.type)

    def __repr__(self) -> str:
        return f"QCMD({self.command}, {self.type})"

    __str__ = __repr__


register("quota_command", 32, QuotaCommand)(Number)
