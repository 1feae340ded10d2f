"""What arguments are taken to be, where something is compared with them, is what they are."""

from __future__ import annotations

import pathlib
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ebpf._values import Cut, Gap
from pytest_ebpf.syscalls.fitting import sort_of
from pytest_ebpf.syscalls.kinds import FileDescriptor, Path
from pytest_ebpf.syscalls.values import Fields, Pointer, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_ebpf import Trace

SOURCES = pathlib.Path(__file__).parents[1] / "programs"
PROGRAMS = sorted(each.stem for each in SOURCES.glob("calls_*.c"))


def misfits(where: str, value: Any, example: Any) -> Iterator[str]:
    """Tell where a value is of another sort than the example."""
    value = value.value if isinstance(value, Cut) else value
    if value is None or example is None or isinstance(value, Gap | Pointer | Unreadable):
        return
    if sort_of(value) != sort_of(example):
        yield f"{where} is {value!r}, not such as {example!r}"
    elif isinstance(example, Fields):
        for name in value.keys() & example.keys():
            yield from misfits(f"{where}.{name}", value.raw(name), example.raw(name))
    elif isinstance(example, tuple):
        for each in value:
            yield from misfits(f"{where}[]", each, example[0])


@pytest.mark.ebpf(data_limit="4K")
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_value_is_such_as_the_example(
    name: str, ebpf_trace: Trace, program: Callable[[str], str], tmp_path: pathlib.Path
) -> None:
    subprocess.run([program(name)], cwd=tmp_path, stdin=subprocess.DEVNULL, timeout=60, check=False)
    found: list[str] = []
    seen = 0
    for call in ebpf_trace.syscalls.where(allow_io_uring=True):
        for argument, kind in call.kinds.items():
            if not isinstance(kind, FileDescriptor | Path):
                value, where = call.raw(argument), f"{call.name}({argument})"
                found.extend(misfits(where, value, kind.example))
                if kind.fields and isinstance(value, Fields):
                    found.extend(f"{where} has no {each}" for each in value if each not in kind.fields)
                seen += 1
    assert found == []
    assert seen > len(PROGRAMS)
