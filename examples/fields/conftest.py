"""What the examples of reading fields share."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program that is looked into."""
    program = tmp_path_factory.mktemp("target") / "target"
    subprocess.run(["gcc", "-O2", "-fno-omit-frame-pointer", "-o", program, HERE / "target.c"], check=True)
    return program


@pytest.fixture
def target(compiled: Path, tmp_path: Path) -> Path:
    """Return a copy of it: what another test attached to its own (BCC's programs stay) does not show in this one."""
    return Path(shutil.copy(compiled, tmp_path))
