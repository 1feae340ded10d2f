"""From what a user writes to the file that is meant: paths, programs, sonames as the loader resolves them, pids."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from compiled import compiled, run

from pytest_ebpf.binaries import Binary, NoSuchFile, NotABinary, locate
from pytest_ebpf.binaries.loader import cached_libraries, find_library, needed_by

LIBRARY = "int theirs(void) { return 1; }\n"
PROGRAM = "int theirs(void); int main(void) { return theirs(); }\n"
MACHINE = {"x86_64": "x86-64"}.get(platform.machine(), platform.machine())


def library(folder: Path, soname: str = "libtheirs.so.1") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return compiled(folder, LIBRARY, "-shared", "-fPIC", f"-Wl,-soname,{soname}", name=soname)


def test_a_path_counts_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = compiled(tmp_path, "int main(void) { return 0; }\n")
    assert locate("./exp", cwd=tmp_path) == path
    monkeypatch.chdir(tmp_path)
    assert locate("./exp") == path
    assert locate(Path("exp")) == path
    assert locate(path) == path
    assert locate(f"../{tmp_path.name}/./exp") == path


def test_a_path_that_leads_nowhere_says_from_where(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFile) as error:
        locate("./exp", cwd=tmp_path)
    assert str(error.value) == (
        f"./exp (from {tmp_path}): no such file: a program or a library was expected; build or install it first"
    )
    with pytest.raises(NotABinary) as folder:
        locate(tmp_path)
    assert str(folder.value) == f"{tmp_path}: it is a folder: a program or a library was expected"


def test_a_name_is_looked_up_in_path(tmp_path: Path) -> None:
    path = compiled(tmp_path, "int main(void) { return 0; }\n")
    (tmp_path / "exp.txt").touch()
    environ = {"PATH": f"/nowhere:{tmp_path}"}
    assert locate("exp", environ=environ) == path
    with pytest.raises(NoSuchFile) as error:
        locate("exp.txt", environ=environ, cwd="/")
    assert str(error.value) == (
        f"exp.txt: no such program in PATH (/nowhere:{tmp_path}); write the path of a file with a slash, such as"
        " ./exp.txt"
    )
    with pytest.raises(NoSuchFile) as error:
        locate("exp", environ={"PATH": "/nowhere"}, cwd=tmp_path)
    assert str(error.value) == "exp: no such program in PATH (/nowhere); there is ./exp: write that"


def test_a_soname_is_found_in_the_cache_as_ldconfig_prints_it() -> None:
    require_ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    ours = cached_libraries("/", MACHINE)
    kind = {"x86-64": "libc6,x86-64", "aarch64": "libc6,AArch64"}[MACHINE]
    expected: dict[str, list[str]] = {}
    for line in run(require_ldconfig, "-p").splitlines()[1:]:
        name, _, rest = line.strip().partition(" (")
        flags, _, path = rest.partition(") => ")
        if path and "hwcap" not in flags and (flags == kind or flags.startswith(f"{kind},")):
            expected.setdefault(name, []).append(path)
    assert len(expected) > 10
    assert {name: paths for name, paths in ours.items() if not any("hwcaps" in each for each in paths)} == expected


@pytest.mark.parametrize("name", ["libc.so.6", "libc"])
def test_the_c_library_is_the_one_that_programs_get(name: str) -> None:
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/libc." in line}
    assert {os.path.realpath(locate(name, environ={}))} == mapped


def test_a_library_that_is_nowhere_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFile) as error:
        locate("libtheirs.so.1", environ={"PATH": "/nowhere"}, cwd=tmp_path)
    assert str(error.value).startswith(
        "libtheirs.so.1: no such library where the loader looks, nor program in PATH (/nowhere)"
    )


def as_the_loader_does(program: Path, environ: dict[str, str]) -> str:
    """Return the library that the loader takes, as ldd(1) prints it: `program` is executed, as it is ours."""
    command = ["/lib64/ld-linux-x86-64.so.2", "--list", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    for line in done.stdout.splitlines():
        if "libtheirs" in line and "=>" in line:
            return line.split("=>")[1].split(" (")[0].strip()
    return "not found"


@pytest.mark.skipif(MACHINE != "x86-64", reason="the loader's name is x86-64's")
@pytest.mark.parametrize("tags", ["--disable-new-dtags", "--enable-new-dtags"])
@pytest.mark.parametrize(
    "run_path", ["$ORIGIN/own", "${ORIGIN}/own:/nowhere", "{0}/own", "/nowhere", "", "{0}/foreign"]
)
@pytest.mark.parametrize("environment", ["", "{0}/env", "/nowhere;{0}/env:", "{0}/foreign"])
def test_a_library_is_the_one_that_the_loader_takes(tmp_path: Path, tags: str, run_path: str, environment: str) -> None:
    own = library(tmp_path / "own")
    library(tmp_path / "env")
    foreign = tmp_path / "foreign" / own.name
    foreign.parent.mkdir()
    data = bytearray(own.read_bytes())
    data[18] = 183  # for arm64
    foreign.write_bytes(data)
    flags = [f"-Wl,-rpath,{run_path.replace('{0}', str(tmp_path))}"] if run_path else []
    program = compiled(tmp_path, PROGRAM, own, f"-Wl,{tags}", *flags)
    environ = {"LD_LIBRARY_PATH": environment.replace("{0}", str(tmp_path))} if environment else {}
    binary = Binary.open(program)
    assert needed_by(binary.elf)[0] == "libtheirs.so.1"
    found = find_library("libtheirs.so.1", machine=MACHINE, environ=environ, program=binary.elf)
    assert (found or "not found") == as_the_loader_does(program, environ)


def test_what_is_under_another_root_is_resolved_there(tmp_path: Path) -> None:
    found = library(tmp_path / "usr/lib/x86_64-linux-gnu")
    (tmp_path / "lib").symlink_to("/usr/lib")
    (tmp_path / "usr/lib/short.so").symlink_to("/lib/x86_64-linux-gnu/../x86_64-linux-gnu/libtheirs.so.1")
    assert Binary.open("/lib/short.so", str(tmp_path)).path == str(found)
    assert Binary.open("/../../lib/short.so", str(tmp_path)).path == str(found)
    (tmp_path / "loop").symlink_to("/loop")
    with pytest.raises(NoSuchFile) as error:
        Binary.open("/loop", str(tmp_path))
    assert str(error.value) == ("/loop: it cannot be read (Too many levels of symbolic links): a probe needs a file")


class Running:
    """A program that waits to be told to end."""

    def __init__(self, *command: object) -> None:
        self.process = subprocess.Popen([str(each) for each in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.read(1)
        self.pid = self.process.pid

    def __enter__(self) -> int:
        return self.pid

    def __exit__(self, *_: object) -> None:
        self.process.communicate()


WAITER = r"""
#include <unistd.h>
int theirs(void);
int main(void) { char c = theirs(); return write(1, &c, 1) + read(0, &c, 1) - 1; }
"""


def test_what_a_process_runs_and_mapped_is_found(tmp_path: Path) -> None:
    theirs = library(tmp_path)
    program = compiled(tmp_path, WAITER, theirs, f"-Wl,-rpath,{tmp_path}", name="waiter")
    with Running(program) as pid:
        assert locate(pid) == program
        assert Binary.of_process(pid).functions("main")[0].offset
        for name in ("libtheirs.so.1", "libtheirs", str(theirs)):
            assert locate(name, pid=pid) == theirs
            assert Binary.of_process(pid, name).functions("theirs")
        with pytest.raises(NoSuchFile) as error:
            Binary.of_process(pid, "libtheir.so.1")
        assert str(error.value) == (
            f"process {pid}: it has mapped no library 'libtheir.so.1'; it has libtheirs.so.1, libc.so.6"
        )


def test_a_library_that_was_replaced_is_the_one_that_is_mapped(tmp_path: Path) -> None:
    theirs = library(tmp_path)
    program = compiled(tmp_path, WAITER, theirs, f"-Wl,-rpath,{tmp_path}", name="waiter")
    before = Binary.open(theirs)
    with Running(program) as pid:
        theirs.unlink()
        compiled(tmp_path, LIBRARY.replace("theirs", "others"), "-shared", "-fPIC", name=theirs.name)
        if os.geteuid() == 0:
            found = Binary.of_process(pid, "libtheirs")
            assert found.identity == before.identity
            assert found.functions("theirs")
        else:
            with pytest.raises(NoSuchFile) as error:
                Binary.of_process(pid, "libtheirs")
            assert str(error.value) == (
                f"{theirs} (deleted) of process {pid}: the file was replaced since, and only root may open the"
                " one that is mapped: start it again"
            )
        program.unlink()
        assert Binary.of_process(pid).functions("main")


def test_a_library_that_names_itself_otherwise_is_found(tmp_path: Path) -> None:
    theirs = library(tmp_path)
    program = compiled(tmp_path, WAITER, theirs, f"-Wl,-rpath,{tmp_path}", name="waiter")
    theirs.rename(tmp_path / "real.so")
    theirs.symlink_to("real.so")
    with Running(program) as pid:
        assert locate("libtheirs.so.1", pid=pid) == tmp_path / "real.so"


def test_a_process_that_is_gone_is_told_so() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    text = f"process {process.pid}: there is none: it has ended, or the number is of another pid namespace"
    with pytest.raises(NoSuchFile) as error:
        locate(process.pid)
    assert str(error.value) == text
    with pytest.raises(NoSuchFile) as error:
        locate("libc", pid=process.pid)
    assert str(error.value) == text


def test_a_static_program_has_no_library(tmp_path: Path) -> None:
    program = compiled(tmp_path, WAITER + "int theirs(void) { return 1; }\n", "-static", name="waiter")
    with Running(program) as pid, pytest.raises(NoSuchFile) as error:
        Binary.of_process(pid, "libc.so.6")
    assert str(error.value) == (
        f"process {pid}: it has mapped no library 'libc.so.6'; it has no library: it is linked statically"
    )


def test_a_library_in_another_mount_namespace_is_the_one_seen_there(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=False).returncode:
        pytest.skip("user namespaces are not allowed here")
    theirs = library(tmp_path / "shown")
    other = tmp_path / "hidden"
    other.mkdir()
    hidden = compiled(
        other, LIBRARY + "int hidden(void) { return 2; }\n", "-shared", "-fPIC", "-Wl,-soname,libtheirs.so.1",
        name="libtheirs.so.1",
    )  # fmt: skip
    program = compiled(tmp_path, WAITER, theirs, f"-Wl,-rpath,{theirs.parent}", name="waiter")
    script = f"mount --bind {other} {theirs.parent} && exec {program}"
    with Running("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script) as pid:
        binary = Binary.of_process(pid, "libtheirs")
        assert binary.functions("hidden")
        assert binary.path == f"/proc/{pid}/root{theirs}"
        assert binary.identity == Binary.open(hidden).identity
        assert locate(str(theirs), pid=pid) == Path(binary.path)
        assert locate("libm.so.6", pid=pid).is_relative_to(f"/proc/{pid}/root")


def test_python_finds_what_it_runs_itself() -> None:
    assert locate(os.getpid()) == Path(sys.executable).resolve()
