"""Which compiler there is for BPF programs."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from pytest_ebpf.errors import Unavailable

__all__ = ["Compiler", "find_compiler"]

_OLDEST, _NEWEST = 14, 40
"""Of clang's versions, those that distributions add to its name. Older ones know too little of BTF."""


class Compiler(NamedTuple):
    """A clang that compiles for BPF, or what acts as one."""

    file: Path
    """Itself: where it is another file, it is another compiler."""
    command: tuple[str, ...]
    """How it is called, with what makes it compile for BPF."""

    @property
    def identity(self) -> tuple[str, int, int]:
        """What changes when it is replaced by another version."""
        found = self.file.resolve().stat()
        return str(self.file.resolve()), found.st_size, found.st_mtime_ns


def find_compiler() -> Compiler:
    """Return ``clang``, else the newest of ``clang-14`` and later, else the clang in PyPI's ``ziglang``.

    Raises:
        Unavailable: There is none.
    """
    for name in ("clang", *(f"clang-{version}" for version in range(_NEWEST, _OLDEST - 1, -1))):
        if found := shutil.which(name):
            return Compiler(Path(found), (found, "-target", "bpf"))
    zig = _zig()
    if zig is None:
        raise Unavailable(
            "pytest-ebpf: there is no compiler for BPF programs: apt-get install clang, or dnf install clang,"
            " or pip install 'pytest-ebpf[compile]'"
        )
    return Compiler(zig, (str(zig), "cc", "-target", "bpfel-freestanding"))


def _zig() -> Path | None:
    # Not by "python -m ziglang", which does nothing but call it, after an interpreter has started.
    spec = importlib.util.find_spec("ziglang")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, "zig")
        if os.access(path, os.X_OK):
            return path
    return None
