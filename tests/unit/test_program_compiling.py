"""A program's text becomes an object, once; and what does not compile is said in the compiler's words."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from tiers import require_command

from pytest_ebpf.errors import ProgramError, Unavailable, UsageError
from pytest_ebpf.headers.vmlinux import BTF, vmlinux_directory
from pytest_ebpf.user_programs import compilers, diagnostics
from pytest_ebpf.user_programs.compiling import object_of

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not BTF.exists(), reason=f"needs {BTF}: this kernel does not describe its types"),
]

PROGRAM = """\
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "pytest_ebpf.bpf.h"
#include "mine.h"

SEC("tp_btf/sched_process_exec")
int on_exec(void *ctx)
{
	struct mine event = { MINE };

	return !ebpf_emit(&event);
}

char LICENSE[] SEC("license") = "GPL";
"""


class Compiler(NamedTuple):
    """A ``clang`` that counts how often it was called."""

    file: Path
    log: Path

    @property
    def calls(self) -> int:
        return self.log.read_text().count("called")

    def afterwards(self, command: str) -> None:
        """Let it do something more, when it has compiled."""
        self.file.write_text(self.file.read_text().replace("exit", f"{command}\nexit"))


@pytest.fixture
def clang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """The real one, under a script that counts; the cache is the test's own, but for the kernel's types."""
    require_command("clang")
    types = vmlinux_directory()
    cached = tmp_path / "cache/pytest-ebpf"
    cached.mkdir(parents=True)
    (cached / types.name).symlink_to(types)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("pytest_ebpf.user_programs.compiling.vmlinux_directory", lambda: cached / types.name)
    made = Compiler(tmp_path / "bin/clang", tmp_path / "calls")
    made.file.parent.mkdir()
    made.log.touch()
    real = subprocess.run(["which", "clang"], capture_output=True, text=True, check=True).stdout.strip()
    made.file.write_text(f'#!/bin/sh\necho called >> {made.log}\n{real} "$@"\nstatus=$?\nexit $status\n')
    made.file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{made.file.parent}:{os.environ['PATH']}")
    return made


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in the current directory, with a header of its own."""
    folder = tmp_path / "a suite"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("mine.h").write_text("struct mine { int number; };\n#ifndef MINE\n#define MINE 7\n#endif\n")
    Path("probe.bpf.c").write_text(PROGRAM)
    return Path("probe.bpf.c")


def test_a_text_is_compiled_once(clang: Compiler, source: Path) -> None:
    made = object_of(source)
    assert made.name == "probe.bpf.o"
    assert made.read_bytes()[:4] == b"\x7fELF"
    assert object_of(source) == made
    assert clang.calls == 1


def test_a_text_that_changed_is_compiled_again(clang: Compiler, source: Path) -> None:
    first = object_of(source)
    source.write_text(PROGRAM.replace("return !", "return 1 + !"))
    assert object_of(source).read_bytes() != first.read_bytes()
    assert clang.calls == 2


def test_a_text_is_compiled_again_when_a_header_changed(clang: Compiler, source: Path) -> None:
    first = object_of(source)
    Path("mine.h").write_text("struct mine { int number; };\n#define MINE 8\n")
    assert object_of(source).read_bytes() != first.read_bytes()
    assert clang.calls == 2


def test_a_text_is_compiled_again_for_other_macros(clang: Compiler, source: Path) -> None:
    plain = object_of(source)
    assert object_of(source, {"MINE": 9}) != plain
    assert object_of(source, {"MINE": 9, "QUIET": None}).is_file()
    assert object_of(source, {"MINE": 9}) == object_of(source, {"MINE": "9"})
    assert clang.calls == 3


def test_a_text_is_compiled_again_by_another_compiler(clang: Compiler, source: Path) -> None:
    made = object_of(source)
    clang.file.write_text(clang.file.read_text() + "# another version\n")
    assert object_of(source) == made, "and what comes out is the same"
    assert clang.calls == 2


def test_an_object_that_was_removed_from_the_cache_is_compiled_again(clang: Compiler, source: Path) -> None:
    made = object_of(source)
    made.unlink()
    made.parent.rmdir()
    assert object_of(source) == made
    assert clang.calls == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"object": 7, "files": {}}', '{"files": {}}'])
def test_a_note_in_the_cache_that_is_damaged_is_none(content: str, clang: Compiler, source: Path) -> None:
    made = object_of(source)
    [note] = (made.parents[1] / "programs").iterdir()
    note.write_text(content)
    assert object_of(source) == made
    assert clang.calls == 2


def test_a_header_that_changes_while_it_is_compiled_is_not_taken_for_what_was(clang: Compiler, source: Path) -> None:
    clang.afterwards("echo '#define MINE 8' > mine.h; echo 'struct mine { int n; };' >> mine.h")
    first = object_of(source).read_bytes()
    assert object_of(source).read_bytes() != first


@pytest.mark.usefixtures("clang")
def test_the_headers_are_the_packages_own_and_none_of_the_systems(source: Path) -> None:
    made = object_of(source)
    [note] = (made.parents[1] / "programs").iterdir()
    assert "/usr/include" not in note.read_text()
    assert "include/bpf/bpf_helpers.h" in note.read_text()


def test_headers_of_libbpf_that_lie_beside_a_text_go_before_the_packages(clang: Compiler, source: Path) -> None:
    before = object_of(source)
    newer = source.parent / "bpf/bpf_helpers.h"
    newer.parent.mkdir()
    newer.write_text("#include_next <bpf/bpf_helpers.h>\n#undef SEC\n#define SEC(name) section(name)\n")
    with pytest.raises(ProgramError, match="section"):
        object_of(source)
    newer.write_text("#include_next <bpf/bpf_helpers.h>\n")
    assert object_of(source) == before
    assert clang.calls == 3


def test_a_header_that_is_new_and_hides_another_is_seen(clang: Compiler, source: Path) -> None:
    object_of(source)
    (source.parent / "pytest_ebpf.bpf.h").write_text("#error hidden\n")
    with pytest.raises(ProgramError, match="hidden"):
        object_of(source)
    assert clang.calls == 2


def test_several_workers_compile_the_same_at_once(clang: Compiler, source: Path) -> None:
    script = "from pytest_ebpf.user_programs.compiling import object_of; print(object_of('probe.bpf.c'))"
    running = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [each.communicate() for each in running]
    made = {output.strip() for output, _ in said}
    assert len(made) == 1, said
    assert object_of(source) == Path(made.pop())
    assert not list((clang.log.parent / "cache/pytest-ebpf").rglob(".*")), "what they worked in is gone"


def test_a_compiled_object_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.bpf.o"
    path.touch()
    assert object_of(path) == path


def test_what_is_no_program_by_its_name_is_refused() -> None:
    with pytest.raises(UsageError) as refusal:
        object_of("probe.c")
    assert str(refusal.value) == (
        "probe.c is no BPF program by its name: a text ends in .bpf.c, and an object that was compiled in .bpf.o"
    )


@pytest.mark.parametrize("name", ["probe.bpf.c", "probe.bpf.o"])
def test_a_program_that_is_not_there_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refusal:
        object_of(name)
    assert str(refusal.value) == f"there is no BPF program {name}: {tmp_path}/{name} is no file"


def test_a_macro_has_a_name(clang: Compiler, source: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        object_of(source, {"A B": 1})
    assert str(refusal.value) == "defines: 'A B' is no name of a macro"
    assert clang.calls == 0


def test_a_text_that_does_not_compile_is_said_with_its_own_lines(clang: Compiler, source: Path) -> None:
    source.write_text(PROGRAM.replace("MINE }", "MINE, 8 }").replace("return", "return missing(1) +"))
    with pytest.raises(ProgramError) as refusal:
        object_of(source)
    lines = str(refusal.value).splitlines()
    assert lines[1].startswith("probe.bpf.c:11:9: error: "), lines
    assert "missing" in lines[1]
    assert "excess elements" not in str(refusal.value), "the warnings are left out"
    assert "excess elements" in refusal.value.log, "all of it is in the log"
    assert clang.calls == 1


@pytest.mark.usefixtures("clang")
def test_an_error_in_a_header_says_who_included_it(source: Path) -> None:
    Path("mine.h").write_text("struct mine { int number; };\n#define MINE 1\nint x = ;\n")
    with pytest.raises(ProgramError) as refusal:
        object_of(source)
    lines = str(refusal.value).splitlines()
    assert lines[1:3] == ["In file included from probe.bpf.c:4:", "./mine.h:3:9: error: expected expression"]


def test_what_the_compiler_says_is_the_message(clang: Compiler, source: Path) -> None:
    said = "probe.bpf.c:9:1: warning: not this\nprobe.bpf.c:11:9: error: no\n  11 | return\n1 error generated.\n"
    clang.file.write_text(f"#!/bin/sh\nprintf %s '{said}' >&2\nexit 1\n")
    with pytest.raises(ProgramError) as refusal:
        object_of(source)
    assert str(refusal.value) == (
        f"pytest-ebpf: probe.bpf.c does not compile\nprobe.bpf.c:11:9: error: no\n  11 | return\n  by      {clang.file}"
    )
    assert refusal.value.log == said


def test_a_failure_is_not_remembered(clang: Compiler, source: Path) -> None:
    source.write_text(PROGRAM.replace("MINE", "OTHER"))
    for _ in range(2):
        with pytest.raises(ProgramError, match="OTHER"):
            object_of(source)
    assert clang.calls == 2


def test_where_there_is_no_compiler_the_message_says_how_to_get_one(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(Unavailable) as refusal:
        object_of(source)
    assert str(refusal.value) == (
        "pytest-ebpf: there is no compiler for BPF programs: apt-get install clang, or dnf install clang,"
        " or pip install 'pytest-ebpf[compile]'"
    )


def test_a_clang_with_its_version_in_its_name_is_found_the_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("clang-14", "clang-19", "clang-9"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compilers.find_compiler().command == (str(tmp_path / "clang-19"), "-target", "bpf")


def test_ziglang_serves_where_there_is_no_clang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ziglang"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", str(package))
    with pytest.raises(Unavailable):
        compilers.find_compiler()
    (package / "zig").touch(mode=0o755)
    assert compilers.find_compiler().command == (f"{package}/zig", "cc", "-target", "bpfel-freestanding")


SAID = """\
a.c:1:2: warning: unused
  int x;
      ^
a.c:1:2: note: of the warning
In file included from a.c:3:
                 from b.h:1:
c.h:7:1: fatal error: 'd.h' file not found
#include "d.h"
         ^~~~~
a.c:3:4: note: of the error
In file included from a.c:9:
e.h:1:1: warning: another
error: no place
1 warning and 2 errors generated.
"""


def test_of_what_the_compiler_says_the_errors_are_kept() -> None:
    assert diagnostics.errors(SAID).splitlines() == [
        "In file included from a.c:3:",
        "                 from b.h:1:",
        "c.h:7:1: fatal error: 'd.h' file not found",
        '#include "d.h"',
        "         ^~~~~",
        "a.c:3:4: note: of the error",
        "error: no place",
    ]


def test_what_has_no_error_in_it_is_kept_whole_and_much_is_cut() -> None:
    assert diagnostics.errors("Killed\n") == "Killed"
    many = "".join(f"a.c:{line}:1: error: no\n" for line in range(100))
    assert diagnostics.errors(many).splitlines()[39:] == ["a.c:39:1: error: no", "… and 60 lines more"]
