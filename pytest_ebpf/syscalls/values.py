"""The values that arguments and results of system calls have, beyond Python's own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.errors import TraceIncomplete
from pytest_ebpf.hints import listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from pytest_ebpf.processes import Process

__all__ = [
    "Descriptor",
    "Device",
    "DirectoryDescriptor",
    "Fields",
    "File",
    "Hex",
    "HexBytes",
    "InetAddress",
    "Missing",
    "Octal",
    "PathName",
    "Permissions",
    "Pid",
    "Pointed",
    "Pointer",
    "Unreadable",
    "quoted",
    "written",
]


@dataclass(frozen=True, slots=True)
class Missing(Gap):
    """What an argument points to and is not known."""

    address: int = 0
    """Where it is in the caller's memory."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What an argument points to and nobody could read: neither the kernel (the call failed with EFAULT) nor we."""

    address: int
    """Where it would be in the caller's memory."""

    def __str__(self) -> str:
        return hex(self.address)


class Pointer(int):
    """An address in the caller's memory."""

    __slots__ = ()

    def __repr__(self) -> str:
        return hex(self)

    __str__ = __repr__


class Hex(int):
    """A number that is written in hexadecimal, 0 without a prefix."""

    __slots__ = ()

    def __repr__(self) -> str:
        return hex(self) if self else "0"

    __str__ = __repr__
    __format__ = object.__format__


class HexBytes(bytes):
    """Bytes that are no text."""

    __slots__ = ()

    def written(self) -> str:
        """Write each in hexadecimal."""
        return '"' + "".join(f"\\x{byte:02x}" for byte in self) + '"'


class Octal(int):
    """A number that is written in octal, 0 without a prefix."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"0{int(self):o}" if self else "0"

    __str__ = __repr__
    __format__ = object.__format__


class Permissions(int):
    """What a file may be used for, and by whom: written in octal, with three digits at least."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"0{int(self):02o}" if self else "000"

    __str__ = __repr__
    __format__ = object.__format__


class Pointed(int):
    """A number behind a pointer. If it has a name, or is written in another way, it is as if it were not pointed to."""

    after: int | None = None
    """What the call changed it to; None: it did not."""
    _number: Any

    def __new__(cls, number: Any) -> Self:
        """Keep the number as it is known."""
        made = super().__new__(cls, number or 0)
        made._number = number
        return made

    def __getattr__(self, name: str) -> Any:
        if name == "written":  # it is the number's, without brackets
            raise AttributeError(name)
        return getattr(self.__dict__["_number"], name)

    @property
    def number(self) -> Any:
        """The number as it is known."""
        return self._number

    def __repr__(self) -> str:
        return f"[{written(self._number)}]" + ("" if self.after in (None, self) else f" => {self.after}")

    __str__ = __repr__


class Pid(int):
    """A process, or a thread, by the number that the caller counts it with: in its own pid namespace.

    `process` is what it is, whose `pid` is the number that the test counts it with.
    """

    _find: Callable[[], Process | None] | None = None

    def found_by(self, find: Callable[[], Process | None]) -> Self:
        """Learn what finds the process; for this package's own."""
        self._find = find
        return self

    @property
    def process(self) -> Process | None:
        """The process, or whose thread it is; None: it is none of the session's, or not known."""
        return None if self._find is None else self._find()


class Device(int):
    """The number of a device, as ``st_dev`` has it (`os.makedev`)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"makedev({Hex(os.major(self))}, {Hex(os.minor(self))})"

    __str__ = __repr__


class PathName(str):
    """A path, made absolute by the directory that it starts from; what was passed is `raw`.

    As the caller's process sees it: in its own mount namespace, from its own root directory. ``.`` and empty
    components are left out; ``..`` and symbolic links stand as they were passed.
    """

    __slots__ = ("raw",)
    raw: str

    def __new__(cls, absolute: str, raw: str) -> Self:
        """Keep both forms."""
        made = super().__new__(cls, absolute)
        made.raw = raw
        return made

    def __reduce__(self) -> tuple[type[PathName], tuple[str, str]]:
        return PathName, (str(self), self.raw)

    def written(self) -> str:
        """Write what was passed."""
        return quoted(self.raw)


class InetAddress(str):
    """An IPv4 or IPv6 address in a structure."""

    __slots__ = ()

    def written(self) -> str:
        """Write it as C code does."""
        return f"inet_pton(AF_INET6, {quoted(self)})" if ":" in self else f"inet_addr({quoted(self)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """What a file descriptor or a directory was when a call named it."""

    kind: str
    """``file``, ``directory``, ``socket``, ``pipe``, ``fifo``, ``block``, ``char``, ``symlink``, or of an anonymous
    file what it is: ``memfd``, ``eventfd``, ``eventpoll``, ``pidfd``, ``inotify``, ``timerfd``, ``signalfd``, …"""
    path: str
    """As the calling thread saw it, or as ``readlink /proc/PID/fd/N`` shows what has no path: ``pipe:[123]``."""
    inode: int
    device: int
    """As ``st_dev`` (`os.makedev`)."""
    mode: int
    """Type and permissions (``st_mode``)."""
    flags: int
    """``O_*``, as it was opened or as ``fcntl(2)`` set them since."""
    deleted: bool
    """Whether it had no name any more."""
    cut: bool
    """Whether the path lacks its beginning."""
    local: Any = None
    """Of a socket: its own address (`pytest_ebpf.syscalls.sockets.Address`); None: none, or no socket."""
    remote: Any = None
    """Of a socket: its peer's."""
    socket_type: int = 0
    """``SOCK_*``."""
    socket_protocol: int = 0
    """``IPPROTO_*`` or ``NETLINK_*``."""

    def __str__(self) -> str:
        return self.path


class Descriptor(int):
    """A file descriptor, and what it stood for when the call was made (returned, for a result)."""

    file: File | None
    """None: nothing (EBADF), or it is not recorded for this argument."""

    def __new__(cls, number: int, file: File | None = None) -> Self:
        """Keep both."""
        made = super().__new__(cls, number)
        made.file = file
        return made

    @property
    def path(self) -> str | None:
        """The file's path; None if it has none."""
        return None if self.file is None else self.file.path

    def __repr__(self) -> str:
        return self.written() if self.file is None else f"{self.written()}<{self.file.path}>"

    __str__ = __repr__

    def written(self) -> str:
        """Write the number: strace says what it is only when it is asked to."""
        return int.__repr__(self)


class DirectoryDescriptor(Descriptor):
    """The descriptor of a directory that a path starts from; -100 stands for the current one."""

    def written(self) -> str:
        """Write its number, or what stands for the current directory."""
        return "AT_FDCWD" if self == _AT_FDCWD else super().written()


_AT_FDCWD = -100  # linux/fcntl.h, part of the kernel's binary interface


class Fields(Mapping[str, Any]):
    """A structure's fields: by name as of a mapping, or as attributes. Equal to a dict of them.

    Reading one that is not known, or not whole, raises `TraceIncomplete`; `raw` does not.
    """

    __slots__ = ("_fields", "_write")

    def __init__(self, fields: Mapping[str, Any], write: Callable[[Mapping[str, Any]], str] | None = None) -> None:
        """Take the values, and what writes them in another way than ``{name=value, …}``."""
        self._fields = fields
        self._write = write

    def raw(self, name: str) -> Any:
        """Return a field: its value, a `Gap` or a `Cut`.

        Raises:
            KeyError: There is none of this name.
        """
        return self._fields[name]

    def __getitem__(self, name: str) -> Any:
        value = self._fields[name]
        gap = value.gap if isinstance(value, Cut) else value
        if isinstance(gap, Gap):
            remedy = f"; try {gap.remedy}" if gap.remedy else ""
            raise TraceIncomplete(f"{name}: {gap.why}{remedy}")
        return value

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._fields:
            return self[name]
        raise AttributeError(f"there is no field {name!r}, only {listed(name, self._fields)}")

    def __contains__(self, name: object) -> bool:
        return name in self._fields  # also one that is not known

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        if self._fields.keys() != other.keys():
            return False
        doubtful = [name for name, value in self._fields.items() if isinstance(value, Gap | Cut)]
        if any(self._fields[name] != other[name] for name in self._fields if name not in doubtful):
            return False
        # Raises if there is one: nobody can say.
        return all(self[name] == other[name] for name in doubtful)

    def __hash__(self) -> int:
        return hash(tuple(self._fields))

    def __repr__(self) -> str:
        if self._write is not None:
            return self._write(self._fields)
        return "{" + ", ".join(f"{name}={written(value)}" for name, value in self._fields.items()) + "}"


_ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\", 10: "\\n", 9: "\\t", 13: "\\r", 11: "\\v", 12: "\\f"}


def quoted(data: bytes | str, *, cut: bool = False) -> str:
    r"""Write bytes as a C string, as strace does: ``"a\n\0"``, and ``"abc"...`` if that was not all."""
    if isinstance(data, str):
        data = os.fsencode(data)
    out = []
    for at, byte in enumerate(data):
        if byte in _ESCAPES:
            out.append(_ESCAPES[byte])
        elif 0x20 <= byte < 0x7F:  # noqa: PLR2004 - what ASCII can print
            out.append(chr(byte))
        else:
            digit_follows = data[at + 1 : at + 2].isdigit() and data[at + 1] < ord("8")
            out.append(f"\\{byte:03o}" if digit_follows else f"\\{byte:o}")
    return '"' + "".join(out) + '"' + ("..." if cut else "")


def written(value: Any) -> str:
    """Write a value of an argument, which may be a `Gap` or a `Cut`, as strace does."""
    if value is None or isinstance(value, Gap | Unreadable):
        return _absent(value)
    if isinstance(value, Cut):
        return _part(value)
    own = getattr(type(value), "written", None)
    if own is not None:
        return str(own(value))
    if isinstance(value, str | bytes):
        return quoted(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    return str(value)


def _absent(value: Gap | Unreadable | None) -> str:
    if value is None:
        return "NULL"
    return hex(value.address) if isinstance(value, Missing | Unreadable) else "?"


def _part(cut: Cut) -> str:
    if cut.start_missing or isinstance(cut.value, Fields):
        return written(cut.value)
    if isinstance(cut.value, tuple) and not hasattr(type(cut.value), "written"):
        return "[" + ", ".join([*map(written, cut.value), "..."]) + "]"
    return f"{written(cut.value)}..."
