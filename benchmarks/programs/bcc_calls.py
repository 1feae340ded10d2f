"""BCC's way, as its examples do it: a ring buffer with a callback in Python. ``bcc_calls.py CALL COMMAND…``.

Run by the system's Python, which has BCC. Prints how many of the call were told of. BCC wants the kernel's headers;
where they are missing, the few that it includes for such a program are made here.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

PROGRAM = r"""
struct event { u64 time, entered; u32 pid, tid; u64 args[6]; s64 result; char path[PATH]; };
struct entry { u64 entered; u64 args[6]; };
BPF_HASH(entries, u32, struct entry);
BPF_RINGBUF_OUTPUT(events, 2048);

TRACEPOINT_PROBE(syscalls, sys_enter_CALL)
{
    u64 both = bpf_get_current_pid_tgid();
    u32 tid = both;
    struct entry entry = {};
    if (both >> 32 != TARGET)
        return 0;
    entry.entered = bpf_ktime_get_ns();
#if PATH > 1
    entry.args[0] = args->dfd;
    entry.args[1] = (u64)args->filename;
    entry.args[2] = args->flags;
    entry.args[3] = args->mode;
#endif
    entries.update(&tid, &entry);
    return 0;
}

TRACEPOINT_PROBE(syscalls, sys_exit_CALL)
{
    u64 both = bpf_get_current_pid_tgid();
    u32 tid = both;
    struct entry *entry = entries.lookup(&tid);
    struct event *event;
    if (!entry)
        return 0;
    event = events.ringbuf_reserve(sizeof(*event));
    if (!event)
        return 0;
    event->time = bpf_ktime_get_ns();
    event->entered = entry->entered;
    event->pid = both >> 32;
    event->tid = tid;
    __builtin_memcpy(event->args, entry->args, sizeof(event->args));
    event->result = args->ret;
    event->path[0] = 0;
#if PATH > 1
    bpf_probe_read_user_str(event->path, PATH, (void *)entry->args[1]);
#endif
    events.ringbuf_submit(event, 0);
    entries.delete(&tid);
    return 0;
}
"""

_HEADERS = {
    "linux/kconfig.h": """\
#include <linux/types.h>
typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64;
typedef __s8 s8; typedef __s16 s16; typedef __s32 s32; typedef __s64 s64;
typedef _Bool bool; typedef int pid_t; typedef unsigned long size_t; typedef unsigned long uintptr_t;
typedef unsigned short umode_t;
#define __user
#define CONFIG_BPF_SYSCALL
#define PAGE_SIZE 4096
""",
    **dict.fromkeys(
        (
            *("linux/log2.h", "asm/page.h", "linux/string.h", "uapi/linux/bpf.h", "uapi/linux/ptrace.h"),
            *("uapi/linux/if_packet.h", "linux/sched.h", "linux/fs.h", "linux/perf_event.h"),
        ),
        "",
    ),
}


def headers(folder: Path) -> None:
    """Write a tree of kernel headers that is enough for `PROGRAM`."""
    for name, text in _HEADERS.items():
        path = folder / "include" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main(call: str, command: list[str], folder: str) -> None:
    """Run the command, and count."""
    # What belongs to the user's headers in it comes from libc's.
    flags = [
        f"-I{folder}/include",
        "-idirafter",
        "/usr/include",
        "-idirafter",
        f"/usr/include/{os.uname().machine}-linux-gnu",
    ]
    if not Path("/lib/modules", os.uname().release, "build").exists():
        headers(Path(folder))
        os.environ["BCC_KERNEL_SOURCE"] = folder
    from bcc import BPF  # type: ignore[import-not-found]  # noqa: PLC0415 - after the variable, which it reads

    gate = os.pipe()
    child = os.fork()
    if not child:
        os.close(gate[1])
        if os.read(gate[0], 1):
            os.execv(command[0], command)  # noqa: S606 - its own words, no shell's
        os._exit(127)
    text = PROGRAM.replace("TARGET", str(child)).replace("CALL", call)
    events = BPF(text=text, cflags=[*flags, f"-DPATH={256 if call == 'openat' else 1}"])
    seen = 0

    def take(_context: object, data: object, _size: int) -> None:
        nonlocal seen
        event = events["events"].event(data)
        seen += event.pid == child

    events["events"].open_ring_buffer(take)
    os.write(gate[1], b"x")
    while not os.waitpid(child, os.WNOHANG)[0]:
        events.ring_buffer_poll(5)
    events.ring_buffer_consume()
    print(seen)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(sys.argv[1], sys.argv[2:], name)
