"""The one door to the compiled extension, opened only when somebody traces."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from pytest_ebpf.engine.objects import path_of
from pytest_ebpf.errors import Unavailable

__all__ = ["library", "object_path"]


@functools.cache
def library() -> tuple[Any, Any]:
    """Return cffi's ``(ffi, lib)``.

    Raises:
        Unavailable: The extension is not there or does not load.
    """
    try:
        from pytest_ebpf.engine import _native  # noqa: PLC0415 - heavy, see above
    except ImportError as error:
        message = (
            f"pytest-ebpf: its compiled extension does not load: {error}\n"
            "  try     pip install --force-reinstall pytest-ebpf"
        )
        raise Unavailable(message) from error
    return _native.ffi, _native.lib


def object_path(name: str) -> Path:
    """Return the path of a compiled kernel object, ``process`` or ``adopt``.

    Raises:
        Unavailable: The installation lacks it.
    """
    path = Path(path_of(name))
    if not path.is_file():
        message = (
            f"pytest-ebpf: its compiled kernel programs are not there: {path}\n"
            "  try     pip install --force-reinstall pytest-ebpf"
        )
        raise Unavailable(message)
    return path
