"""Starts the broker of one run: ``PYTHON -I -S -B start.py FOLDER… -- ARGUMENTS``; and its host, likewise.

Run by its path, perhaps as root through sudo, by an interpreter that was told to look at nothing of the
user's (``-I``, ``-S``) and to leave no bytecode of root's in the user's folders (``-B``). So it finds the
package that pytest runs from by itself, wherever that came from, and nothing but the standard library
stands before it. FOLDERs are searched last (for cffi). It imports little: see `main`.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

GREETING = "pytest-ebpf broker:"
"""Begins the log. A log without it is of whoever was to start the broker and did not (sudo)."""

_PACKAGE = "pytest_ebpf"


def start(arguments: list[str]) -> int:
    """Import the package that this file lies in, without what it is to pytest, and run its broker, or its host."""
    split = arguments.index("--")
    sys.path.extend(arguments[:split])
    package = ModuleType(_PACKAGE)
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.realpath(__file__)))]  # noqa: PTH120 - as said above
    sys.modules[_PACKAGE] = package
    rest = arguments[split + 1 :]
    if rest[:1] == ["host"]:
        from pytest_ebpf.host import main as host  # noqa: PLC0415 - of that package

        return host.main(rest[1:])
    from pytest_ebpf.broker import main  # noqa: PLC0415 - likewise

    return main.main(rest)


def command() -> list[str]:
    """Return what runs this file with this very package, and with cffi wherever that lies; arguments may follow."""
    from importlib.util import find_spec  # noqa: PLC0415 - the broker's start has no use for it

    cffi = find_spec("_cffi_backend")
    folders = [os.path.dirname(cffi.origin)] if cffi and cffi.origin else []  # noqa: PTH120 - as said above
    return [sys.executable, "-I", "-S", "-B", __file__, *folders, "--"]


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
