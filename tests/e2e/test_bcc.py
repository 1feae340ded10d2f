"""BCC programs in a user's suite: one for all workers, each told of its own, and nothing that stays."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import brokers
import pytest
from bcc_here import require_bcc
from tiers import require_command

if TYPE_CHECKING:
    from e2e.conftest import Suite

pytest_plugins = ["pytester"]
pytest.importorskip("xdist")

PROGRAM = """
TEXT = '''
struct sought { u32 fd; s64 offset; };
BPF_PERF_OUTPUT(calls);
BPF_HASH(counts, u32, u64);
TRACEPOINT_PROBE(syscalls, sys_enter_lseek)
{
    struct sought sought = { .fd = args->fd, .offset = args->offset };

    if (!ebpf_traced()) return 0;
    counts.increment(ebpf_session());
    calls.perf_submit(args, &sought, sizeof(sought));
    return 0;
}
'''
"""

HOSTS = """
import os
from pathlib import Path

def resident(pid):
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024

def hosts():
    import asking
    broker = asking.status().pid
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(text.rpartition(")")[2].split()[1])
    return [pid for pid, parent in parents.items() if parent == broker]
"""

TOGETHER = (
    PROGRAM
    + """
import ctypes
import os
import time
from pathlib import Path
import pytest
import own

WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

def together(name):
    (Path.cwd() / f"{name}-{os.getpid()}").touch()
    while len(list(Path.cwd().glob(f"{name}-*"))) < WORKERS:
        time.sleep(0.002)

@pytest.mark.parametrize("number", range(2))
def test_it(ebpf_trace, number):
    file = os.memfd_create("sought")
    together("came")
    program = ebpf_trace.bcc(TEXT)
    together("loaded")
    for at in range(500):
        os.lseek(file, 1000 * number + at, os.SEEK_SET)
    together("done")
    mine = [event["offset"] for event in program.events.where(fd=file)]
    assert mine == [1000 * number + at for at in range(500)]
    program.assert_event("calls", fd=file, count=500)
    program.assert_no_event("calls", fd=file, offset=1000 * (1 - number) + 5)
    counts = dict(program["counts"].items())
    assert len(counts) == WORKERS and all(count >= 500 for count in counts.values())
    Path(f"hosts-{number}").write_text(" ".join(map(str, own.hosts())))
    together("asked")
"""
)


@pytest.fixture
def bcc_suite(own_broker: Suite) -> Suite:
    """A suite that starts a broker itself, on a machine with BCC."""
    require_bcc()
    own_broker.file("own.py", HOSTS)
    return own_broker


def test_two_workers_share_one_program_and_each_is_told_of_its_own(bcc_suite: Suite) -> None:
    bcc_suite.file("test_it.py", TOGETHER)
    bcc_suite.run("-n2").assert_outcomes(passed=2)
    (one,) = {path.read_text() for path in bcc_suite.path.glob("hosts-*")}
    assert len(one.split()) == 1
    # It goes when the broker is gone, and nobody waits for it.
    assert brokers.eventually(lambda: not Path(f"/proc/{one}").exists())


def test_a_second_use_compiles_nothing_and_the_memory_is_the_hosts(bcc_suite: Suite) -> None:
    bcc_suite.file(
        "test_it.py",
        PROGRAM
        + """
import os
import own

programs = []

def test_first(ebpf_trace):
    before = own.resident(os.getpid())
    programs.append(ebpf_trace.bcc(TEXT).hosted.number)
    assert own.resident(os.getpid()) - before < 20
    (host,) = own.hosts()
    assert own.resident(host) > 80

def test_second(ebpf_trace):
    assert [ebpf_trace.bcc(TEXT).hosted.number for _ in range(10)] == programs * 10
""",
    )
    bcc_suite.run().assert_outcomes(passed=2)


def test_nothing_stays_though_a_test_fails_while_a_program_is_attached(bcc_suite: Suite) -> None:
    require_command("bpftool")
    text = PROGRAM + "def test_it(ebpf_trace):\n    ebpf_trace.bcc(TEXT)\n    assert False\n"
    bcc_suite.file("test_it.py", text)
    bcc_suite.run().assert_outcomes(failed=1)
    deadline = time.monotonic() + 10
    while left := named("sys_enter_lseek"):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def named(name: str) -> list[str]:
    """Return the lines of the programs of a name."""
    shown = subprocess.run(["bpftool", "prog"], capture_output=True, text=True, check=True).stdout
    return [line for line in shown.splitlines() if re.search(rf"name {name}\b", line)]


def test_a_failing_test_shows_what_clang_said(bcc_suite: Suite) -> None:
    bcc_suite.file("tool.c", "BPF_HASH(counts);\nint f(void *ctx)\n{\n    return zyqqx;\n}\n")
    bcc_suite.file("test_it.py", 'def test_it(ebpf_trace):\n    ebpf_trace.bcc("tool.c")\n')
    result = bcc_suite.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *tool.c:4:12: error: use of undeclared identifier 'zyqqx'"])


def test_what_crashes_bcc_crashes_the_host_alone_and_says_how(bcc_suite: Suite) -> None:
    # An assertion of clang's, for BCC 0.26 looks at what an array points to.
    bcc_suite.file(
        "tool.c",
        "BPF_RINGBUF_OUTPUT(out, 8);\n"
        "RAW_TRACEPOINT_PROBE(sched_process_exec)\n{\n"
        "    char data[16] = {};\n    out.ringbuf_output(data, sizeof(data), 0);\n    return 0;\n}\n",
    )
    bcc_suite.file(
        "test_it.py",
        PROGRAM
        + """
import subprocess
import pytest

def test_crash(ebpf_trace):
    try:
        ebpf_trace.bcc("tool.c")
    except Exception as error:  # one or the other, as BCC is built
        message = str(error)
    else:
        pytest.skip("this BCC is not built so that it crashes")
    assert message.startswith("pytest-ebpf: the process that holds BPF programs is gone\\n")
    assert "Cannot retrieve a NULL type pointer" in message
    subprocess.run(["true"], check=True)
    ebpf_trace.assert_spawned("true")

def test_the_next(ebpf_trace):
    ebpf_trace.bcc(TEXT)
""",
    )
    result = bcc_suite.run("-rs")
    if "is not built so" in result.stdout.str():
        pytest.skip("this BCC is not built so that it crashes")
    result.assert_outcomes(passed=2)
