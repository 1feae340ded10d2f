"""Programs of a test's own on functions of the kernel: kprobe, kretprobe, fentry and fexit see the same calls.

Where the kernel has no kprobes it has nothing of that; ``tests/vm`` runs this on kernels that have all.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiers import require_root, with_kprobes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ebpf import Trace

AT_FDCWD = -100  # linux/fcntl.h

pytestmark = with_kprobes


@pytest.fixture(scope="module")
def unlink(bpf: Callable[[str], str]) -> str:
    """An object with one program of each kind on do_unlinkat()."""
    require_root()  # who alone may load programs under an administrator's broker
    return bpf("unlink")


def unlinked(path: Path, folder: int | None = None) -> int:
    """Unlink a file; return what the kernel does."""
    try:
        os.unlink(path, dir_fd=folder)
    except OSError as error:
        return -int(error.errno or 0)
    return 0


def test_each_kind_of_program_sees_what_a_function_is_passed_and_what_it_returns(
    ebpf_trace: Trace, unlink: str, tmp_path: Path
) -> None:
    file, absent = tmp_path / "file", Path("absent")
    file.touch()
    folder = os.open(tmp_path, os.O_PATH)
    program = ebpf_trace.program(unlink, variables={"caller": os.getpid()})
    done = [
        (AT_FDCWD, str(file), unlinked(file)),
        (AT_FDCWD, str(file), unlinked(file)),
        (folder, str(absent), unlinked(absent, folder)),
        (9999, str(absent), unlinked(absent, 9999)),
    ]
    program.detach()
    unlinked(file)
    os.close(folder)

    assert [result for _, _, result in done] == [0, -errno.ENOENT, -errno.ENOENT, -errno.EBADF]
    assert program.variables["count"] == 4 * len(done)
    seen: dict[str, list[tuple[int, str, int]]] = {}
    for call in program["calls"].values()[: 4 * len(done)]:
        seen.setdefault(str(call.how), []).append((call.dfd, call.path.decode(), call.result))
    assert seen == {
        "KPROBE": [(folder, path, 0) for folder, path, _ in done],
        "KRETPROBE": [(0, "", result) for _, _, result in done],
        "FENTRY": [(folder, path, 0) for folder, path, _ in done],
        "FEXIT": [(folder, "", result) for folder, _, result in done],
    }


def test_a_call_is_entered_before_it_returns(ebpf_trace: Trace, unlink: str, tmp_path: Path) -> None:
    with ebpf_trace.program(unlink, variables={"caller": os.getpid()}) as program:
        unlinked(tmp_path / "absent")
    kinds = [str(call.how) for call in program["calls"].values()[:4]]
    assert set(kinds[:2]) == {"KPROBE", "FENTRY"}
    assert set(kinds[2:]) == {"KRETPROBE", "FEXIT"}
