"""Small C programs that do exactly one thing, for what must be true by construction."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiers import require_command

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = Path(__file__).parents[1] / "programs"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Compile all of tests/programs/NAME.c, before any window opens, and return what finds an executable's path."""
    require_command("gcc")
    folder = tmp_path_factory.mktemp("programs")
    for source in SOURCES.glob("*.c"):
        command = ["gcc", "-O1", "-Wall", "-Werror", "-pthread", "-o", str(folder / source.stem), str(source)]
        subprocess.run(command, check=True)
    return lambda name: str(folder / name)
