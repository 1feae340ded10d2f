"""Probes on software that was not written for them, beside what others tell of the same."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import socket
import sqlite3
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from once import made_once
from tiers import require_command, require_root

from pytest_ebpf import Pointer, TraceIncomplete, call

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf import Trace

TRUTH = Path(__file__).parents[1] / "truth"
LIBC = "libc.so.6"
PYTHON3 = "/usr/bin/python3"
PYTHON = """\
import os, threading
def name():
    return "/srv"
def listing(path):
    # from C
    return os.listdir(path)
class A:
    def go(self):
        listing(name())
        for x in numbers():
            pass
def numbers():
    name()
    os.listdir("/opt")
    yield 1
    yield 2
def failing():
    raise KeyError
A().go()
try:
    failing()
except KeyError:
    os.listdir("/mnt")
[os.listdir("/media") for _ in range(1)]
thread = threading.Thread(target=listing, args=["/home"])
thread.start()
thread.join()
"""


class Exp(ctypes.Structure):
    _fields_ = (("num", ctypes.c_int), ("name", ctypes.c_char * 35))


@pytest.fixture(scope="session")
def exp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the program."""
    require_command("gcc")

    def build(folder: Path) -> None:
        subprocess.run(["gcc", "-g", "-O1", "-o", str(folder / "exp"), str(TRUTH / "exp.c")], check=True)

    return made_once(tmp_path_factory, "exp", build) / "exp"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate of our own."""
    require_command("openssl")

    def make(folder: Path) -> None:
        asked = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"]
        made = ["-keyout", str(folder / "both.pem"), "-out", str(folder / "certificate.pem")]
        subprocess.run(["openssl", "req", *asked, *made], check=True, capture_output=True)
        with (folder / "both.pem").open("a", encoding="utf-8") as both:
            both.write((folder / "certificate.pem").read_text(encoding="utf-8"))

    return made_once(tmp_path_factory, "certificate", make) / "both.pem"


def test_a_structure_by_all_ways_of_typing_is_what_bpftrace_prints(ebpf_trace: Trace, exp: Path) -> None:
    require_root()
    require_command("bpftrace")
    by_ctypes = ebpf_trace.uprobe(exp, "accept_exp", Pointer(Exp))
    by_text = ebpf_trace.uprobe(f"{exp}:accept_exp", num="s32@arg0", name="str@arg0+4")
    by_dwarf = ebpf_trace.uprobe(exp, "accept_exp")
    script = f'uprobe:{exp}:accept_exp {{ printf("told %d %s\\n", *(int32*)arg0, str(((uint8*)arg0)+4)); }}'
    command = ["unshare", "--mount", "sh", "-c", 'mount -t tracefs tracefs /sys/kernel/tracing; exec "$@"', "sh"]
    told = subprocess.run(
        [*command, "bpftrace", "-e", script, "-c", str(exp)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    theirs = [(int(num), os.fsencode(name)) for num, name in re.findall(r"^told (\d+) (.*)$", told, re.MULTILINE)]
    assert theirs == [(1, b"keqing"), (2, b"keqing"), (3, b"keqing")]
    assert [(call.args[0].num, call.args[0].name) for call in by_ctypes] == theirs
    assert [(call.args.num, call.args.name) for call in by_text] == theirs
    assert [(call.t.num, call.t.name) for call in by_dwarf] == theirs
    ebpf_trace.assert_called("accept_exp", num=2, name="keqing")
    ebpf_trace.assert_not_called("accept_exp", num=4)


def test_the_names_that_libc_looks_up(ebpf_trace: Trace) -> None:
    ebpf_trace.uprobe(LIBC, "getaddrinfo", node="str@arg0", service="str@arg1")
    socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    call = ebpf_trace.assert_called("getaddrinfo", node="localhost", service="80")
    assert call.process == ebpf_trace.root
    ebpf_trace.assert_not_called("getaddrinfo", node="example.org")


def test_large_allocations_alone(ebpf_trace: Trace) -> None:
    large = ebpf_trace.uprobe(LIBC, "malloc", size="u64(arg0)", where="size > 50_000_000")
    ctypes.CDLL(None).malloc.restype = ctypes.c_void_p
    libc = ctypes.CDLL(None, use_errno=True)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        [ctypes.c_size_t],
        [ctypes.c_void_p],
    )
    for size in (100, 50_000_000, 50_000_001, 70_000_000):
        libc.free(libc.malloc(size))
    assert [call.size for call in large] == [50_000_001, 70_000_000]


def test_what_goes_into_tls(ebpf_trace: Trace, certificate: Path) -> None:
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate)
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up)
    server = server_context.wrap_bio(up, down, server_side=True)
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    library = next(line.split()[-1] for line in maps.splitlines() if "libssl" in line)

    def shake(one: Callable[[], object], other: Callable[[], object]) -> None:
        for step in (one, other, one, other):
            with contextlib.suppress(ssl.SSLWantReadError):
                step()

    shake(client.do_handshake, server.do_handshake)
    written = ebpf_trace.uprobe(library, "SSL_write_ex", text="buf@arg1:arg2", size="u64(arg2)")
    client.write(b"a secret \x00 with a zero")
    assert [call.text for call in written] == [b"a secret \x00 with a zero"]
    assert server.read() == b"a secret \x00 with a zero"
    assert b"secret" not in up.read()


def test_the_statements_that_sqlite_prepares(ebpf_trace: Trace) -> None:
    ebpf_trace.uprobe("libsqlite3.so.0", "sqlite3_prepare_v2", sql="str@arg1", returns="s32")
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (a)")
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("select b from t")
    connection.close()
    assert ebpf_trace.assert_called("sqlite3_prepare_v2", sql="create table t (a)").result == 0
    assert ebpf_trace.assert_called("sqlite3_prepare_v2", sql="select b from t").result == 1  # SQLITE_ERROR


PYTHON_PROGRAM = "def greet(name):\n    return name\n\ndef main():\n    greet('you'); greet('me')\n\nmain()\n"


def test_the_functions_of_python_by_name(ebpf_trace: Trace, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PYTHON_PROGRAM, encoding="utf-8")
    # Not function__entry: CPython 3.11 fires that for generators alone.
    probe = ebpf_trace.usdt("/usr/bin/python3", "python", "function__return", file="str", name="str", line="s32")
    subprocess.run(["/usr/bin/python3", "-I", tmp_path / "program.py"], check=True)
    file = os.fsencode(tmp_path / "program.py")
    assert [call.args.name for call in probe if call.args.file == file] == [b"greet", b"greet", b"main", b"<module>"]
    ebpf_trace.assert_called(probe, name="greet", count=2)


def test_a_collection_of_pythons_garbage(ebpf_trace: Trace) -> None:
    probe = ebpf_trace.usdt("usdt:/usr/bin/python3:python:gc__start", generation="s32")
    subprocess.run(["/usr/bin/python3", "-I", "-c", "import gc; gc.disable(); gc.collect(1)"], check=True)
    assert 1 in [call.generation for call in probe]


def test_a_return_probe_leaves_no_system_call_behind(ebpf_trace: Trace, exp: Path) -> None:
    probe = ebpf_trace.uprobe(exp, "accept_exp", returns=True)
    subprocess.run([exp], check=True)
    assert [call.returned for call in probe] == [True] * 3
    # The kernel made the program call uretprobe(2), at which it knows that the function returns.
    assert {"uretprobe", "uprobe"}.isdisjoint(call.name for call in ebpf_trace.syscalls)


def test_a_function_is_followed_by_the_system_calls_that_it_makes(ebpf_trace: Trace, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    opens = ebpf_trace.uprobe(LIBC, "open", path="str")
    subprocess.run(["/bin/cat", file], check=True, stdout=subprocess.DEVNULL)
    opened = call("openat", path=str(file))
    steps = [opens.where(path=str(file)), opened, "read", "close"]
    function, system_call, *_ = ebpf_trace.assert_sequence(steps, by="thread", process="cat")
    assert function.time_ns < system_call.time_ns
    ebpf_trace.assert_sequence(steps[:2], by="thread", strict=True)
    with pytest.raises(AssertionError, match=r"missing +call of open where path=.* after call\(openat"):
        ebpf_trace.assert_sequence([opened, steps[0]], process="cat")


def test_the_python_functions_in_which_the_c_library_was_called(ebpf_trace: Trace, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PYTHON)
    ebpf_trace.python_frames(PYTHON3)
    opens = ebpf_trace.uprobe(LIBC, "opendir", path="str")
    subprocess.run([PYTHON3, "-S", "-E", script], check=True)
    own = [call for call in opens if call.python_stack and call.python_stack[0].file == str(script)]
    shown = {call.path: [f"{frame.function}:{frame.line}" for frame in call.python_stack] for call in own}
    assert shown.pop(b"/home")[0] == "listing:6"  # below it Python's own, of a thread
    assert shown == {
        b"/srv": ["listing:6", "go:9", "<module>:19"],
        b"/opt": ["numbers:14", "go:10", "<module>:19"],
        b"/mnt": ["<module>:23"],
        b"/media": ["<listcomp>:24", "<module>:24"],
    }
    assert str(own[0].python_stack[0]) == f"listing ({script}:6)"


def test_python_frames_that_were_not_asked_for_are_not_known(ebpf_trace: Trace) -> None:
    opens = ebpf_trace.uprobe(LIBC, "opendir", path="str")
    subprocess.run([PYTHON3, "-S", "-E", "-c", "import os; os.listdir('/srv')"], check=True)
    assert opens.where(path="/srv")[0].python_stack == ()


def test_python_frames_are_not_known_where_records_were_lost(ebpf_trace: Trace) -> None:
    ebpf_trace.python_frames(PYTHON3)
    opens = ebpf_trace.uprobe(LIBC, "opendir", path="str")
    subprocess.run([PYTHON3, "-S", "-E", "-c", "import os; os.listdir('/srv')"], check=True)
    (call,) = opens.where(path="/srv")
    ebpf_trace.window.history.functions.store._calls[
        next(
            each.probe.id
            for arming in ebpf_trace.functions.armings
            for each in arming.attached
            if arming.definition.name == "line"
        )
    ].pop()
    with pytest.raises(TraceIncomplete) as caught:
        _ = call.python_stack
    assert str(caught.value) == (
        "in which Python functions opendir() was called is not known: 1 records of line did not come"
    )


def test_python_frames_of_a_section_say_nothing_of_what_came_after(ebpf_trace: Trace) -> None:
    opens = ebpf_trace.uprobe(LIBC, "opendir", path="str")
    script = "import os, sys\nfor line in sys.stdin: print(len(os.listdir(line.strip())) * 0, flush=True)"
    command = [PYTHON3, "-S", "-E", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as python:
        assert python.stdin
        assert python.stdout
        with ebpf_trace.section("part") as part:
            part.python_frames(PYTHON3)
            for path in ("/srv", "/opt"):
                python.stdin.write(f"{path}\n")
                assert python.stdout.readline() == "0\n"
        python.stdin.write("/mnt\n")
        assert python.stdout.readline() == "0\n"
        python.stdin.close()
    found = {call.path: [frame.function for frame in call.python_stack] for call in opens}
    assert found[b"/opt"] == ["<module>"]
    assert found[b"/mnt"] == []
