"""What the benchmarks share: the machine's kind, runs of pytest, medians, tables."""

from __future__ import annotations

import compileall
import contextlib
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SUITES = Path(__file__).with_name("suites")
"""Tests that are run by the benchmarks; their pytest.ini keeps the project's own settings away."""


def machine() -> str:
    """Return the kind of machine in one line: a figure without it says nothing."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line for line in lines if line.startswith("flags")), "")
    kind = "virtual" if " hypervisor" in flags else "bare metal, or hides that it is virtual"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} cores of {model} ({kind}), {platform.machine()}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {load}"
    )


def pytest_command(suite: str, *arguments: str) -> list[str]:
    """Return the command that runs a suite of `SUITES`.

    A suite that traces should not be skipped without a word: ``--ebpf=require`` is the caller's to add, since
    a run without the plugin does not know it.
    """
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, str(SUITES / suite)]


def environment(**values: object) -> dict[str, str]:
    """Return the environment without what would change pytest, with ``BENCHMARK_<NAME>`` for a suite to read."""
    without = ("PYTEST_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    return kept | {f"BENCHMARK_{name.upper()}": str(value) for name, value in values.items()}


def compile_package() -> None:
    """Compile the package's modules, as pip does: a clone's are compiled by whoever imports them first.

    The broker, which is to leave nothing of root's in a user's package, would compile its own at each start.
    """
    import pytest_ebpf  # noqa: PLC0415 - the benchmarks measure it from outside

    compileall.compile_dir(pytest_ebpf.__path__[0], quiet=1)


def run(command: Sequence[str], /, **values: object) -> None:
    """Run a command to its end.

    Raises:
        SystemExit: It failed; with what it printed, since a figure from a run that failed means nothing.
    """
    done = subprocess.run(
        command, env=environment(**values), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Make a folder for what the runs tell, and remove it."""
    with tempfile.TemporaryDirectory(prefix="pytest-ebpf-benchmark-") as name:
        yield Path(name)


def rotated(names: Sequence[str], number: int) -> list[str]:
    """Return the names in the order of that round: each is first at times."""
    cut = number % len(names)
    return [*names[cut:], *names[:cut]]


def median_ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Return the median of the rounds' ratios: what loads the machine for some rounds, loads both sides."""
    return median(value / other for value, other in zip(values, base, strict=True))


def median_difference(values: Sequence[float], base: Sequence[float]) -> float:
    """Return the median of the rounds' differences."""
    return median(value - other for value, other in zip(values, base, strict=True))


def table(rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns, the first row being the heading."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(["", first, *others]).rstrip(), flush=True)


def verdict(what: str, value: float, aim: float, unit: str) -> None:
    """Print one figure and whether it reaches its aim (at most ``aim``)."""
    print(
        f"  {'reached' if value <= aim else 'MISSED '}  {what}: {value:.3g} {unit} (aim: at most {aim:g})", flush=True
    )
