"""Which compilers a build really ran, with which arguments: ``make`` and ``gcc``."""

import os
import subprocess
from pathlib import Path

import pytest

from pytest_ebpf import Trace

MAKEFILE = """\
CC = gcc
CFLAGS = -O2 -DGREETING=1
hello: hello.o world.o
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a program of two files."""
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "hello.c").write_text("int world(void); int main(void) { return world(); }\n")
    (tmp_path / "world.c").write_text("int world(void) { return 0; }\n")
    return tmp_path


def make(project: Path, *arguments: str) -> None:
    subprocess.run(["make", "--silent", *arguments], cwd=project, check=True)


def test_each_file_is_compiled_once_and_all_are_linked_once(ebpf_trace: Trace, project: Path) -> None:
    make(project)

    for source in ("hello.c", "world.c"):
        driver = ebpf_trace.assert_spawned("gcc", argv=["gcc", ..., "-c", ..., source], parent="make")
        # gcc compiles nothing itself: cc1 and as do, and they are given what the Makefile says.
        compiler = ebpf_trace.assert_spawned("cc1", argv=[..., "-O2", ...], parent=driver, exit_code=0)
        assert source in compiler.argv
        assert compiler.argv[compiler.argv.index("-D") + 1] == "GREETING=1"
        ebpf_trace.assert_spawned("as", parent=driver, exit_code=0)
    ebpf_trace.assert_spawned("cc1", count=2)
    ebpf_trace.assert_spawned("ld", argv=[..., "hello.o", "world.o", ...], count=1)


def test_a_second_make_compiles_nothing(ebpf_trace: Trace, project: Path) -> None:
    make(project)
    with ebpf_trace.section("again") as again:
        make(project)

    assert again.assert_spawned("make").exit_code == 0
    assert len(again.processes) == 1  # make, and nothing else at all


def test_a_change_of_one_file_compiles_that_file_and_links(ebpf_trace: Trace, project: Path) -> None:
    make(project)
    later = (project / "hello").stat().st_mtime + 10
    os.utime(project / "world.c", (later, later))
    with ebpf_trace.section("after the change") as after:
        make(project)

    after.assert_spawned("cc1", argv=[..., "world.c", ...], count=1)
    after.assert_not_spawned("cc1", argv=[..., "hello.c", ...])
    after.assert_spawned("ld", count=1)


def test_one_job_at_a_time_starts_no_compiler_before_the_other_has_ended(ebpf_trace: Trace, project: Path) -> None:
    make(project, "--jobs=1")

    first, second = ebpf_trace.assert_spawned("gcc", argv=[..., "-c", ...], count=2)
    assert first.duration is not None
    assert second.start_ns >= first.start_ns + first.duration * 1e9
