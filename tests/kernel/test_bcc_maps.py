"""The maps of BCC programs: what they hold is what BCC itself makes of it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bcc_here import require_bcc

from pytest_ebpf import UsageError
from pytest_ebpf.headers.tree import kernel_source
from pytest_ebpf.syscalls.values import Fields

if TYPE_CHECKING:
    from pytest_ebpf import Trace

PEER = Path(__file__).parents[1] / "bcc_peer.py"

SHAPES = {
    "number": "typedef int number;",
    "wide": "typedef u64 wide;",
    "short_ones": "struct short_ones { u8 a; u16 b; short c; bool d; char e; };",
    "padded": "struct padded { char a; u64 b; u8 c; u32 d; };",
    "packed": "struct packed { u8 a; u64 b; u16 c; } __attribute__((packed));",
    "text": "struct text { u32 pid; char comm[16]; char path[200]; };",
    "arrays": "struct arrays { u16 a[5]; u32 b[2]; u8 bytes[7]; };",
    "nested": "struct inner { u8 a; u32 b; }; struct nested { u16 z; struct inner in; struct inner two; u8 end; };",
    "several": "struct part { u8 a; u32 b; }; struct several { u8 n; struct part parts[3]; };",
    "either": "union either { u32 number; u8 bytes[4]; u16 half; };",
    "within": "struct within { u8 tag; union { u64 whole; u8 parts[8]; } value; u8 end; };",
    "hidden": "struct hidden { u32 tag; union { u32 v4; u8 raw[4]; }; struct { u16 x, y; }; };",
    "colored": "enum color { RED, GREEN = 7, BLUE = 1000 }; struct colored { u8 a; enum color color; };",
    "bits": "struct bits { u32 a : 3; u32 b : 7; u32 c : 22; };",
    "kernels": "struct kernels { struct timespec64 when; pid_t pid; uid_t uid; };",
}
NAMES = {
    name: text.rpartition(f"struct {name} ")[1] or text.rpartition(f"union {name} ")[1] or name
    for name, text in SHAPES.items()
}
SEED = 20241124


@pytest.fixture(autouse=True)
def _bcc() -> None:
    require_bcc()


def plain(value: Any) -> Any:
    """Return a value as the peer writes it."""
    if isinstance(value, Fields):
        return {name: plain(value[name]) for name in value}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def as_bcc_tells(text: str, entries: dict[str, tuple[bytes, bytes]]) -> dict[str, Any]:
    asked = {"text": text, "entries": {name: (key.hex(), value.hex()) for name, (key, value) in entries.items()}}
    tree = kernel_source()
    environment = {**os.environ, **({"BCC_KERNEL_SOURCE": str(tree)} if tree else {})}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        ["/usr/bin/python3", "-I", str(PEER)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


ATTACHED = "RAW_TRACEPOINT_PROBE(sched_process_exit) { return 0; }\n"


def test_values_of_many_shapes_are_bccs_own(ebpf_trace: Trace) -> None:
    text = "#include <linux/sched.h>\n#include <linux/time64.h>\n" + "\n".join(SHAPES.values()) + "\n"
    text += "".join(
        f"BPF_HASH(by_{name}, {NAMES[name]}, u64, 8);\nBPF_HASH(of_{name}, u32, {NAMES[name]}, 8);\n" for name in SHAPES
    )
    program = ebpf_trace.bcc(text + ATTACHED)
    chance = random.Random(SEED)
    entries = {}
    for kind in ("by", "of"):
        for name in SHAPES:
            told = program.hosted.maps[f"{kind}_{name}"]
            key, value = (
                bytes(chance.choice((0, 1, 1, 7, 65, 255)) for _ in range(told[size]))
                for size in ("key_size", "value_size")
            )
            entries[f"{kind}_{name}"] = key, value
            program.hosted.ask("map", key + value, map=f"{kind}_{name}", do="update")
    ours = {name: [plain(each) for each in program[name].items()[0]] for name in entries}
    assert ours == as_bcc_tells(text + ATTACHED, entries)


def test_what_bcc_gets_wrong_is_right_here(ebpf_trace: Trace) -> None:
    # BCC's own description of an array of arrays has the first dimension alone; of a packed structure with bit-fields,
    # nothing of where they are.
    text = (
        "struct grid { u8 cells[2][3]; u8 end; };\n"
        "struct tight { u8 a; u32 b; u32 c : 4; } __attribute__((packed));\n"
        "BPF_ARRAY(grids, struct grid, 1);\n"
        "BPF_ARRAY(tights, struct tight, 1);\n"
        "BPF_ARRAY(huge, unsigned __int128, 1);\n"
    ) + ATTACHED
    program = ebpf_trace.bcc(text)
    program.hosted.ask("map", bytes(4) + bytes(range(1, 8)), map="grids", do="update")
    program.hosted.ask("map", bytes(4) + bytes([1, 2, 0, 0, 0, 0xF3]), map="tights", do="update")
    program.hosted.ask("map", bytes(4) + (1 << 100).to_bytes(16, "little"), map="huge", do="update")
    assert program["grids"][0] == {"cells": ((1, 2, 3), (4, 5, 6)), "end": 7}
    assert program["tights"][0] == {"a": 1, "b": 2, "c": 3}
    assert program["huge"][0] == 1 << 100


COUNTING = """
BPF_HISTOGRAM(sizes);
struct name_t { char comm[16]; u32 slot; };
BPF_HISTOGRAM(by_name, struct name_t);
BPF_PERCPU_ARRAY(on_cpus, u64, 1);
BPF_PERCPU_HASH(of_cpus, u32, u16);
BPF_TABLE("lru_hash", u32, u64, recent, 10000);
BPF_QUEUE(queue, u32, 10);
BPF_STACK(stack, u32, 10);
BPF_STACK_TRACE(stacks, 16);
BPF_ARRAY(last, int, 1);
BPF_HASH(by_session, u32, u64);

TRACEPOINT_PROBE(syscalls, sys_enter_lseek)
{
    if (!ebpf_traced() || args->fd < 9000) return 0;
    u32 number = args->fd, zero = 0;
    struct name_t name = { .slot = 3 };
    u64 *here, seen = 1;
    u16 one = 1;

    sizes.increment(bpf_log2l(args->offset));
    bpf_get_current_comm(name.comm, sizeof(name.comm));
    by_name.increment(name);
    here = on_cpus.lookup(&zero);
    if (here)
        *here += 1;
    of_cpus.update(&number, &one);
    recent.update(&number, &seen);
    queue.push(&number, 0);
    stack.push(&number, 0);
    zero = stacks.get_stackid(args, BPF_F_USER_STACK);
    last.update(&(int){0}, (int *)&zero);
    by_session.increment(ebpf_session());
    return 0;
}
"""


def test_each_kind_of_map_holds_what_the_program_put_there(ebpf_trace: Trace) -> None:
    program = ebpf_trace.bcc(COUNTING)
    for name in ("sizes", "by_name", "on_cpus", "of_cpus", "recent", "by_session"):
        program[name].clear()
    for at, descriptor in enumerate((9001, 9002, 9002)):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.lseek(descriptor, 1 << at, os.SEEK_SET)
    assert [value for _, value in program["sizes"].items() if value] == [1, 1, 1]
    comm = Path("/proc/self/comm").read_bytes().rstrip(b"\n")
    assert program["by_name"].items() == [({"comm": comm, "slot": 3}, 3)]
    assert sum(program["on_cpus"][0]) == 3
    assert sorted(program["of_cpus"].keys()) == [9001, 9002]
    assert sum(program["of_cpus"][9001]) == 1
    assert sorted(program["recent"].items()) == [(9001, 1), (9002, 1)]
    assert [program["queue"].pop() for _ in range(4)] == [9001, 9002, 9002, None]
    assert [program["stack"].pop() for _ in range(4)] == [9002, 9002, 9001, None]
    assert [value for _, value in program["by_session"].items()] == [3]
    assert 9003 not in program["recent"]
    stack = program["stacks"][program["last"][0]].ip
    assert stack[0] > 0x1000


def test_a_map_that_there_is_not_is_named_with_the_nearest(ebpf_trace: Trace) -> None:
    program = ebpf_trace.bcc(COUNTING)
    with pytest.raises(UsageError, match=r"^<text> has no map 'recnt'; did you mean recent\?$"):
        program["recnt"]


def test_the_systems_bcc_is_imported_and_nothing_else_of_the_systems() -> None:
    # Of whichever Python runs this; tox has all that are supported.
    script = (
        "import sys\nfrom pytest_ebpf.host.bcc_import import import_bcc\nbefore = list(sys.path), set(sys.modules)\n"
        "bcc = import_bcc()\nassert bcc.BPF and sys.path == before[0]\n"
        "files = {getattr(sys.modules[name], '__file__', None) or '' for name in set(sys.modules) - before[1]}\n"
        "print(sorted({file.split('/')[-2] for file in files if '-packages/' in file}))\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "['bcc']\n"), done.stderr
