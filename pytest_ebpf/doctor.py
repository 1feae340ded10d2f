"""``pytest-ebpf doctor``: what this machine can do, what is missing, and the command that mends it.

Only one check decides: a session is opened, and a program run in it. The others explain it.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_ebpf.broker import launch, privilege
from pytest_ebpf.errors import EbpfError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_ebpf.engine.session import Session

__all__ = ["Finding", "doctor"]

_RING_SIZE = 1 << 18
_UNPRIVILEGED = {
    "0": "anybody may load some kinds of programs, tracing ones not among them",
    "1": "only privileged processes load programs, until the next boot",
    "2": "only privileged processes load programs",
}
"""Of ``kernel.unprivileged_bpf_disabled`` (``Documentation/admin-guide/sysctl/kernel.rst``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report."""

    state: Literal["ok", "missing", "note"]
    """``note``: good to know, and nothing that must be mended."""
    what: str
    text: str
    remedy: str | None = None
    """A command."""

    def __str__(self) -> str:
        first, *rest = self.text.splitlines()
        lines = [f"{self.state:<9}{self.what:<14}{first}", *(f"{'':<23}{line}" for line in rest)]
        if self.remedy:
            lines.append(f"{'':<9}{'mend it':<14}{self.remedy}")
        return "\n".join(lines)


def doctor() -> int:
    """Print the findings; return 0 if tests can trace here, and 1 if not."""
    for check in (_python, _plugin, _extension, _types, _unprivileged, _memlock, _cgroup):
        _show(check())
    for finding in _privilege():
        _show(finding)
    verdict = _tracing()
    _show(verdict)
    return 0 if verdict.state == "ok" else 1


def _show(finding: Finding) -> None:
    sys.stdout.write(f"{finding}\n")
    sys.stdout.flush()


def _python() -> Finding:
    return Finding(state="ok", what="python", text=f"{platform.python_version()}, {sys.executable}")


def _plugin() -> Finding:
    try:
        version = metadata.version("pytest-ebpf")
    except metadata.PackageNotFoundError:
        return Finding(
            state="note",
            what="pytest-ebpf",
            text=f"not installed, runs from {Path(__file__).parent}: pytest finds no plugin",
        )
    return Finding(state="ok", what="pytest-ebpf", text=version)


def _extension() -> Finding:
    from pytest_ebpf.engine.native import library, object_path  # noqa: PLC0415 - what is to be tried

    try:
        library()
        folder = object_path("tracing").parent
    except EbpfError as error:
        reason = str(error).splitlines()[0].removeprefix("pytest-ebpf: ")
        command = f"{sys.executable} -m pip install --force-reinstall pytest-ebpf"
        return Finding(state="missing", what="extension", text=reason, remedy=command)
    return Finding(state="ok", what="extension", text=f"loads; kernel programs in {folder}")


def _types(path: Path = Path("/sys/kernel/btf/vmlinux")) -> Finding:
    if path.exists():
        return Finding(state="ok", what="kernel", text=f"{platform.release()}, describes its types (BTF)")
    return Finding(
        state="missing",
        what="kernel",
        text=f"{platform.release()} does not describe its types: {path} is not there (CONFIG_DEBUG_INFO_BTF)",
        remedy=f"apt-get install linux-image-{_debian_architecture()} && reboot",
    )


def _debian_architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _unprivileged(path: Path = Path("/proc/sys/kernel/unprivileged_bpf_disabled")) -> Finding:
    try:
        value = path.read_text().strip()
    except OSError as error:
        return Finding(state="note", what="bpf", text=f"{path} cannot be read: {error.strerror}")
    meaning = _UNPRIVILEGED.get(value, "of unknown meaning")
    return Finding(state="note", what="bpf", text=f"kernel.unprivileged_bpf_disabled = {value}: {meaning}")


def _memlock() -> Finding:
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    size = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit >> 10} KiB"
    text = f"{size}; BPF does not count against it since kernel 5.11"
    return Finding(state="note", what="memlock", text=text)


def _cgroup(root: Path = Path("/sys/fs/cgroup")) -> Finding:
    for folder, kind in ((root, "version 2"), (root / "unified", "versions 1 and 2; cgroup_id is of version 2")):
        if (folder / "cgroup.procs").exists() and (folder / "cgroup.controllers").exists():
            return Finding(state="ok", what="cgroup", text=kind)
    return Finding(
        state="note", what="cgroup", text="version 2 is not mounted: what cgroup_id names cannot be looked up"
    )


def _privilege() -> Iterator[Finding]:
    """Say which of the three ways is open, in the order in which they are tried."""
    broker = os.environ.get("PYTEST_EBPF_BROKER")
    if broker:
        yield Finding(state="note", what="broker", text=f"PYTEST_EBPF_BROKER={broker} is used")
        return
    held = privilege.read()
    text = f"CAP_BPF and CAP_PERFMON: {held} (uid {held.uid})"
    if held.sufficient:
        yield Finding(state="ok", what="capabilities", text=text)
        return
    serve = privilege.serve_command(held.outer_uid)
    if held.bpf and held.perfmon:
        remedy = f"{serve}      (outside of the namespace)"
        yield Finding(state="missing", what="capabilities", text=text, remedy=remedy)
        return
    yield Finding(state="note", what="capabilities", text=text)
    refusal = privilege.sudo_refusal()
    if refusal is None:
        yield Finding(state="ok", what="sudo -n", text="makes root of this user")
    else:
        remedy = f"sudo -v      or   {serve}"
        yield Finding(state="missing", what="sudo -n", text=refusal, remedy=remedy)


def _tracing() -> Finding:
    try:
        return Finding(state="ok", what="tracing", text=_observe())
    except (EbpfError, OSError, subprocess.SubprocessError) as error:
        return Finding(state="missing", what="tracing", text=str(error).removeprefix("pytest-ebpf: "))


def _observe() -> str:
    """Trace a program and say how that went."""
    from pytest_ebpf.engine.records import Decoder  # noqa: PLC0415 - loads the extension

    before = time.monotonic()
    with _session() as (session, programs):
        subprocess.run(["/bin/sh", "-c", ":"], check=True)
        seen = [name for name, _ in Decoder().decode(session.pull())]
    took = time.monotonic() - before
    if "exec" not in seen:
        raise EbpfError(f"{programs} programs are attached, and did not see /bin/sh being executed: {seen}")
    return f"{programs} programs attached, one program traced, {took * 1000:.0f} ms in all"


@contextlib.contextmanager
def _session() -> Iterator[tuple[Session, int]]:
    from pytest_ebpf.engine.session import Session as KernelSession  # noqa: PLC0415 - loads the extension

    run_directory = launch.new_run_directory()
    try:
        client = launch.connect(run_directory, os.getpid(), os.environ.get("PYTEST_EBPF_BROKER"))
        opened = client.open(_RING_SIZE)
        session = KernelSession(opened.ring_fd, opened.control_fd, opened.spill_fd, _RING_SIZE, client)
        with contextlib.closing(session):
            session.window = 1
            yield session, client.status().programs
    finally:
        launch.finish(run_directory)
