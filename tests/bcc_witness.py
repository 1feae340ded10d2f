"""Runs one of BCC's own tools up to where it would wait, and tells what became of its programs.

    python3 bcc_witness.py load|attach RESULT TOOL [ARGUMENT …]

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
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import MagicMock

import bcc

MODE, RESULT, TOOL = sys.argv[1:4]
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
    Path(RESULT).write_text(json.dumps(told))
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


def main() -> NoReturn:
    """Run the tool."""
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
    sys.argv = sys.argv[3:]
    try:
        runpy.run_path(TOOL, run_name="__main__")
    except SystemExit as left:
        told["error"] = str(left.code or "")
    except BaseException as error:  # noqa: BLE001 - it is told
        told["error"] = str(error) or type(error).__name__
    finish()


if __name__ == "__main__":
    main()
