"""A probe that was found: in which file, at which places, and what is read there."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from pytest_ebpf._values import Verdict
    from pytest_ebpf.binaries.errors import Undecoded
    from pytest_ebpf.functions.wanted import Wanted
    from pytest_ebpf.probes.spec import Place, ProbeHit, Spec
    from pytest_ebpf.probes.types import Type

__all__ = ["CALLER", "Definition", "Group", "Identity", "Reading"]


CALLER = "(caller)"
"""What is read beside the arguments where the stack is asked for: the address that the function returns to."""


class Identity(NamedTuple):
    """What tells a file from the one that takes its place."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str) -> Identity | None:
        """Look at the file that is there now; None: there is none."""
        try:
            status = os.stat(path)  # noqa: PTH116 - short, and asked for by every test
        except OSError:
            return None
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class Reading(Protocol):
    """What is read, and what it means (`pytest_ebpf.probes.plan.Plan`)."""

    @property
    def spec(self) -> Spec:
        """What the kernel does at each hit."""

    @property
    def types(self) -> Mapping[str, Type]:
        """Of all values but the result, by name."""

    def decode(self, hit: ProbeHit, /) -> Mapping[str, Any]:
        """Return what was read, by name: at the entry, or at the return."""

    def result(self, hit: ProbeHit, /) -> Any:
        """Return what was returned."""

    def passed(self, hit: ProbeHit, /) -> Verdict:
        """Tell whether a call is one that ``where=`` asks for: what could not be read may be."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Places where the same is read: what the kernel knows as one probe."""

    plan: Reading
    places: tuple[Place, ...]
    functions: tuple[str, ...]
    """By the place: what the function is called."""
    result: Type | None = None
    """What it returns; None: that is not read."""
    find_undecoded: Callable[[], Undecoded | None] = lambda: None
    """Finds why debug information that is there is not read; None: it is, or there is none."""
    loading: int = 0
    """Of functions of the kernel's modules: which loading of these it is; another one has other places."""

    @property
    def spec(self) -> Spec:
        """What the kernel does at each hit."""
        return self.plan.spec

    @functools.cached_property
    def types(self) -> Mapping[str, Type]:
        """Of the arguments, by name and in their order."""
        return {name: kind for name, kind in self.plan.types.items() if name != CALLER}


@dataclass(frozen=True, kw_only=True, eq=False)
class Definition:
    """A probe that was found."""

    wanted: Wanted
    path: str = ""
    """Of the file; empty: the kernel."""
    shown: str = ""
    """The same, as messages name it."""
    identity: Identity | None = None
    groups: tuple[Group, ...]
    find_inlined: Callable[[], Mapping[str, int]] = dict
    """Finds, by function, at how many places its code was put into others: where no probe sees it."""
    find_undecoded: Callable[[], Undecoded | None] = lambda: None
    """As of `Group`."""
    find_left_out: Callable[[], Sequence[str]] = tuple
    """Finds the functions that its pattern matches and that cannot be probed."""
    clones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By function, the copies of it that the compiler made, and that are not probed."""
    find_changed: Callable[[], bool] = lambda: False
    """Finds whether the kernel's modules that its functions are in were unloaded, or others loaded that have some."""
    task: int | None = None
    """Which argument of a tracepoint is the task that it is told of; None: the one that passes it is."""

    @functools.cached_property
    def inlined(self) -> Mapping[str, int]:
        """See `find_inlined`."""
        return self.find_inlined()

    @functools.cached_property
    def left_out(self) -> Sequence[str]:
        """See `find_left_out`."""
        return self.find_left_out()

    @property
    def kind(self) -> str:
        """See `Wanted.kind`."""
        return self.wanted.kind

    @property
    def kind_of_program(self) -> str:
        """What the broker calls it: a USDT probe is a uprobe."""
        return "uprobe" if self.kind == "usdt" else self.kind

    @property
    def kernel_name(self) -> str:
        """What the kernel calls a tracepoint."""
        if self.path or self.kind == "kprobe":
            return ""
        return f"{self.wanted.provider}:{self.wanted.function}" if self.kind == "tracepoint" else self.wanted.function

    @property
    def functions(self) -> Iterator[str]:
        """The names of all functions that it is on."""
        return (name for group in self.groups for name in group.functions)

    @property
    def name(self) -> str:
        """What messages call it: the function, or the pattern."""
        names = list(dict.fromkeys(self.functions))
        return names[0] if len(names) == 1 else self.wanted.function

    @property
    def replaced(self) -> bool:
        """Whether another file has taken its file's place, or other modules of the kernel that of those."""
        if self.identity is None:
            return self.find_changed()
        found = Identity.of(self.path)
        if found is None and self.path.startswith("/proc/"):
            return False  # its place was that of a process, which has ended
        return found != self.identity
