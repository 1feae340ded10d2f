"""Starts the broker of one run: ``PYTHON -I -S -B start.py FOLDER… -- ARGUMENTS``.

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
    """Import the broker of the package that this file lies in, without what the package is to pytest, and run it."""
    split = arguments.index("--")
    sys.path.extend(arguments[:split])
    package = ModuleType(_PACKAGE)
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.realpath(__file__)))]  # noqa: PTH120 - as said above
    sys.modules[_PACKAGE] = package
    from pytest_ebpf.broker import main  # noqa: PLC0415 - of that package

    return main.main(arguments[split + 1 :])


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
