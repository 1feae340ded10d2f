"""What fcntl(2) and ioctl(2) take and return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_ebpf.syscalls.buffers import Member, Scalar, Structure, StructureKind, structure
from pytest_ebpf.syscalls.kinds import Kind, register
from pytest_ebpf.syscalls.scalars import named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.syscalls.view import View

__all__: list[str] = []

_FLOCK = (
    Member("l_type", "H", named("lock_types")),
    Member("l_whence", "H", named("seek_whence")),
    *(Member("l_start", "q"), Member("l_len", "q"), Member("l_pid", "i")),
)


def _without_pid(fields: dict[str, Any]) -> Mapping[str, Any]:
    del fields["l_pid"]  # only F_GETLK fills it in
    return fields


structure("flock", Structure(*_FLOCK, pick=_without_pid))
structure("flock_found", Structure(*_FLOCK))
structure("f_owner_ex", Structure(Member("type", "I", named("owner_types")), Member("pid", "i")))
structure("winsize", Structure(*(Member(f"ws_{name}", "H") for name in ("row", "col", "xpixel", "ypixel"))))
structure("inode_flags", Scalar("I", named("inode_flags")))

_CLONE_RANGE = Structure(
    Member("src_fd", "q"), *(Member(name, "Q") for name in ("src_offset", "src_length", "dest_offset"))
)


@register("clone_range", _CLONE_RANGE)
class CloneRange(StructureKind):
    """What is shared with another file (``struct file_clone_range``)."""

    hides_files = True


_DIRECTIONS = ("_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE")


class Request(int):
    """A request of ioctl(2) that has no name here: its number says what is known of it (asm-generic/ioctl.h)."""

    @property
    def direction(self) -> str:
        """Whether there is data to write, to read, or both, as the caller sees it."""
        return _DIRECTIONS[self >> 30]

    @property
    def type(self) -> int:
        """Whose request it is."""
        return self >> 8 & 0xFF

    @property
    def number(self) -> int:
        """Which of them."""
        return self & 0xFF

    @property
    def size(self) -> int:
        """Bytes of data."""
        return self >> 16 & 0x3FFF

    def __repr__(self) -> str:
        parts = (f"{part:#x}" if part else "0" for part in (self.type, self.number, self.size))
        return f"_IOC({self.direction}, {', '.join(parts)})"

    __str__ = __repr__


@register("ioctl_request")
class RequestKind(Kind):
    """What ioctl(2) is asked for."""

    flagset = "ioctl_requests"

    def value(self, view: View) -> Any:
        """Return the number with its name."""
        number = view.word(self.at) & 0xFFFFFFFF
        found = named(self.flagset)(number)
        return found if found.name is not None else Request(number)
