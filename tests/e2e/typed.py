"""The command ``pytest-ebpf``, as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("pytest-ebpf"))


def typed(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    through = ["env", *(f"{name}={value}" for name, value in environment.items())]
    return subprocess.run(
        [*through, COMMAND, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
