"""Runs the benchmarks: ``python benchmarks/run.py [fixture spawn calls …]``, as who may trace.

The variants of a benchmark are interleaved, and its figures are medians over the rounds, or over the rounds'
ratios, since another load on the machine then falls on all of them. No figure here is a test: see
docs/performance.md for the aims.
"""

from __future__ import annotations

import argparse

import calls
import fixture
import functions
import harness
import memory
import outsider
import programs_bcc
import programs_compile
import records
import spawn
import startup
import work
import workers

BENCHMARKS = {
    "fixture": fixture.main,
    "spawn": spawn.main,
    "startup": startup.main,
    "memory": memory.main,
    "workers": workers.main,
    "calls": calls.main,
    "outsider": outsider.main,
    "records": records.main,
    "work": work.main,
    "functions": functions.main,
    "programs_compile": programs_compile.main,
    "programs_bcc": programs_bcc.main,
}


def main() -> None:
    """Run what was named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    names = parser.parse_args().names or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    harness.compile_package()
    print(harness.machine(), flush=True)
    for name in names:
        print(f"\n{name}", flush=True)
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
