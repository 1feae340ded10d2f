"""A real broker with a call table of the test's own: ``table_broker.py TABLE --run-dir PATH --uid N --owner PID``."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf.broker import main
from pytest_ebpf.engine import specs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ebpf.syscalls.table import CallSpec


def write(path: Path, table: Mapping[int, CallSpec]) -> Path:
    """Write the file TABLE, for calls of the native ABI, by number."""
    pairs = [(number, specs._packed(spec)) for number, spec in table.items()]
    path.write_bytes(pickle.dumps(pairs))
    return path


if __name__ == "__main__":
    table = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - write() wrote it
    specs.packed_specs = lambda *_: iter(table)
    sys.exit(main.main(sys.argv[2:]))
