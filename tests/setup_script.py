"""``setup.py`` as a module: what builds the product builds for tests, too."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

PROJECT = Path(__file__).parents[1]


def loaded() -> ModuleType:
    """Import it; nothing is built."""
    spec = importlib.util.spec_from_file_location("setup_py", PROJECT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
