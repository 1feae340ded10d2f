"""A real broker with a call table of the test's own: ``table_broker.py OBJECT --run-dir PATH --uid N --owner PID``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import setup_script

from pytest_ebpf.broker import main
from pytest_ebpf.engine import objects
from pytest_ebpf.syscalls.table_build import table_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_ebpf.syscalls.table import CallSpec


def compiled(folder: Path, table: Mapping[int, CallSpec]) -> Path:
    """The kernel programs with that table, for calls of the native ABI, by number."""
    text = table_text({("native", number): spec for number, spec in table.items()})
    (folder / "call_table.h").write_text(text)
    target = folder / "tracing.bpf.o"
    setup_script.loaded().compile_bpf(setup_script.PROJECT / "bpf/tracing.bpf.c", target, folder)
    return target


if __name__ == "__main__":
    objects.path_of = lambda name: sys.argv[1]  # noqa: ARG005 - as the real one
    sys.exit(main.main(sys.argv[2:]))
