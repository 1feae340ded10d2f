"""How long a compiled BPF program of the user's own takes from being asked for to being attached: over libbpf alone.

The two take turns: libbpf opens, loads and attaches the same object in a process of its own right, and
`ebpf_trace.program()` has it done by the broker's host. The first program of a run waits for the host to start, too.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_ebpf import Trace

ROUNDS = 21
AIM_MORE = 30.0
"""Milliseconds over libbpf's own time."""
SOURCE = Path(__file__).parent / "programs/emits.bpf.c"


def main() -> None:
    """Measure and print."""
    from pytest_ebpf.user_programs.compiling import object_of  # noqa: PLC0415 - the caller has compiled it

    path = object_of(SOURCE, {"ROUND": 0})
    with _trace() as trace:
        start = time.perf_counter()
        trace.program(path)
        first = (time.perf_counter() - start) * 1000
        kinds: dict[str, Callable[[], object]] = {
            "libbpf": lambda: _by_libbpf(path),
            "ebpf_trace.program()": lambda: trace.program(path).detach,
        }
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for number in range(ROUNDS + 1):
            for name, load in kinds.items():
                start = time.perf_counter()
                let_go = load()
                if number:  # the first round fills the page cache
                    times[name].append((time.perf_counter() - start) * 1000)
                let_go()  # type: ignore[operator]
    alone, ours = times.values()
    rows = [("from an object to attached", "median", "more", "ratio")]
    for name, values in times.items():
        more = f"{harness.median_difference(values, alone):+.1f} ms"
        rows.append((name, f"{median(values):.1f} ms", more, f"{harness.median_ratio(values, alone):.3f}"))
    rows.append(("… the first of a run", f"{first:.1f} ms", "", ""))
    harness.table(rows)
    harness.verdict("over libbpf alone", harness.median_difference(ours, alone), AIM_MORE, "ms")


@contextlib.contextmanager
def _trace() -> Iterator[Trace]:
    """Open a window of this very process."""
    from pytest_ebpf.broker.launch import new_run_directory  # noqa: PLC0415 - see the harness
    from pytest_ebpf.trace import Trace  # noqa: PLC0415 - likewise
    from pytest_ebpf.tracer import Tracer  # noqa: PLC0415 - likewise

    tracer = Tracer(new_run_directory(), os.getpid(), None, ends=True, calls=False)
    with contextlib.closing(tracer), Trace(tracer.history(1 << 20)) as trace:
        yield trace


def _by_libbpf(path: Path) -> Callable[[], None]:
    """Load and attach it in this process; return what lets go of it."""
    from pytest_ebpf.engine.native import library  # noqa: PLC0415 - likewise
    from pytest_ebpf.engine.objects import Object  # noqa: PLC0415 - likewise

    ffi, lib = library()
    loaded = Object((ffi, lib))
    lib.pe_log_start()
    loaded.take(lib.bpf_object__open_file(os.fsencode(path), ffi.NULL))
    loaded.load()
    links = [lib.bpf_program__attach(program) for program in loaded.programs.values()]

    def let_go() -> None:
        for link in links:
            lib.bpf_link__destroy(link)
        loaded.close()

    return let_go
