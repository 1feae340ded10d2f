"""What the tests share that run a user's suite in a pytest of its own.

Each of their modules says ``pytest_plugins = ["pytester"]``: a conftest below the root may not.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from e2e import inner
from tiers import require_root

if TYPE_CHECKING:
    from pathlib import Path

_ASKING = """
import contextlib
import os
import tempfile
from pathlib import Path

from pytest_ebpf.broker.client import Client


def run_directories():
    return list(Path(tempfile.gettempdir()).glob("pytest-ebpf-*"))


def status():
    (found,) = run_directories()
    with contextlib.closing(Client.connect(found / "socket")) as client:
        return client.status()
"""


class Suite:
    """A user's suite in a folder of its own, whose run directories can be told from all others."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.temporary = pytester.mkdir("temporary")
        monkeypatch.setenv("TMPDIR", str(self.temporary))
        for name in [name for name in os.environ if name.startswith("PYTEST_") and name != "PYTEST_EBPF_BROKER"]:
            monkeypatch.delenv(name)  # of xdist, and of whoever called us

    def run_directories(self) -> list[Path]:
        return list(self.temporary.glob("pytest-ebpf-*"))

    def file(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        return inner.command("-W", "error", *arguments)

    def run(self, *arguments: str, through: tuple[str, ...] = ()) -> pytest.RunResult:
        """Run the suite."""
        return self.pytester.run(*through, *self.command(*arguments), timeout=120)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the suite, and go on."""
        return subprocess.Popen(
            self.command(*arguments), cwd=self.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite that traces through whatever broker the tests have."""
    return Suite(pytester, monkeypatch)


@pytest.fixture
def own_broker(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite that starts a broker itself, and can ask it: ``import asking``."""
    require_root()
    monkeypatch.delenv("PYTEST_EBPF_BROKER", raising=False)
    suite.file("asking.py", _ASKING)
    return suite
