"""What is made once and used by all runs: folders in the user's cache directory (XDG Base Directory Specification)."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["directory", "made"]


def directory() -> Path:
    """Return the directory that all of it is in: ``$XDG_CACHE_HOME/pytest-ebpf``, or ``~/.cache/pytest-ebpf``."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    # "All paths set in these environment variables must be absolute", and others are to be ignored.
    base = Path(configured) if configured.startswith("/") else Path.home() / ".cache"
    return base / "pytest-ebpf"


def made(name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache; where there is none of that name, it is made, whole or not at all.

    Of several processes that make the same one at once, one comes first, and all get that one's.

    Args:
        name: Says all that its contents depend on.
        make: Fills an empty folder.

    Raises:
        Unavailable: The cache cannot be written to.
    """
    target = directory() / name
    if not target.is_dir():
        try:
            _make(target, make)
        except OSError as error:
            raise Unavailable(
                f"pytest-ebpf: its cache cannot be written to: {directory()}: {error.strerror}\n"
                "  needs   a directory of its own for what is made once: headers out of the kernel's types, objects\n"
                "  try     XDG_CACHE_HOME=/var/tmp/cache pytest …"
            ) from error
    return target


def _make(target: Path, make: Callable[[Path], None]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        make(work)
        work.chmod(0o755)  # mkdtemp(3) lets nobody else in
        work.rename(target)
    except OSError:
        if not target.is_dir():  # nobody else was first: rename(2) does not replace a folder that has files
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
