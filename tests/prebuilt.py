"""What the tests of the kernel tier compile.

Where that takes minutes (in a guest of ``tests/vm``) it was compiled before, in the folder that ``COMPILED`` names.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import table_broker
from once import made_once
from tiers import require_command

from pytest_ebpf.user_programs.compiling import object_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from pytest_ebpf.syscalls.table import CallSpec

TESTS = Path(__file__).parent


def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the executables of all of ``tests/programs``."""
    if folder := os.environ.get("COMPILED"):
        return Path(folder, "programs")
    return made_once(tmp_path_factory, "programs", compile_programs)


def kernel_programs(module: str, table: Mapping[int, CallSpec], folder: Path) -> Path:
    """The object with a test module's own call table, made in the folder."""
    if compiled := os.environ.get("COMPILED"):
        return Path(compiled, module, "tracing.bpf.o")
    return table_broker.compiled(folder, table)


def compile_programs(folder: Path) -> None:
    """Compile ``tests/programs``."""
    for source in (TESTS / "programs").glob("*.c"):
        command = ["gcc", "-O1", "-Wall", "-Werror", "-pthread", "-o", str(folder / source.stem), str(source)]
        subprocess.run(command, check=True)


def bpf_objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the objects of all of ``tests/bpf``, as users' programs are compiled."""
    if folder := os.environ.get("COMPILED"):
        return Path(folder, "bpf")
    require_command("clang")
    return made_once(tmp_path_factory, "bpf", compile_bpf)


def compile_bpf(folder: Path) -> None:
    """Compile ``tests/bpf``, and one of them in ways that will not do."""
    sources = TESTS / "bpf"
    for source in sources.glob("*.bpf.c"):
        shutil.copy(object_of(source), folder)
    command = ["clang", "-O2", "-mcpu=v3", f"-I/usr/include/{platform.machine()}-linux-gnu", "-c"]
    for name, options in (("untyped", ["-target", "bpf"]), ("big_endian", ["-target", "bpfeb", "-g"])):
        made = str(folder / f"{name}.bpf.o")
        subprocess.run([*command, *options, str(sources / "probes.bpf.c"), "-o", made], check=True)


def compile_all(folder: Path) -> None:
    """Compile what tests elsewhere find by ``COMPILED``."""
    (folder / "programs").mkdir()
    compile_programs(folder / "programs")
    (folder / "bpf").mkdir()
    compile_bpf(folder / "bpf")
    for path in (TESTS / "kernel").glob("test_*.py"):
        module = importlib.import_module(f"kernel.{path.stem}")
        if hasattr(module, "TABLE"):
            (folder / path.stem).mkdir()
            table_broker.compiled(folder / path.stem, module.TABLE)
