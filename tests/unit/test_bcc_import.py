"""BCC is found where the system has it, and imported alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_ebpf.errors import Unavailable
from pytest_ebpf.host.bcc_import import find_bcc, import_bcc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSTALL = (
    "  try     sudo apt install python3-bpfcc      (Debian, Ubuntu)\n"
    "          sudo dnf install python3-bcc        (Fedora, RHEL)"
)


@pytest.fixture(autouse=True)
def _no_bcc_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delitem(sys.modules, "bcc", raising=False)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "bcc"]:
        del sys.modules[name]


def made(folder: Path, text: str = "answer = 42\n", *, bindings: bool = True) -> Path:
    package = folder / "bcc"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(text)
    if bindings:
        (package / "libbcc.py").write_text("")
    return package


def nowhere() -> None:
    """Answer as a system's Python that has none."""


@pytest.mark.parametrize(
    "place",
    [
        "usr/lib/python3/dist-packages",
        "usr/lib/python3.13/site-packages",
        "usr/lib64/python3.9/site-packages",
        "usr/local/lib/python3.12/dist-packages",
    ],
)
def test_it_is_found_in_the_usual_places(tmp_path: Path, place: str) -> None:
    package = made(tmp_path / place)
    assert find_bcc(tmp_path, ask=nowhere) == package


def test_it_is_found_where_the_systems_python_says(tmp_path: Path) -> None:
    package = made(tmp_path / "elsewhere")
    assert find_bcc(tmp_path / "root", ask=lambda: package) == package


def test_another_package_of_that_name_is_left_alone(tmp_path: Path) -> None:
    made(tmp_path / "usr/lib/python3/dist-packages", bindings=False)
    other = made(tmp_path / "other", bindings=False)
    with pytest.raises(Unavailable):
        find_bcc(tmp_path, ask=lambda: other)


def test_that_there_is_none_names_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        import_bcc(tmp_path, ask=nowhere)
    assert str(caught.value) == (
        f"BCC is not installed: there is no bcc/libbcc.py in {tmp_path}/usr/lib/python3/dist-packages,"
        f" {tmp_path}/usr/lib/python3*/site-packages, {tmp_path}/usr/lib64/python3*/site-packages,"
        " and /usr/bin/python3 knows of none\n"
        "  needs   the system's package of BCC for Python; it is not on PyPI\n" + INSTALL
    )


def test_it_is_imported_alone(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/python3/dist-packages"
    package = made(folder, "from .part import answer\n")
    (package / "part.py").write_text("answer = 42\n")
    (folder / "neighbour.py").write_text("")
    before = list(sys.path)
    assert import_bcc(tmp_path, ask=nowhere).answer == 42
    assert sys.path == before
    assert not list(package.rglob("*.pyc"))
    with pytest.raises(ModuleNotFoundError):
        __import__("neighbour")


def test_one_that_is_broken_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    package = made(
        tmp_path / "usr/lib/python3/dist-packages", "from . import libbcc\nraise OSError('libbcc.so.0: not there')\n"
    )
    with pytest.raises(Unavailable) as caught:
        import_bcc(tmp_path, ask=nowhere)
    version = sys.version.split()[0]
    assert str(caught.value) == (
        f"BCC cannot be imported from {package} by Python {version}: OSError: libbcc.so.0: not there\n{INSTALL}"
    )
    assert not [name for name in sys.modules if name.split(".")[0] == "bcc"]
