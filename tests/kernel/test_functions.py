"""Function calls of real programs, asked for and asserted."""

from __future__ import annotations

import collections
import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cffi
import pytest
from once import made_once
from tiers import require_command, require_root, unable

from pytest_ebpf import Pointer, Trace, TraceIncomplete, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).parents[1] / "programs" / "exp.c"
PYTHON = "/usr/bin/python3"
LOADER = "import ctypes, sys; lib = ctypes.CDLL(sys.argv[1]); [lib.recurse(int(n)) for n in sys.argv[2:]]"


class Exp(ctypes.Structure):
    _fields_ = (("num", ctypes.c_int), ("name", ctypes.c_char * 35))


def _compile(folder: Path) -> None:
    command = ["gcc", "-O1", "-g", "-pthread", str(SOURCE), "-o"]
    subprocess.run([*command, str(folder / "exp")], check=True)
    subprocess.run([*command, str(folder / "libexp.so"), "-shared", "-fPIC"], check=True)
    subprocess.run(["strip", "-o", str(folder / "stripped"), str(folder / "exp")], check=True)
    shutil.copy(folder / "libexp.so", folder / "libother.so")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `exp`, its library and a stripped copy."""
    require_command("gcc")
    return made_once(tmp_path_factory, "functions", _compile)


@pytest.fixture
def exp(folder: Path) -> Callable[..., str]:
    """Run `exp`; return what it printed."""

    def run(*words: str, program: str = "exp") -> str:
        return subprocess.run([folder / program, *words], check=True, capture_output=True, text=True).stdout

    return run


def test_a_structure_described_in_python(ebpf_trace: Trace, folder: Path, exp: Callable[..., str]) -> None:
    calls = ebpf_trace.uprobe(folder / "exp", "accept_exp", Pointer(Exp))
    exp()
    assert [(call.t.num, call.t.name) for call in calls] == [(number, b"keqing") for number in (1, 2, 3)]
    assert ebpf_trace.assert_called("accept_exp", num=2, name="keqing").process.argv[0] == str(folder / "exp")
    ebpf_trace.assert_called("accept_exp", count=3, process="exp")
    ebpf_trace.assert_not_called("accept_exp", num=4)
    with pytest.raises(
        AssertionError, match=r"^expected no function call made: accept_exp, t__num=3   \(1 of 3 matched\)"
    ):
        ebpf_trace.assert_not_called("accept_exp", t__num=3)


def test_offsets_without_a_header(ebpf_trace: Trace, folder: Path, exp: Callable[..., str]) -> None:
    calls = ebpf_trace.uprobe(f"{folder}/exp:accept_exp", num="s32@arg0", name="str@arg0+4", returns="s32")
    printed = exp("5")
    assert [f"{c.num} {c.name.decode()} {c.result}" for c in calls] == printed.splitlines()


def test_the_names_in_its_debug_information(ebpf_trace: Trace, folder: Path, exp: Callable[..., str]) -> None:
    calls = ebpf_trace.uprobe(folder / "exp", "accept_exp", returns=True)
    printed = exp("4")
    assert [f"{c.t.num} {c.t.name.decode()} {c.result}" for c in calls] == printed.splitlines()
    ebpf_trace.assert_called("accept_exp", t={"num": 4}, result=40, duration=lambda seconds: 0 < seconds < 1)


def test_what_bpftrace_prints_is_what_is_told(ebpf_trace: Trace, folder: Path, tmp_path: Path) -> None:
    require_root()
    require_command("bpftrace")
    calls = ebpf_trace.uprobe(folder / "exp", "accept_exp")
    program = f'uprobe:{folder}/exp:accept_exp {{ $m = (uint8*)arg0; printf("%s\\n", str($m+4)); }}'
    command: list[str | Path] = ["bpftrace", "-o", tmp_path / "out", "-e", program, "-c", str(folder / "exp")]
    subprocess.run(command, check=True, capture_output=True)
    lines = [line for line in (tmp_path / "out").read_text().splitlines() if line and not line.startswith("Attach")]
    assert [call.t.name.decode() for call in calls] == lines == ["keqing"] * 3


def test_a_program_without_symbols_by_an_address(ebpf_trace: Trace, folder: Path, exp: Callable[..., str]) -> None:
    found = subprocess.run(["nm", folder / "exp"], check=True, capture_output=True, text=True).stdout
    address = next(line.split()[0] for line in found.splitlines() if line.endswith(" accept_exp"))
    with pytest.raises(UsageError, match="accept_exp"):
        ebpf_trace.uprobe(folder / "stripped", "accept_exp")
    calls = ebpf_trace.uprobe(folder / "stripped", f"0x{address}", num="s32@arg0")
    exp(program="stripped")
    assert [call.num for call in calls] == [1, 2, 3]


def test_returns_belong_to_their_entries_however_deep(ebpf_trace: Trace, folder: Path, exp: Callable[..., str]) -> None:
    calls = ebpf_trace.uprobe(folder / "exp", "recurse", returns=True)
    exp("0", "recurse", "20")
    assert [(call.depth, call.result) for call in calls] == [(n, n * (n + 1) // 2) for n in range(20, -1, -1)]
    durations = [call.duration or 0 for call in calls]
    assert durations == sorted(durations, reverse=True)


def test_deeper_returns_than_the_kernel_follows_are_not_made_up(
    ebpf_trace: Trace, folder: Path, exp: Callable[..., str]
) -> None:
    calls = ebpf_trace.uprobe(folder / "exp", "recurse", returns=True)
    exp("0", "recurse", "100")
    assert len(calls) == 101
    known = [call for call in calls if call.returned]
    assert {call.result for call in known} == {call.depth * (call.depth + 1) // 2 for call in known}
    assert 0 < len(known) < 101
    with pytest.raises(TraceIncomplete, match="the outermost 64 calls"):
        ebpf_trace.assert_not_called("recurse", result=-1)


def test_eight_threads(ebpf_trace: Trace, folder: Path, exp: Callable[..., str]) -> None:
    calls = ebpf_trace.uprobe(folder / "exp", "accept_exp", returns=True)
    exp("0", "threads", "8")
    counts = collections.Counter((call.tid, call.t.num, call.result) for call in calls)
    assert sorted(counts.values()) == [100] * 8
    assert len({tid for tid, _, _ in counts}) == 8
    assert all(result == 10 * number for _, number, result in counts)


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `exp` as an extension of Python that cffi makes (its API mode)."""
    require_command("gcc")
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").exists():
        unable(f"needs the headers of this Python: there is no {include}/Python.h")

    def make(folder: Path) -> None:
        ffi = cffi.FFI()
        ffi.cdef("struct exp { int num; char name[35]; }; int accept_exp(struct exp *t);")
        ffi.set_source("_exp", f'#include "{SOURCE}"')
        ffi.emit_c_code(str(folder / "_exp.c"))
        command = ["gcc", "-O1", "-g", "-shared", "-fPIC", "-pthread", f"-I{include}", str(folder / "_exp.c"), "-o"]
        subprocess.run([*command, str(folder / "_exp.so")], check=True)

    return made_once(tmp_path_factory, "extension", make)


def through_ctypes(library: Path) -> Callable[[int, bytes], int]:
    loaded = ctypes.CDLL(str(library))
    return lambda num, name: int(loaded.accept_exp(ctypes.byref(Exp(num, name))))


def through_cffi(library: Path) -> Callable[[int, bytes], int]:
    spec = importlib.util.spec_from_file_location("_exp", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda num, name: int(module.lib.accept_exp(module.ffi.new("struct exp *", (num, name))))


@pytest.mark.parametrize("typed", [{"returns": True}, {"t": Pointer(Exp), "returns": "s32"}], ids=["debug", "stripped"])
@pytest.mark.parametrize("way", [through_ctypes, through_cffi])
def test_a_library_that_is_loaded_into_the_test_itself(
    ebpf_trace: Trace,
    folder: Path,
    extension: Path,
    tmp_path: Path,
    way: Callable[[Path], Callable[[int, bytes], int]],
    typed: dict[str, Any],
) -> None:
    library = folder / "libexp.so" if way is through_ctypes else extension / "_exp.so"
    if "t" in typed:
        subprocess.run(["strip", "-o", tmp_path / library.name, library], check=True)
        library = tmp_path / library.name
    accept_exp = way(library)
    calls = ebpf_trace.uprobe(library, "accept_exp", **typed)
    ebpf_trace.assert_not_called(calls)
    assert [accept_exp(7, b"seven"), accept_exp(-8, b"")] == [70, -80]
    ebpf_trace.assert_called(calls, count=2, process=os.getpid())
    told = [(call.t.num, call.t.name, call.result, call.process.pid) for call in calls]
    assert told == [(7, b"seven", 70, os.getpid()), (-8, b"", -80, os.getpid())]
    ebpf_trace.assert_called("accept_exp", t={"num": 7, "name": "seven"}, result=70, count=1)
    ebpf_trace.assert_not_called("accept_exp", result=7)


def test_a_library_that_another_process_opens(ebpf_trace: Trace, folder: Path) -> None:
    ebpf_trace.uprobe(folder / "libexp.so", "recurse")
    subprocess.run([sys.executable, "-c", LOADER, folder / "libexp.so", "2"], check=True)
    ebpf_trace.assert_called("recurse", count=3)
    ebpf_trace.assert_called("recurse", depth=2, count=1)


def test_a_library_that_was_mapped_and_not_called(ebpf_trace: Trace, folder: Path) -> None:
    ebpf_trace.uprobe(folder / "libother.so", "recurse")
    subprocess.run([sys.executable, "-c", LOADER, folder / "libother.so"], check=True)
    ebpf_trace.assert_not_called("recurse")


@pytest.mark.ebpf(syscalls="none")
def test_what_was_mapped_by_who_has_ended_is_not_known_without_system_calls(ebpf_trace: Trace, folder: Path) -> None:
    ebpf_trace.uprobe(folder / "libother.so", "recurse")
    subprocess.run([sys.executable, "-c", LOADER, folder / "libother.so"], check=True)
    with pytest.raises(TraceIncomplete, match="mmap is not recorded"):
        ebpf_trace.assert_not_called("recurse")


def test_a_copy_of_the_library_is_named(ebpf_trace: Trace, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "libother.so", tmp_path / "libother.so")
    ebpf_trace.uprobe(folder / "libother.so", "recurse")
    subprocess.run([sys.executable, "-c", LOADER, tmp_path / "libother.so", "1"], check=True)
    with pytest.raises(TraceIncomplete, match=f"another file of that name was: {tmp_path}/libother.so"):
        ebpf_trace.assert_not_called("recurse")


def test_a_program_that_is_built_anew_is_another_one(ebpf_trace: Trace, folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "exp"
    shutil.copy(folder / "exp", program)
    ebpf_trace.uprobe(program, "accept_exp")
    subprocess.run([program], check=True, stdout=subprocess.DEVNULL)
    ebpf_trace.assert_called("accept_exp", count=3)
    program.unlink()
    shutil.copy(folder / "exp", program)
    subprocess.run([program], check=True, stdout=subprocess.DEVNULL)
    with pytest.raises(TraceIncomplete, match="is no longer the file that the probe is on"):
        ebpf_trace.assert_called("accept_exp", count=3)
    again = ebpf_trace.uprobe(program, "accept_exp")
    subprocess.run([program, "2"], check=True, stdout=subprocess.DEVNULL)
    assert len(again.seen()) == 2


def test_the_kernel_compares(ebpf_trace: Trace, folder: Path, exp: Callable[..., str]) -> None:
    calls = ebpf_trace.uprobe(folder / "exp", "accept_exp", where="t.num > 2 and t.num != 4")
    exp("6")
    assert [call.t.num for call in calls] == [3, 5, 6]


def test_one_call_in_so_many(ebpf_trace: Trace, folder: Path, exp: Callable[..., str]) -> None:
    calls = ebpf_trace.uprobe(folder / "exp", "accept_exp", every=4)
    exp("12")
    assert len(calls.seen()) == 3
    with pytest.raises(TraceIncomplete, match="9 calls of accept_exp were left out by every=4"):
        len(calls)


def test_so_many_calls_at_most(ebpf_trace: Trace, folder: Path, exp: Callable[..., str]) -> None:
    calls = ebpf_trace.uprobe(folder / "exp", "accept_exp", limit=5)
    exp("3")
    ebpf_trace.assert_called(calls, count=3)
    exp("3")
    with pytest.raises(TraceIncomplete, match="1 call of accept_exp were left out by limit=5"):
        ebpf_trace.assert_called(calls, count=5)


def test_several_functions_by_a_pattern(ebpf_trace: Trace, folder: Path, exp: Callable[..., str]) -> None:
    calls = ebpf_trace.uprobe(folder / "exp", "*ec*")
    assert set(calls.functions) >= {"recurse"}
    exp("1", "recurse", "1")
    assert [call.function for call in calls if call.function == "recurse"] == ["recurse"] * 2


def test_from_where_it_was_called(ebpf_trace: Trace, tmp_path: Path) -> None:
    require_command("gcc")
    command = ["gcc", "-O1", "-g", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-pthread"]
    subprocess.run([*command, "-o", tmp_path / "exp", SOURCE], check=True)
    calls = ebpf_trace.uprobe(tmp_path / "exp", "recurse", stack=True)
    subprocess.run([tmp_path / "exp", "0", "recurse", "2"], check=True, stdout=subprocess.DEVNULL)
    names = [(frame.function or "").partition("+")[0] for frame in calls[2].stack]
    assert names[:4] == ["recurse", "recurse", "recurse", "main"]
    assert {frame.path for frame in calls[2].stack[:4]} == {str(tmp_path / "exp")}
    # Who called main is in the C library, which was mapped by a call.
    assert "libc" in (calls[2].stack[4].path or "")
    assert list(calls[2].args) == ["depth"]


def test_a_call_is_waited_for(ebpf_trace: Trace, folder: Path) -> None:
    calls = ebpf_trace.uprobe(folder / "exp", "recurse", returns=True)
    program = subprocess.Popen(["sh", "-c", f"sleep 0.2; {folder}/exp 0 recurse 1"], stdout=subprocess.DEVNULL)
    try:
        assert ebpf_trace.wait_for(calls, returned=True, depth=1).result == 1
    finally:
        program.wait()


def test_a_process_that_runs_already(ebpf_trace: Trace, folder: Path) -> None:
    # It waits for its input in the shell, and executes nothing else meanwhile.
    program = subprocess.Popen(
        [sys.executable, "-c", f"import ctypes; lib = ctypes.CDLL('{folder}/libexp.so'); input(); lib.recurse(3)"],
        stdin=subprocess.PIPE,
        text=True,
    )
    try:
        while str(folder / "libexp.so") not in Path(f"/proc/{program.pid}/maps").read_text():
            pass
        calls = ebpf_trace.probe(f"uprobe:{folder}/libexp.so:recurse")
        ebpf_trace.assert_not_called(calls)
        program.communicate("\n")
    finally:
        program.wait()
    assert len(calls) == 4


def test_a_library_as_a_process_in_a_sandbox_has_it(ebpf_trace: Trace, folder: Path, tmp_path: Path) -> None:
    require_root()
    require_command("unshare")
    shutil.copy(folder / "libexp.so", tmp_path / "libexp.so")
    shutil.copy(folder / "libexp.so", tmp_path / "inside.so")
    code = (
        f"import ctypes; lib = ctypes.CDLL('{tmp_path}/libexp.so'); print('ready', flush=True); input(); lib.recurse(3)"
    )
    script = f'mount --bind {tmp_path}/inside.so {tmp_path}/libexp.so; exec {sys.executable} -c "{code}"'
    command = ["unshare", "--mount", "sh", "-c", script]
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        outside = ebpf_trace.uprobe(tmp_path / "libexp.so", "recurse")
        inside = ebpf_trace.uprobe((program, "libexp.so"), "recurse")
        program.communicate("\n")
    finally:
        program.wait()
    assert [call.depth for call in inside] == [3, 2, 1, 0]
    with pytest.raises(TraceIncomplete, match="another file of that name was"):
        ebpf_trace.assert_not_called(outside)


def test_the_program_of_a_process(ebpf_trace: Trace, folder: Path) -> None:
    program = subprocess.Popen([folder / "exp", "2", "wait"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    calls = ebpf_trace.uprobe(program, "accept_exp")
    program.communicate(b"x")
    assert [call.t.num for call in calls] == [1, 2]
    with pytest.raises(UsageError, match=str(program.pid)):
        ebpf_trace.uprobe(program.pid, "accept_exp")


def test_what_sqlite_is_asked(ebpf_trace: Trace) -> None:
    ebpf_trace.uprobe("libsqlite3.so.0", "sqlite3_prepare_v2", db="ptr", sql="str")
    code = "import sqlite3; sqlite3.connect(':memory:').execute('select 6 * 7')"
    subprocess.run([PYTHON, "-c", code], check=True)
    ebpf_trace.assert_called("sqlite3_prepare_v2", sql="select 6 * 7", count=1)
    ebpf_trace.assert_not_called("sqlite3_prepare_v2", sql="select 6 * 8")


def test_an_empty_string_is_empty(ebpf_trace: Trace) -> None:
    ebpf_trace.uprobe("libc.so.6", "getenv", name="str", returns="str")
    ctypes.CDLL(None).getenv(b"")
    ebpf_trace.assert_called("getenv", name="", process=os.getpid(), count=1)


def test_large_allocations_alone(ebpf_trace: Trace) -> None:
    calls = ebpf_trace.uprobe("libc.so.6", "malloc", size=ctypes.c_size_t, where="size == 12_345_678", returns="ptr")
    code = "import ctypes; libc = ctypes.CDLL(None); libc.malloc.restype = ctypes.c_void_p; libc.malloc(12_345_678)"
    subprocess.run([PYTHON, "-c", code], check=True)
    assert [call.size for call in calls] == [12_345_678]
    assert calls[0].result


def test_functions_of_python_by_their_names(ebpf_trace: Trace, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("def outer(): inner()\ndef inner(): pass\nouter()\n")
    calls = ebpf_trace.usdt(PYTHON, "python", "function__return", file="str", name="str", line="s32")
    subprocess.run([PYTHON, script], check=True)
    named = [call.args["name"] for call in calls.where(file=str(script))]
    assert named == [b"inner", b"outer", b"<module>"]
    ebpf_trace.assert_called("function__return", file=str(script), name="inner", line=2, count=1)
    ebpf_trace.assert_not_called("function__return", name="nobody")


def test_the_collector_of_python(ebpf_trace: Trace) -> None:
    calls = ebpf_trace.probe(f"usdt:{PYTHON}:python:gc__start generation=s32")
    subprocess.run([PYTHON, "-c", "import gc; gc.collect(1)"], check=True)
    ebpf_trace.assert_called(calls, generation=1)


def test_a_return_in_a_go_program_is_refused(ebpf_trace: Trace, folder: Path, tmp_path: Path) -> None:
    require_command("objcopy")
    program = tmp_path / "go"
    mark: list[str | Path] = ["objcopy", "--add-section", f".go.buildinfo={SOURCE}", folder / "exp", program]
    subprocess.run(mark, check=True)
    with pytest.raises(UsageError) as caught:
        ebpf_trace.uprobe(program, "accept_exp", returns=True)
    assert str(caught.value) == (
        f"{program}: the return of a function of a Go program cannot be probed: its stacks move, and with them what the"
        " probe puts there, which crashes the program; ask for the entry alone, without returns="
    )
    ebpf_trace.uprobe(program, "accept_exp", num="s32@arg0")
