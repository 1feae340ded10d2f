"""Runs BCC's own tools up to where each would wait, and tells what became of its programs.

    python3 bcc_witness.py load|attach AT_ONCE SECONDS

reads what to run from its standard input, ``[[tool, path, argument …], …]`` in JSON, and writes a line of JSON for
each that has ended, or was stopped after so many seconds. Each runs in a process that is forked from this one: to
import BCC takes an emulated processor seconds.

For the system's Python, which has BCC. The tool makes its text, has it compiled and loads and attaches its programs
as it always does; to "load" only, all that it attaches is taken as attached. Functions of the text that it has no use
for on this kernel are loaded too.
"""

from __future__ import annotations

import contextlib
import curses
import json
import os
import runpy
import select
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, NoReturn
from unittest.mock import MagicMock

import bcc

MODE = sys.argv[1]
AT_ONCE, SECONDS = int(sys.argv[2]), float(sys.argv[3])
ATTACHING = [name for name in dir(bcc.lib) if name.startswith("bpf_attach_")]
WAITING = ("perf_buffer_poll", "ring_buffer_poll", "kprobe_poll", "trace_fields", "trace_print", "trace_readline")
KINDS: dict[bytes, int] = {}
"""What the tool itself loaded its functions as."""
PREFIXES = {
    b"kprobe__": bcc.BPF.KPROBE,
    b"kretprobe__": bcc.BPF.KPROBE,
    b"tracepoint__": bcc.BPF.TRACEPOINT,
    b"raw_tracepoint__": bcc.BPF.RAW_TRACEPOINT,
    b"kfunc__": bcc.BPF.TRACING,
    b"kretfunc__": bcc.BPF.TRACING,
    b"lsm__": bcc.BPF.LSM,
}
"""What BCC loads a function as, by how its name begins (``_trace_autoload``)."""

told: dict[str, Any] = {"texts": 0, "loaded": [], "not_loaded": {}, "attached": 0, "not_attached": {}, "error": ""}
modules: list[Any] = []


@dataclass(kw_only=True)
class Running:
    """A tool that was started."""

    name: str
    pid: int
    ends: int
    """Descriptor that can be read when it has ended."""
    result: int
    """Descriptor of what it tells."""
    output: int
    until: float
    """When it is stopped."""


RESULT = -1
"""Descriptor of what the tool that this process is tells."""


def finish() -> NoReturn:
    """Load what is left, and tell."""
    for module in filter(lambda each: each.funcs, modules):  # some are compiled only to see whether they can be
        for index in range(bcc.lib.bpf_num_functions(module.module)):
            name = bcc.lib.bpf_function_name(module.module, index)
            # One that the tool would have loaded had it not given up is of the kind of its others.
            default = KINDS[next(iter(module.funcs))]
            kind = next((kind for prefix, kind in PREFIXES.items() if name.startswith(prefix)), default)
            if name not in module.funcs:
                with contextlib.suppress(Exception):  # the call beneath it has told
                    module.load_func(name, kind)
    os.write(RESULT, json.dumps(told).encode())
    sys.stdout.flush()
    os._exit(0)  # what is attached goes with the process


def watched_load(function: Any) -> Any:
    def load(module: Any, kind: int, name: bytes, *rest: Any) -> int:
        descriptor = function(module, kind, name, *rest)
        KINDS.setdefault(name, kind)
        if descriptor >= 0:
            told["loaded"].append(name.decode())
        else:
            told["not_loaded"][name.decode()] = os.strerror(bcc.ct.get_errno())
        return int(descriptor)

    return load


def watched_attach(name: str, function: Any) -> Any:
    def attach(*arguments: Any) -> int:
        if MODE == "load":
            return os.open(os.devnull, os.O_RDONLY)
        descriptor = int(function(*arguments))
        if descriptor >= 0:
            told["attached"] += 1
        else:
            shown = b" ".join(value for value in arguments if isinstance(value, bytes)).decode()
            told["not_attached"][f"{name.removeprefix('bpf_attach_')} {shown}"] = os.strerror(bcc.ct.get_errno())
        return descriptor

    return attach


class Witness(bcc.BPF):  # type: ignore[misc]
    """The tool's BPF."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        told["texts"] += 1
        super().__init__(*arguments, **options)
        modules.append(self)


def run(path: str, arguments: list[str]) -> NoReturn:
    """Be a tool."""
    bcc.lib.bcc_func_load = watched_load(bcc.lib.bcc_func_load)
    for name in ATTACHING:
        setattr(bcc.lib, name, watched_attach(name, getattr(bcc.lib, name)))
    for name in WAITING:
        setattr(bcc.BPF, name, lambda *_, **__: finish())
    time.sleep = lambda _: finish()
    threading.Event.wait = lambda *_: finish()  # type: ignore[method-assign]
    if MODE == "load":  # a kernel that has kfuncs for its BTF may all the same refuse them
        bcc.BPF.support_kfunc = staticmethod(lambda: False)
    bcc.BPF = Witness
    curses.wrapper = lambda function, *arguments: function(MagicMock(), *arguments)  # type: ignore[assignment]
    sys.argv = [path, *arguments]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as left:
        told["error"] = str(left.code or "")
    except BaseException as error:  # noqa: BLE001 - it is told
        told["error"] = str(error) or type(error).__name__
    finish()


def start(name: str, path: str, *arguments: str) -> Running:
    """Fork, and be a tool there."""
    global RESULT  # noqa: PLW0603 - each has its own
    RESULT = os.memfd_create("result")
    output = os.memfd_create("output")
    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        for number in (1, 2):
            os.dup2(output, number)
        run(path, list(arguments))
    until = time.monotonic() + SECONDS
    return Running(name=name, pid=pid, ends=os.pidfd_open(pid), result=RESULT, output=output, until=until)


def end(tool: Running) -> dict[str, Any]:
    """Return what became of one that has ended, or is late."""
    late = not select.select([tool.ends], [], [], 0)[0]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(tool.pid, signal.SIGKILL)  # what it started, too
    _, status = os.waitpid(tool.pid, 0)
    result, output = (os.pread(each, os.fstat(each).st_size, 0) for each in (tool.result, tool.output))
    for each in (tool.ends, tool.result, tool.output):
        os.close(each)
    if late:
        became: dict[str, Any] = {"stopped": SECONDS}
    else:
        became = json.loads(result) if result else {"error": f"ended with {os.waitstatus_to_exitcode(status)}"}
    return {"tool": tool.name, "output": output.decode(errors="replace"), **became}


def main() -> None:
    """Run all."""
    waiting = json.load(sys.stdin)[::-1]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    running: list[Running] = []
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            running.append(start(*waiting.pop()))
        left = min(tool.until for tool in running) - time.monotonic()
        ended, _, _ = select.select([tool.ends for tool in running], [], [], max(left, 0))
        for tool in [tool for tool in running if tool.ends in ended or tool.until <= time.monotonic()]:
            running.remove(tool)
            sys.stdout.write(json.dumps(end(tool)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
