"""Functions of the kernel's modules, and as many functions of the kernel as a pattern names."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiers import HAS_KPROBES, require_root, with_kprobes

from pytest_ebpf import BrokerError, TraceIncomplete, UsageError, glob
from pytest_ebpf.probes import kallsyms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_ebpf import Trace


@pytest.fixture(autouse=True)
def root() -> None:
    """Leave as anybody else: under an administrator's broker the kernel's memory is for root alone."""
    require_root()


HAS_9P = Path("/sys/kernel/btf/9p").exists()
"""A guest's files come from its host through this module."""
HAS_FPROBE = kallsyms.functions().times["register_fprobe"] > 0
"""Many at once work by it; Debian's 6.1 was built without."""
with_9p = pytest.mark.skipif(
    not (HAS_KPROBES and HAS_9P), reason="there are no kprobes, or the module 9p is not loaded"
)
HIDES = Path("/proc/sys/kernel/kptr_restrict")


def links(trace: Trace) -> int:
    """How many the broker holds, of BPF programs with what they are attached to."""
    broker = trace.window.history.session._connection.status().pid  # type: ignore[attr-defined]
    found = 0
    for each in Path(f"/proc/{broker}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found += "link_type" in each.read_text()
    return found


@pytest.fixture(params=["at once", "one by one"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """How the kernel attaches to many: where it hides the addresses, not at once."""
    before = HIDES.read_text()
    if request.param == "one by one":
        HIDES.write_text("2")
    yield request.param
    HIDES.write_text(before)


@with_9p
@pytest.mark.parametrize("form", ["fentry:v9fs_file_open", "kretprobe:9p:v9fs_file_open"])
def test_functions_of_modules_have_the_types_of_their_modules(ebpf_trace: Trace, form: str) -> None:
    calls = ebpf_trace.probe(f"{form} inode=... file=... returns=s32")
    Path(__file__).read_bytes()
    call = calls.where(process=os.getpid()).one()
    assert (call.inode.i_ino, call.file.f_flags & os.O_ACCMODE, call.result) == (Path(__file__).stat().st_ino, 0, 0)
    ebpf_trace.assert_called("v9fs_file_open", inode__i_ino=call.inode.i_ino, count=1)


@with_9p
def test_a_function_of_a_module_that_is_not_called_is_not_called(ebpf_trace: Trace) -> None:
    calls = ebpf_trace.kernel_function("v9fs_vfs_rename")
    ebpf_trace.kernel_function("v9fs_file_open")
    Path(__file__).read_bytes()
    ebpf_trace.assert_not_called(calls)
    with pytest.raises(AssertionError, match="v9fs_file_open"):
        ebpf_trace.assert_not_called("v9fs_file_open", process=os.getpid())


@with_kprobes
def test_a_pattern_tells_which_function_it_was(ebpf_trace: Trace, tmp_path: Path, way: str) -> None:
    before = links(ebpf_trace)
    # Each way asks for something else: the same probe would be attached but once.
    calls = ebpf_trace.kernel_function("vfs_*", returns="s32", value=f"u64(arg{way == 'at once':d})")
    assert len(calls.functions) > 50
    assert links(ebpf_trace) - before == 2 * (1 if way == "at once" and HAS_FPROBE else len(calls.functions))
    (tmp_path / "one").symlink_to("none")
    (tmp_path / "one").rename(tmp_path / "two")
    (tmp_path / "two").unlink()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").rmdir()
    with pytest.raises(FileNotFoundError):
        (tmp_path / "folder").rmdir()
    changing = {"vfs_symlink", "vfs_rename", "vfs_unlink", "vfs_rmdir", "vfs_link", "vfs_mknod"}
    # Some of vfs_* cannot be probed on some kernels: all calls are not known.
    seen = calls.where(process=os.getpid()).seen()
    own = [(call.function, call.result) for call in seen if call.function in changing]
    assert own == [(f"vfs_{name}", 0) for name in ("symlink", "rename", "unlink", "rmdir")]
    ebpf_trace.assert_called("vfs_mkdir", count=1)
    ebpf_trace.assert_called("vfs_rmdir", count=1, result=0)
    ebpf_trace.assert_not_called("vfs_mknod")
    with pytest.raises(AssertionError, match="vfs_rename"):
        ebpf_trace.assert_not_called("vfs_rename")


@with_kprobes
def test_few_functions_of_a_pattern_have_their_own_arguments(ebpf_trace: Trace, tmp_path: Path) -> None:
    calls = ebpf_trace.probe("kprobe:vfs_[ru][mn][dl]i[rn]*")
    assert calls.functions == ("vfs_rmdir", "vfs_unlink")
    (tmp_path / "file").touch()
    (tmp_path / "file").unlink()
    call = calls.where(process=os.getpid()).one()
    assert (call.function, call.dentry.d_name.len, call.dir.i_ino) == ("vfs_unlink", 4, tmp_path.stat().st_ino)


@with_9p
def test_functions_of_modules_by_a_pattern(ebpf_trace: Trace, way: str) -> None:
    pattern = "9p:v9fs_*" if way == "at once" else "v9fs_*"
    calls = ebpf_trace.kernel_function(pattern, inode="u64@arg0", returns="s32")
    Path(__file__).read_bytes()
    opened = calls.where("v9fs_file_open", process=os.getpid())
    assert [call.result for call in opened] == [0]
    assert calls.where("v9fs_dir_release", process=os.getpid())
    ebpf_trace.assert_not_called("v9fs_vfs_rename")


@with_kprobes
def test_what_a_pattern_cannot_have_probed_is_not_shown_to_be_not_called(ebpf_trace: Trace) -> None:
    calls = ebpf_trace.kernel_function("do_u[ns]*")
    assert "do_unlinkat" in calls.functions
    assert "do_user_addr_fault" not in calls.functions
    with pytest.raises(TraceIncomplete, match=r"none be traced: do_user_addr_fault"):
        ebpf_trace.assert_not_called(calls)
    with pytest.raises(TraceIncomplete, match=r"none be traced: do_user_addr_fault"):
        ebpf_trace.assert_not_called(glob("do_u*"))
    with pytest.raises(UsageError, match="no probe on 'do_user_addr_fault'"):
        ebpf_trace.assert_not_called("do_user_addr_fault")
    ebpf_trace.assert_not_called("do_unlinkat")


@pytest.fixture
def switch() -> Iterator[Callable[[int], None]]:
    """Switches on and off what probes of the kernel's functions work by."""
    path = Path("/proc/sys/kernel/ftrace_enabled")

    def turn(on: int) -> None:
        path.write_text(str(on))

    yield turn
    path.write_text("1")


@with_kprobes
@pytest.mark.parametrize("asked", ["do_unlinkat", "do_[ru][mn]*"])
def test_what_is_switched_off_is_not_shown_to_be_not_called(
    ebpf_trace: Trace, tmp_path: Path, asked: str, switch: Callable[[int], None]
) -> None:
    switch(0)
    with pytest.raises(BrokerError) as caught:
        ebpf_trace.kernel_function(asked, third="u64(arg2)")
    assert str(caught.value).removeprefix("pytest-ebpf: the broker refused: ") == (
        f"this kernel ({os.uname().release}) traces no functions now (kernel.ftrace_enabled is 0), and a probe at"
        f" {asked} would not fire\n  try     sysctl kernel.ftrace_enabled=1"
    )
    switch(1)
    ebpf_trace.kernel_function(asked, third="u64(arg2)")
    ebpf_trace.assert_not_called("do_unlinkat")
    switch(0)
    (tmp_path / "file").touch()
    (tmp_path / "file").unlink()
    with pytest.raises(TraceIncomplete, match=r"the kernel traces no functions now \(kernel.ftrace_enabled is 0\)"):
        ebpf_trace.assert_not_called("do_unlinkat")
    switch(1)
    (tmp_path / "file").touch()
    (tmp_path / "file").unlink()
    with pytest.raises(AssertionError, match="do_unlinkat"):
        ebpf_trace.assert_not_called("do_unlinkat")


@with_kprobes
@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            "do_user_addr_faul?",
            (
                "kprobe:do_user_addr_faul?: none of what matches can be probed: the kernel has several of that name, or"
                " lets none be traced: do_user_addr_fault"
            ),
        ),
        ("do_unlinkattt*", f"this kernel ({os.uname().release}) has no function do_unlinkattt*; nearest: do_unlinkat"),
    ],
)
def test_patterns_that_name_nothing(ebpf_trace: Trace, pattern: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        ebpf_trace.kernel_function(pattern)
    assert str(caught.value).startswith(message)


@with_kprobes
def test_all_functions_of_the_kernel_are_too_many(ebpf_trace: Trace) -> None:
    with pytest.raises(UsageError, match=r"functions of the kernel, and a probe is on 10,000 at most, since each call"):
        ebpf_trace.kernel_function("*")
