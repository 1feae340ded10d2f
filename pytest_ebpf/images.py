"""A program in a process: what was executed, with what, and who it was while it ran.

A process that executes three programs one after the other has three images; one that was forked and
never executed anything has its creator's program in an image of its own.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Protocol

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.credentials import Credentials
from pytest_ebpf.namespaces import Namespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["TEXTS", "ExecText", "Image", "NoText", "ProcText", "Text"]

# In bpf/events.h (enum text_field): their bits in truncated and unreadable.
_BITS = {"filename": 1, "interp": 2, "exe": 4, "cwd": 8, "argv": 16, "environ": 32}

TEXTS = (
    "filename",
    "interpreter",
    "exe",
    "cwd",
    "argv",
    "environ",
    "exe_inode",
    "exe_device",
    "truncated",
)

_NO_ENVIRON = Gap("the environment was not captured", "ask for it: @pytest.mark.ebpf(environ=True)")


class Text(Protocol):
    """Where an image's names, arguments and paths come from."""

    def get(self, field: str) -> object:
        """Return one of `TEXTS`: its value, a `Gap` or a `Cut`."""


class NoText:
    """Nothing is known, and why."""

    def __init__(self, gap: Gap) -> None:
        self._gap = gap

    def get(self, field: str) -> object:
        """Return the gap."""
        return frozenset[str]() if field == "truncated" else self._gap


class ExecText:
    """From the record of an exec; decoded when it is asked for."""

    __slots__ = ("_done", "_record")

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = record
        self._done: dict[str, object] = {}

    def get(self, field: str) -> object:
        """Return one text."""
        if field not in self._done:
            self._done[field] = self._decode(field)
        return self._done[field]

    def _decode(self, field: str) -> object:
        record = self._record
        if field == "truncated":
            return frozenset(name for name, bit in _BITS.items() if record["truncated"] & bit)
        if field == "exe_inode":
            return record["exe_inode"]
        if field == "exe_device":
            # The kernel's dev_t (MINORBITS is 20) to what stat(2) shows.
            return os.makedev(record["exe_device"] >> 20, record["exe_device"] & 0xFFFFF)
        if field == "interpreter":
            interpreter = self._decode("interp")
            return None if interpreter == self.get("filename") else interpreter
        return self._decode_text(field, _BITS[field])

    def _decode_text(self, field: str, bit: int) -> object:
        data: bytes | None = self._record[field]
        if data is None:
            return _NO_ENVIRON
        if self._record["unreadable"] & bit:
            return Gap(f"{field} could not be read")
        cut = bool(self._record["truncated"] & bit)
        value: str | tuple[str, ...] | dict[str, str]
        total = None
        if field == "argv":
            total = self._record["argc"]
            value = _split(data, total, cut=cut)
        elif field == "environ":
            value = _pairs(_split(data, self._record["envc"], cut=cut))
        else:
            value = os.fsdecode(data)
        if not cut:
            return value
        gap = Gap(
            f"{field} was cut at {len(data):,} bytes",
            "keep more: @pytest.mark.ebpf(argv_limit=…)" if field in {"argv", "environ"} else "",
        )
        return Cut(value, gap, total or None, start_missing=field in {"exe", "cwd"})


def _split(data: bytes, count: int, *, cut: bool) -> tuple[str, ...]:
    """Split what NUL separates, where the last NUL may be there or not."""
    if not data and not count:
        return ()
    items = data.split(b"\0")
    # Of a cut one the last item is a part, and an empty part if the cut fell behind a NUL.
    if not items[-1] and not cut and len(items) > count:
        items.pop()
    return tuple(map(os.fsdecode, items))


def _pairs(items: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in items:
        name, _, value = item.partition("=")
        pairs.setdefault(name, value)  # as getenv(3): the first one counts
    return pairs


class ProcText:
    """Of a process that the trace found running: from ``/proc``, as long as it lives."""

    __slots__ = ("_found", "_gap", "_read")

    def __init__(self, read: Callable[[], Mapping[str, Any] | None]) -> None:
        self._read: Callable[[], Mapping[str, Any] | None] | None = read
        self._found: Mapping[str, Any] = {}
        self._gap = Gap("it may not be read from /proc")

    def get(self, field: str) -> object:
        """Return one text."""
        if self._read is not None:
            read, self._read = self._read, None
            found = read()
            if found is None:
                self._gap = Gap("the process ran before the trace began, and does no more")
            else:
                self._found = found
        if field == "truncated":
            return frozenset[str]()
        if field == "interpreter" and self._found:
            return None  # /proc shows a script's interpreter as the executable
        source = "exe" if field == "filename" else field
        if source not in self._found:
            return self._gap
        value = self._found[source]
        if field in {"argv", "environ"}:
            items = _split(value, value.count(b"\0"), cut=False)
            return items if field == "argv" else _pairs(items)
        return value


class Image:
    """One program in one process, and the state in which it was last seen."""

    __slots__ = ("comms", "identity", "identity_ns", "inherited", "text", "time_ns", "window")

    def __init__(
        self,
        text: Text,
        *,
        time_ns: int,
        window: int,
        identity: Mapping[str, Any] | None,
        inherited: bool,
    ) -> None:
        self.text = text
        self.time_ns = time_ns
        """When it began (CLOCK_MONOTONIC)."""
        self.window = window
        """In which window."""
        self.inherited = inherited
        """Whether it was there when the process was born, and not executed by it."""
        self.identity = identity
        """The latest one seen, of the process's leader."""
        self.identity_ns = time_ns
        self.comms: tuple[str, ...] = ()
        """All names that the process was seen to have while it ran this."""
        if identity is not None:
            self._called(identity)

    def _called(self, identity: Mapping[str, Any]) -> None:
        comm = sys.intern(os.fsdecode(identity["comm"]))  # one text for the thousands that run one program
        if comm not in self.comms:
            self.comms += (comm,)

    def see(self, identity: Mapping[str, Any], time_ns: int) -> None:
        """Take in a later state; an earlier one only adds its name."""
        self._called(identity)
        if self.identity is None or time_ns >= self.identity_ns:
            self.identity, self.identity_ns = identity, time_ns

    def get(self, field: str) -> object:  # noqa: PLR0911 - a table of fields
        """Return a field of the image by its name: its value, a `Gap` or a `Cut`."""
        if field in TEXTS:
            return self.text.get(field)
        identity = self.identity
        if identity is None:
            return Gap("the process was never seen itself, only what it created")
        if field == "comm":
            return os.fsdecode(identity["comm"])
        if field == "namespaces":
            return Namespaces.of(identity)
        if field == "credentials":
            return Credentials.of(identity)
        if field == "capabilities":
            return Credentials.of(identity).capabilities
        return identity[field]
