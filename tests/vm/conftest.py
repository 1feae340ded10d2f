"""Virtual machines are for x86-64 and Debian alone."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import prebuilt
import pytest
from e2e import debian
from once import made_once
from tiers import require_command, unable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def _able() -> None:
    require_command("qemu-system-x86_64", "busybox", "dpkg-deb", "apt-get")
    if platform.machine() != "x86_64":
        unable("the kernels tried are those for x86-64, and their files are this machine's")
    try:
        debian.mirror()
    except LookupError as reason:
        unable(str(reason))


@pytest.fixture(scope="session")
def compiled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the kernel tier compiles, compiled here: in a guest that takes minutes."""
    return made_once(tmp_path_factory, "compiled", prebuilt.compile_all)
