"""The build says in one sentence what it needs, and ships what the tree holds."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import setup_script
from setup_script import PROJECT
from tiers import require_command

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once

METADATA = """
[project]
name = "it"
version = "1"

[tool.setuptools]
packages = ["pytest_ebpf"]
include-package-data = false
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with one BPF program, and constants of its own, built by our ``setup.py``."""
    folder = tmp_path / "project"
    (folder / "bpf").mkdir(parents=True)
    (folder / "pytest_ebpf").mkdir()
    (folder / "pytest_ebpf/__init__.py").touch()
    (folder / "bpf/one.bpf.c").write_text('#include "call_table.h"\nint one = 1; struct seen { int pid; } *anchor;\n')
    (folder / "pyproject.toml").write_text(METADATA)
    text = (PROJECT / "setup.py").read_text()
    (folder / "setup.py").write_text(text.replace("cffi_modules=", "# cffi_modules="))
    script = folder / "pytest_ebpf/syscalls/constants_build.py"
    script.parent.mkdir()
    script.write_text("def constants_text(compiler):\n    return f'compiled by {compiler}'\n")
    script.with_name("table_build.py").write_text("print('struct called { int number; } *other;')\n")
    return folder


def build(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a setuptools command there."""
    return subprocess.run(
        [sys.executable, "setup.py", "--quiet", *(command or ("build",))],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def picky(folder: Path, real: str, refused: str) -> str:
    """A compiler that has everything but what the text it is given names."""
    script = folder / "picky"
    script.write_text(
        f"#!/bin/sh\ntext=$(cat)\ncase $text in *{shlex.quote(refused)}*) exit 1;; esac\n"
        f'printf "%s" "$text" | exec {real} "$@"\n'
    )
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize(
    ("variable", "what", "package"),
    [
        ("CC", "a C compiler", "gcc"),
        ("CLANG", "clang with its BPF target", "clang"),
    ],
)
def test_a_compiler_that_is_missing_gives_one_sentence_that_names_its_package(
    tree: Path, variable: str, what: str, package: str
) -> None:
    done = build(tree, **{variable: "no-such-compiler"})
    assert done.returncode == 1
    assert done.stderr == (
        f"pytest-ebpf cannot be built: {what} was not found (tried no-such-compiler);"
        f" on Debian: apt-get install {package}\n"
    )


@pytest.mark.parametrize(
    ("variable", "header", "what", "package"),
    [
        ("CC", "stdio.h", "the C library's headers", "libc6-dev"),
        ("CC", "Python.h", "Python's headers", "python3-dev"),
        ("CC", "bpf/libbpf.h", "libbpf 1.0 or later with its headers", "libbpf-dev"),
        ("CLANG", "linux/bpf.h", "the kernel's headers", "linux-libc-dev"),
    ],
)
def test_a_header_that_is_missing_gives_one_sentence_that_names_its_package(
    tree: Path, tmp_path: Path, variable: str, header: str, what: str, package: str
) -> None:
    compiler = picky(tmp_path, "clang" if variable == "CLANG" else "cc", header)
    done = build(tree, **{variable: compiler})
    assert done.returncode == 1
    assert done.stderr == (
        f"pytest-ebpf cannot be built: {what} was not found (tried {compiler}); on Debian: apt-get install {package}\n"
    )


def test_pip_shows_that_sentence_and_no_traceback(tree: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"),
            *("--wheel-dir", str(tree / "wheels"), str(tree)),
        ],
        env={**os.environ, "CLANG": "no-such-compiler"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pytest-ebpf cannot be built: clang with its BPF target was not found" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_machine_that_is_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = setup_script.loaded()
    monkeypatch.setattr(module.platform, "machine", lambda: "riscv64")
    with pytest.raises(SystemExit) as refusal:
        module.bpf_flags()
    assert str(refusal.value) == ("pytest-ebpf cannot be built for riscv64: it knows aarch64 and x86_64.")


def test_a_program_that_clang_refuses_is_named_after_clangs_own_words(tree: Path) -> None:
    (tree / "bpf/two.bpf.c").write_text("int two = ;\n")
    done = build(tree)
    assert done.returncode == 1
    assert "bpf/two.bpf.c:1:11: error: expected expression" in done.stderr
    assert done.stderr.splitlines()[-1] == ("pytest-ebpf cannot be built: clang refused bpf/two.bpf.c")


def test_a_build_holds_the_objects_and_modules_of_the_tree_and_none_deleted_since(
    tree: Path,
) -> None:
    (tree / "bpf/two.bpf.c").write_text("int two = 2;\n")
    (tree / "pytest_ebpf/two.py").touch()
    assert build(tree).returncode == 0
    (tree / "bpf/two.bpf.c").unlink()
    (tree / "pytest_ebpf/two.py").unlink()
    assert build(tree).returncode == 0
    built = tree / "build/lib/pytest_ebpf"
    files = {str(path.relative_to(built)) for path in built.rglob("*") if path.is_file()}
    headers = {f"include/bpf/{name}" for name in setup_script.loaded().LIBBPF_HEADERS}
    assert files == {"__init__.py", "objects/one.bpf.o", "syscalls/constants.txt", *headers}


def test_a_build_takes_the_constants_by_the_compiler_of_the_extension(tree: Path) -> None:
    assert build(tree, CC="cc -DIT").returncode == 0
    assert (tree / "build/lib/pytest_ebpf/syscalls/constants.txt").read_text() == "compiled by ['cc', '-DIT']"


def test_an_object_keeps_its_types_and_not_its_debug_sections(tree: Path) -> None:
    require_command("llvm-strip")
    assert build(tree).returncode == 0
    content = (tree / "build/lib/pytest_ebpf/objects/one.bpf.o").read_bytes()
    assert b".BTF\0" in content
    assert b"seen\0" in content
    assert b"called\0" in content, "what the build made was not included"
    assert b".debug_info" not in content


@pytest.mark.parametrize("strip", ["llvm-strip", "no-such-strip"])
def test_an_object_is_the_same_wherever_it_was_built(tree: Path, strip: str) -> None:
    elsewhere = tree.with_name("elsewhere")
    shutil.copytree(tree, elsewhere)
    objects = []
    for folder in (tree, elsewhere):
        assert build(folder, LLVM_STRIP=strip).returncode == 0
        objects.append((folder / "build/lib/pytest_ebpf/objects/one.bpf.o").read_bytes())
    assert objects[0] == objects[1]


def test_an_editable_build_puts_what_it_makes_where_the_package_is(tree: Path) -> None:
    code = "from setuptools import build_meta; import sys; sys.argv = ['setup.py'];build_meta.build_editable('.')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tree / "pytest_ebpf/objects").iterdir()] == ["one.bpf.o"]
    assert (tree / "pytest_ebpf/syscalls/constants.txt").is_file()
