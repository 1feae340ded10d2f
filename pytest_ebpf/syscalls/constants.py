"""The kernel's constants by name, as its headers defined them when the wheel was built (``constants_build.py``).

One name may stand for different values in two headers, and one prefix for two things (``MS_`` for flags of
mount(2) and for those of msync(2)): a header says which is meant.
"""

from __future__ import annotations

import functools
import os.path

from pytest_ebpf.errors import Unavailable, UsageError

__all__ = ["headers", "prefixed", "read_from", "value"]

# No pathlib, no difflib: a short run pays for their import.
_path = os.path.join(os.path.dirname(__file__), "constants.txt")  # noqa: PTH118, PTH120 - see above


def read_from(path: str) -> None:
    """Take another file, before anything is asked: the build does, whose package is not whole yet."""
    global _path  # noqa: PLW0603 - one file serves the process
    _path = path


@functools.cache
def _sections() -> dict[str, str]:
    """Return each header's lines, unread: a run needs few of them."""
    try:
        with open(_path, encoding="ascii") as file:  # noqa: PTH123 - likewise
            text = file.read()
    except OSError as error:
        raise Unavailable(
            f"pytest-ebpf: its table of constants cannot be read: {error}\n"
            "  try     pip install --force-reinstall pytest-ebpf"
        ) from error
    pairs = (section.partition("\n") for section in text.removeprefix("# ").split("\n# "))
    return {header: lines for header, _, lines in pairs}


def headers() -> tuple[str, ...]:
    """Name the headers, the first one first in which to look for a name."""
    return tuple(_sections())


@functools.cache
def _of(header: str) -> dict[str, int]:
    if header not in _sections():
        raise UsageError(f"no constants were taken from the header {header!r}")
    pairs = map(str.split, _sections()[header].splitlines())
    return {name: int(number) for name, number in pairs}


def value(name: str, header: str | None = None) -> int:
    """Return the value of a constant.

    Args:
        name: Such as ``O_CLOEXEC``.
        header: Where to look, such as ``linux/fcntl.h``; the first that has it if not given.

    Raises:
        UsageError: There is none of this name; the text offers the nearest.
    """
    names: set[str] = set()
    for each in headers() if header is None else (header,):
        found = _of(each)
        if name in found:
            return found[name]
        names.update(found)
    import difflib  # noqa: PLC0415 - for the error alone

    near = difflib.get_close_matches(name, sorted(names), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"{name!r} is not defined in {header or 'the headers of the kernel'}{hint}")


def prefixed(prefix: str, header: str) -> dict[str, int]:
    """Return the constants of a header whose names begin so, in the order of their definition."""
    return {name: number for name, number in _of(header).items() if name.startswith(prefix)}
