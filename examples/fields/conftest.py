"""What the examples of reading fields share."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program that is looked into, compiled."""
    program = tmp_path_factory.mktemp("target") / "target"
    subprocess.run(["gcc", "-O2", "-fno-omit-frame-pointer", "-o", program, HERE / "target.c"], check=True)
    return program
