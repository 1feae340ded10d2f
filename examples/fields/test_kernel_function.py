"""What functions of the kernel are passed and return: kprobes, ``fentry`` and ``fexit``."""

from pathlib import Path

import pytest

from pytest_ebpf import Trace

HERE = Path(__file__).parent
AT_FDCWD = -100  # linux/fcntl.h
ENOENT = 2

pytestmark = pytest.mark.skipif(
    not Path("/sys/bus/event_source/devices/kprobe").exists(),
    reason="this kernel was built without kprobes: no program can look into its functions",
)


def unlink_twice(path: Path) -> None:
    """Delete a file, and try to once more."""
    path.touch()
    path.unlink()
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("dialect", ["CO-RE", "BCC"])
def test_by_kprobes(ebpf_trace: Trace, tmp_path: Path, dialect: str) -> None:
    if dialect == "BCC":
        program = ebpf_trace.bcc(HERE / "kernel_function.bcc.c")
    else:
        program = ebpf_trace.program(HERE / "kernel_function.bpf.c")
    unlink_twice(tmp_path / "twice")

    path = str(tmp_path / "twice")
    program.assert_event("kprobe_entry", path=path, dfd=AT_FDCWD, parm1=AT_FDCWD, count=2)
    if dialect == "CO-RE":
        program.assert_event("kprobe_entry", path=path, parm1_core=AT_FDCWD, count=2)
    program.assert_event("kprobe_return", rc=0, count=1)
    program.assert_event("kprobe_return", rc=-ENOENT, count=1)


def test_by_fentry_and_fexit(ebpf_trace: Trace, tmp_path: Path) -> None:
    program = ebpf_trace.program(HERE / "kernel_function.bpf.c")
    unlink_twice(tmp_path / "twice")

    program.assert_event("fentry", path=str(tmp_path / "twice"), count=2)
    # The second time the kernel found no file to unlink.
    program.assert_event("fexit", name="twice", rc=0, count=1)
