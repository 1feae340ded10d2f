"""What a user can set, and where: marker before option before ini before default."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from pytest_ebpf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

__all__ = [
    "Mode",
    "Settings",
    "Syscalls",
    "Window",
    "add_options",
    "from_config",
    "from_markers",
    "marked_probes",
    "parse_size",
]

Mode = Literal["auto", "require", "off"]
Window = Literal["fixture", "test", "call"]

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
MAX_ARGV_LIMIT = 2 << 20
MAX_RING_SIZE = 1 << 30
MAX_DATA_LIMIT = 16 << 10  # as pytest_ebpf.engine.control.DATA_LIMIT, which is not imported in every run


def parse_size(text: str | int, what: str) -> int:
    """Turn ``8M``, ``512k`` or ``4096`` into bytes.

    Raises:
        UsageError: It is neither.
    """
    digits = str(text).strip().lower().removesuffix("b").removesuffix("i")
    number, unit = (digits[:-1], digits[-1]) if digits[-1:] in {"k", "m", "g"} else (digits, "")
    if not number.isdecimal():
        raise UsageError(f"{what}: {text!r} is no size; write bytes, or a number with K, M or G, such as 8M")
    return int(number) * _UNITS[unit]


def ring_size(text: str | int, what: str) -> int:
    """Turn a size into one that the kernel takes for a ring buffer.

    Raises:
        UsageError: It is no power of two of at least 64 KiB and at most 1 GiB.
    """
    size = parse_size(text, what)
    smallest = max(64 << 10, mmap.PAGESIZE)
    if size & (size - 1) or not smallest <= size <= MAX_RING_SIZE:
        raise UsageError(
            f"{what}: a ring has a power of two of bytes, from {smallest >> 10}K to {MAX_RING_SIZE >> 30}G, "
            f"not {text}; try 8M"
        )
    return size


def _one_of(value: str, kinds: Any, what: str) -> str:
    good = get_args(kinds)
    if value not in good:
        raise UsageError(f"{what}: {value!r} is not one of {', '.join(good)}")
    return value


def _argv_limit(text: str | int, what: str) -> int:
    size = parse_size(text, what)
    if size > MAX_ARGV_LIMIT:
        raise UsageError(f"{what}: at most {MAX_ARGV_LIMIT >> 20}M of arguments can be copied, not {text}")
    return size


def data_limit(text: str | int, what: str) -> int:
    """Turn a size into one of what is copied of a call's data.

    Raises:
        UsageError: It is more than can be copied.
    """
    size = parse_size(text, what)
    if size > MAX_DATA_LIMIT:
        raise UsageError(f"{what}: at most {MAX_DATA_LIMIT >> 10}K of a call's data can be copied, not {text}")
    return size


# No dataclass here, nor below: every run of pytest imports this module, and each takes half a millisecond to make.
class Syscalls(NamedTuple):
    """Which system calls are recorded, as it was said; `pytest_ebpf.syscalls.selection` knows what that means."""

    value: Any = "all"
    source: str = ""
    """Where it was said, which makes no difference."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Syscalls) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)

    @property
    def none(self) -> bool:
        """Whether it is none at all."""
        return isinstance(self.value, str) and self.value.strip() == "none"


def _syscalls(value: Any, what: str) -> Syscalls:
    if value not in ("all", "none"):
        from pytest_ebpf.syscalls.selection import parse_recorded  # noqa: PLC0415 - most runs need it later, or never

        parse_recorded(value, what)
    return Syscalls(value, what)


def _flag(value: Any, what: str) -> bool:
    if isinstance(value, bool):
        return value
    value = str(value)
    if value.lower() in {"true", "yes", "on", "1"}:
        return True
    if value.lower() in {"false", "no", "off", "0", ""}:
        return False
    raise UsageError(f"{what}: {value!r} is neither true nor false")


class Settings(NamedTuple):
    """The settings of a run, or of one test."""

    mode: Mode = "auto"
    """What to do where tracing is impossible: skip the tests that need it, fail them, or never trace."""
    broker: str | None = None
    """Socket of a broker that an administrator started."""
    ring_size: int = 8 << 20
    """Bytes of the ring that carries events from the kernel."""
    window: Window = "fixture"
    """What a test's window spans: the fixture's life, the whole of setup to teardown, or the call alone."""
    environ: bool = False
    """Whether to copy the environment of each program that is executed."""
    argv_limit: int = 128 << 10
    """Bytes of arguments, and of environment, to copy."""
    syscalls: Syscalls = Syscalls()
    """Which system calls to record."""
    data_limit: int = 0
    """Bytes to copy of what a system call reads or writes."""
    children_only: bool = False
    """Whether to leave out the system calls of the test's own process."""


_PARSERS: dict[str, Callable[[Any, str], Any]] = {
    "mode": lambda value, what: _one_of(value, Mode, what),
    "broker": lambda value, _what: str(value) or None,
    "ring_size": ring_size,
    "window": lambda value, what: _one_of(value, Window, what),
    "environ": _flag,
    "argv_limit": _argv_limit,
    "syscalls": _syscalls,
    "data_limit": data_limit,
    "children_only": _flag,
}
_HELP = {
    "mode": "where tracing is impossible: skip the tests that need it (auto, the default), fail them (require: "
    "for CI), or skip them everywhere (off)",
    "broker": "socket of a broker that an administrator started with `pytest-ebpf serve` "
    "(default: $PYTEST_EBPF_BROKER)",
    "ring_size": "bytes of the ring that carries the events, a power of two (default: 8M)",
    "window": "what a test's window spans: the life of its ebpf_trace fixture (fixture, the default), all of setup, "
    "call and teardown (test), or the test function alone (call)",
    "environ": "copy the environment of each executed program (true or false, the default)",
    "argv_limit": "bytes of arguments to copy of each executed program, at most 2M (default: 128K)",
    "syscalls": "system calls to record: all (the default), none, or names, patterns such as open*, and groups such "
    "as %file, separated by commas; with ! before it, one is left out",
    "data_limit": "bytes to copy of what each system call reads or writes, at most 16K (default: 0)",
    "children_only": "leave out the system calls of the test's own process (true or false, the default)",
}
_PROBES = "probes"
"""What a marker adds to what wider ones and the hook have, and no setting."""
_MARKER_KEYS = ("ring_size", "window", "environ", "argv_limit", "syscalls", "data_limit", "children_only")
MARKER_HELP = (
    f"ebpf(*, {', '.join(f'{key}=...' for key in (*_MARKER_KEYS, _PROBES))}): settings of this test's ebpf_trace; "
    "see --help for what each means"
)


def _option(name: str) -> str:
    return "--ebpf" if name == "mode" else "--ebpf-" + name.replace("_", "-")


def _ini(name: str) -> str:
    return "ebpf" if name == "mode" else "ebpf_" + name


def add_options(parser: pytest.Parser) -> None:
    """Declare each setting as an option and as an ini value."""
    group = parser.getgroup("ebpf", "kernel-behaviour assertions (pytest-ebpf)")
    for name in Settings._fields:
        metavar = "MODE" if name == "mode" else name.upper().replace("_", "-")
        group.addoption(
            _option(name),
            dest=f"pytest_ebpf_{name}",
            default=None,
            metavar=metavar,
            help=_HELP[name].replace("%", "%%"),
        )
        parser.addini(_ini(name), _HELP[name], default=None)


def from_config(config: pytest.Config, environment: dict[str, str]) -> Settings:
    """Read the run's settings.

    Raises:
        UsageError: A value that is none, with the good ones.
    """
    values: dict[str, Any] = {}
    for name in Settings._fields:
        option, ini = config.getoption(f"pytest_ebpf_{name}"), config.getini(_ini(name))
        if option is not None:
            values[name] = _PARSERS[name](option, _option(name))
        elif ini not in {None, ""}:
            values[name] = _PARSERS[name](ini, f"the ini value {_ini(name)}")
    if values.get("broker") is None and environment.get("PYTEST_EBPF_BROKER"):
        values["broker"] = environment["PYTEST_EBPF_BROKER"]
    return Settings(**values)


def from_markers(settings: Settings, item: pytest.Item) -> Settings:
    """Apply ``@pytest.mark.ebpf(...)``, the closest one last.

    Raises:
        UsageError: A setting that the marker does not have, or a bad value.
    """
    for marker in reversed(list(item.iter_markers("ebpf"))):
        if marker.args:
            raise UsageError(f"@pytest.mark.ebpf takes names only, such as ring_size='16M', not {marker.args[0]!r}")
        changes: dict[str, Any] = {}
        for name, value in marker.kwargs.items():
            if name == _PROBES:
                continue
            if name not in _MARKER_KEYS:
                there = ", ".join((*_MARKER_KEYS, _PROBES))
                raise UsageError(f"@pytest.mark.ebpf has no setting {name!r}; it has {there}")
            changes[name] = _PARSERS[name](value, f"@pytest.mark.ebpf({name}=...)")
        settings = settings._replace(**changes)
    return settings


def marked_probes(item: pytest.Item) -> list[Any]:
    """Return the probes that the markers of a test, its class and its module ask for, the widest first.

    Raises:
        UsageError: It is no list.
    """
    found: list[Any] = []
    for marker in reversed(list(item.iter_markers("ebpf"))):
        probes = marker.kwargs.get(_PROBES, ())
        if not isinstance(probes, list | tuple):
            raise UsageError(
                f"@pytest.mark.ebpf(probes=...) takes a list, such as ['uprobe:./program:function'], not {probes!r}"
            )
        found += probes
    return found
