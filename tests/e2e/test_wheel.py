"""The wheel needs nothing: it is repaired, and a test is traced where there is only Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from e2e import debian, inner
from once import made_once
from tiers import require_command, require_root, unable

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.once

TRACED_TEST = """
import subprocess

def test_a_process_is_seen(ebpf_trace):
    subprocess.run(["true"], check=True)
    ebpf_trace.assert_spawned("true", exit_code=0)

def test_a_process_that_was_not_is_missed(ebpf_trace):
    ebpf_trace.assert_spawned("false")
"""


def run(*command: str | Path) -> str:
    """Output of a command of the packaging tools; a failure shows it."""
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        env={**os.environ, "PATH": tools},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that tox built and installed here, or one of the tree."""
    if built := os.environ.get("TOX_PACKAGE"):
        return Path(built)

    def build(folder: Path) -> None:
        run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, PROJECT)

    # Two cannot build in one tree at the same time.
    return next(made_once(tmp_path_factory, "built", build).glob("*.whl"))


@pytest.fixture(scope="module")
def repaired(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the libraries it is linked with inside."""

    def repair(folder: Path) -> None:
        run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", folder, wheel)

    return next(made_once(tmp_path_factory, "repaired", repair).glob("*.whl"))


def test_one_wheel_serves_every_python_from_3_10_on(wheel: Path) -> None:
    assert "-cp310-abi3-linux_" in wheel.name


def test_the_wheel_carries_an_object_for_each_program_and_no_source_of_them(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    objects = {name for name in names if name.startswith("pytest_ebpf/objects/")}
    programs = {path.name.removesuffix(".c") for path in (PROJECT / "bpf").glob("*.bpf.c")}
    assert objects == {f"pytest_ebpf/objects/{program}.o" for program in programs}
    meant = ("pytest_ebpf/include/", "pytest_ebpf/headers/")
    assert not [name for name in names if name.endswith((".c", ".h")) and not name.startswith(meant)]


def test_the_wheel_carries_the_headers_that_a_users_program_includes_and_what_those_include(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    folder = "pytest_ebpf/include/"
    headers = {name.removeprefix(folder) for name in archive.namelist() if name.startswith(folder)}
    assert {"pytest_ebpf.bpf.h", "bpf/bpf_helpers.h", "bpf/bpf_core_read.h", "bpf/bpf_tracing.h"} <= headers
    included = {
        name
        for header in headers - {"LICENSE"}
        for name in re.findall(r'^#include [<"](.*)[>"]', archive.read(folder + header).decode(), re.MULTILINE)
    }
    inside = {name if "/" in name else f"bpf/{name}" for name in included if not name.startswith("linux/")}
    assert inside <= headers


def test_the_wheel_carries_what_a_header_tree_is_made_of(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    parts = {path for path in (PROJECT / "pytest_ebpf/headers").iterdir() if path.suffix in {".h", ".txt"}}
    assert {path.name for path in parts} >= {"common.h", "kconfig.h", "names.txt"}
    assert {str(path.relative_to(PROJECT)) for path in parts} <= names


def test_the_wheel_carries_every_module_of_the_package_its_types_its_constants_and_its_licences(
    wheel: Path,
) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(PROJECT)) for path in (PROJECT / "pytest_ebpf").rglob("*.py")}
    assert modules | {"pytest_ebpf/py.typed", "pytest_ebpf/syscalls/constants.txt"} <= names
    assert {name.partition("/licenses/")[2] for name in names if "/licenses/" in name} == {
        "LICENSE",
        "bpf/LICENSE",
        "pytest_ebpf/include/LICENSE",
    }


def test_the_repaired_wheel_carries_libbpf_and_libelf(repaired: Path) -> None:
    names = zipfile.ZipFile(repaired).namelist()
    libraries = {re.split(r"[-.]", Path(name).name)[0] for name in names if ".libs/lib" in name}
    assert libraries == {"libbpf", "libelf"}
    assert "-cp310-abi3-manylinux_2_" in repaired.name


@pytest.fixture
def bare_debian(tmp_path: Path) -> Iterator[Path]:
    """A Debian with nothing in it but Python and pip."""
    require_root()
    require_command("debootstrap", "unshare", "chroot", "tar")
    try:
        debian.mirror()
    except LookupError as reason:
        unable(str(reason))
    root = tmp_path / "debian"
    root.mkdir()
    debian.unpack(root)
    yield root
    shutil.rmtree(root)  # pytest would keep three of them, 250 MB each


def test_a_test_is_traced_where_there_is_only_python_and_the_repaired_wheel(repaired: Path, bare_debian: Path) -> None:
    print_version = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = debian.run_in(bare_debian, "python3", "-c", print_version).stdout.strip()
    download_wheels(repaired, version, bare_debian / "wheels")
    (bare_debian / "suite").mkdir()
    (bare_debian / "suite/test_traced.py").write_text(TRACED_TEST)

    install = ["pip", "install", "--break-system-packages", "--no-index", "--find-links=/wheels"]
    installed = debian.run_in(bare_debian, *install, "pytest-ebpf")
    assert installed.returncode == 0, installed.stdout
    tested = debian.run_in(bare_debian, "pytest", "--ebpf=require", "/suite")

    assert inner.ended_with("1 failed, 1 passed", tested.stdout), tested.stdout
    assert re.search(r"^FAILED .*::test_a_process_that_was_not", tested.stdout, re.MULTILINE)
    files = debian.run_in(bare_debian, "find", "/", "-xdev", "!", "-type", "d").stdout.splitlines()
    assert "/usr/bin/python3" in files
    assert [path for path in files if TOOLS.fullmatch(path)] == []


TOOLS = re.compile(r"(?!.*/pytest_ebpf\.libs/).*/((libbpf|libelf).*\.so.*|clang.*|gcc|cc|bpftool)")
"""What must be nowhere but in the wheel's own folder."""


@pytest.mark.parametrize("path", ["/lib/libelf-0.188.so", "/lib/libbpf.so.1", "/bin/clang-14", "/bin/cc", "/bin/gcc"])
def test_a_tool_that_the_bare_system_must_not_have_would_be_found(path: str) -> None:
    assert TOOLS.fullmatch(path)


def download_wheels(wheel: Path, python: str, folder: Path) -> None:
    """Put the wheel and what it depends on, for a Python such as "3.11", into a folder."""
    machine = os.uname().machine
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in (34, 28, 17)]
    platforms += [f"--platform=manylinux2014_{machine}"]
    fetch = (sys.executable, "-m", "pip", "download", "--only-binary=:all:")
    run(*fetch, f"--python-version={python}", *platforms, "--dest", folder, wheel)
