"""Finds the system's BCC and imports it, it alone.

BCC is not on PyPI: its Python part comes with the system's packages, for the system's Python, and lies among all other
packages of that one. To put those on ``sys.path`` would mix them with the test suite's own. BCC needs nothing beyond
the standard library and ``libbcc.so``, so its package is loaded from where it lies.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import sysconfig
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

__all__ = ["find_bcc", "import_bcc"]

_USUAL = ("usr/lib/python3/dist-packages", "usr/lib/python3*/site-packages", "usr/lib64/python3*/site-packages")
_LOCAL = ("usr/local/lib/python3*/dist-packages", "usr/local/lib/python3*/site-packages")
_MARK = "libbcc.py"
"""There may be other packages called bcc."""
_SYSTEM = "/usr/bin/python3"
_ASK = "import importlib.util as u; found = u.find_spec('bcc'); print(found.origin if found else '')"
_ASK_TIMEOUT = 10.0

_INSTALL = (
    "  try     sudo apt install python3-bpfcc      (Debian, Ubuntu)\n"
    "          sudo dnf install python3-bcc        (Fedora, RHEL)"
)


def import_bcc(root: Path = Path("/"), *, ask: Callable[[], Path | None] | None = None) -> ModuleType:
    """Return the module ``bcc``.

    Args:
        root: Below which it is looked for.
        ask: Asks the system's Python where it has it.

    Raises:
        Unavailable: There is none, or it cannot be imported; names the command that installs it.
    """
    if "bcc" in sys.modules:
        return sys.modules["bcc"]
    folder = find_bcc(root, ask=ask)
    spec = importlib.util.spec_from_file_location(
        "bcc", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None  # noqa: S101 - the loader of a .py file is known
    assert spec.loader is not None  # noqa: S101 - likewise
    module = importlib.util.module_from_spec(spec)
    sys.modules["bcc"] = module
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # nothing of ours among the system's files
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its regular expressions: SyntaxWarning since CPython 3.12
            spec.loader.exec_module(module)
    except Exception as error:
        for name in [name for name in sys.modules if name == "bcc" or name.startswith("bcc.")]:
            del sys.modules[name]
        raise Unavailable(
            f"BCC cannot be imported from {folder} by Python {sys.version.split()[0]}:"
            f" {type(error).__name__}: {error}\n{_INSTALL}"
        ) from error
    finally:
        sys.dont_write_bytecode = writes
    return module


def find_bcc(root: Path = Path("/"), *, ask: Callable[[], Path | None] | None = None) -> Path:
    """Return the folder of BCC's Python package.

    Args:
        root: Below which it is looked for.
        ask: Asks the system's Python where it has it.

    Raises:
        Unavailable: There is none; names the command that installs it.
    """
    for place in _places(root):
        if (place / "bcc" / _MARK).is_file():
            return place / "bcc"
    told = (ask or _ask_system)()
    if told is not None and (told / _MARK).is_file():
        return told
    looked = ", ".join(str(root / pattern) for pattern in _USUAL)
    raise Unavailable(
        f"BCC is not installed: there is no bcc/{_MARK} in {looked}, and {_SYSTEM} knows of none\n"
        "  needs   the system's package of BCC for Python; it is not on PyPI\n"
        f"{_INSTALL}"
    )


def _places(root: Path) -> Iterator[Path]:
    if root == Path("/"):
        # Of this environment, whose packages run here anyway: somebody may have put it there.
        yield from (Path(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
    for pattern in (*_USUAL, *_LOCAL):
        yield from sorted(root.glob(pattern))


def _ask_system() -> Path | None:
    # -I: neither the current directory nor the environment may say what runs here with privilege.
    try:
        asked = subprocess.run(
            [_SYSTEM, "-I", "-c", _ASK], capture_output=True, text=True, timeout=_ASK_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    origin = asked.stdout.strip()
    return Path(origin).parent if asked.returncode == 0 and origin else None
