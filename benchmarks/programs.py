"""The C and BPF programs of the benchmarks, compiled where they are measured."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

__all__ = ["SOURCES", "compiled"]

SOURCES = Path(__file__).with_name("programs")


def compiled(folder: Path) -> Path:
    """Compile them all into a folder, and return it.

    Raises:
        SystemExit: A compiler or libbpf's headers are missing, or a program does not compile.
    """
    for command in ("make", "cc", "clang"):
        if shutil.which(command) is None:
            raise SystemExit(f"{command} is not installed: apt-get install make gcc clang libbpf-dev")
    done = subprocess.run(
        ["make", "--silent", "--file", SOURCES / "Makefile"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the programs of the benchmarks do not compile:\n{done.stderr}")
    return folder
