"""Runs a command under another kernel: on a virtual machine whose files are this machine's, read-only."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vm import kernels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROJECT = Path(__file__).parents[2]
KERNELS = ["6.1", "6.12"]
"""Those that all is traced on."""
PYTEST = ["pytest", "-p", "no:cacheprovider"]
"""The clone cannot be written to."""
MEMORY = 2048
"""MiB."""
PATIENCE = 5400
"""Seconds for whatever is run: the longest, the kernel tier, took 33 minutes where five programs shared two CPUs."""
COVERED = ("/dev/shm/", "/run/", "/tmp/", "/var/tmp/")
"""Where the guest can write."""
SCRIPT = """
{visible}
cd {project}
env --ignore-environment {environment} setsid --wait {command} </dev/null >/run/shared/output 2>&1
echo $? >/run/shared/status
exec /run/busybox poweroff -f
"""


class Done(NamedTuple):
    """What became of a command."""

    status: int | None
    """What it exited with; None: the machine ended, or was stopped, before it did."""
    output: str
    console: str
    """What the kernel said."""

    def __str__(self) -> str:
        return f"status {self.status}\n--- output\n{self.output}\n--- console\n{self.console}"


def run(
    version: str, command: Sequence[str], environment: Mapping[str, str] | None = None, *, timeout: float = PATIENCE
) -> Done:
    """Boot a kernel of Debian's, and run a command in the clone as root, with nothing but loopback.

    What it can write to is in memory: /tmp, /var/tmp, /run and /dev/shm. The commands of the environment that runs
    this are on its PATH.
    """
    with tempfile.TemporaryDirectory(prefix="guest-") as name:
        folder = Path(name)
        shared = folder / "shared"
        shared.mkdir()
        (shared / "script").write_text(script(command, environment or {}))
        kernel = kernels.kernel(version)
        initramfs(folder / "initramfs", kernel.modules)
        qemu = [
            *("setpriv", "--pdeathsig", "KILL"),  # else it goes on when this run is killed
            *("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", str(MEMORY)),
            *("-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{folder / 'console'}"),
            *("-kernel", str(kernel.image), "-initrd", str(folder / "initramfs")),
            # The clock and the mitigations cost an emulated processor much. On a busy machine its timer is late, and
            # the kernel, which tests that, panics at boot.
            *("-append", "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check mitigations=off"),
            *("-virtfs", "local,mount_tag=host,path=/,readonly=on,security_model=none,multidevs=remap"),
            *("-virtfs", f"local,mount_tag=shared,path={shared},security_model=none"),
        ]
        late = ""
        try:
            subprocess.run(qemu, stdin=subprocess.DEVNULL, check=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            late = f"\nstopped after {timeout} s"
        said = {name: text(shared / name) for name in ("status", "output")}
        status = int(said["status"]) if said["status"] else None
        return Done(status, said["output"], text(folder / "console") + late)


def text(path: Path) -> str:
    """What is in a file that may not be there."""
    return path.read_text(errors="replace") if path.exists() else ""


def script(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """What the guest's shell runs."""
    variables = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis",
        "PYTHONDONTWRITEBYTECODE": "1",
        **environment,
    }
    return SCRIPT.format(
        visible="\n".join(uncovering(path) for path in (PROJECT, sys.prefix, sys.base_prefix)),
        project=shlex.quote(str(PROJECT)),
        environment=shlex.join(f"{name}={value}" for name, value in variables.items()),
        command=shlex.join(command),
    )


def uncovering(path: Path | str) -> str:
    """Command that makes a folder of the host's seen which the guest's own may lie above."""
    if not str(path).startswith(COVERED):
        return ""
    own, theirs = shlex.quote(str(path)), shlex.quote(on_host(path))
    return f"mkdir -p {own} && mount --bind {theirs} {own}"


def on_host(path: Path | str) -> str:
    """Where a guest sees a folder of the host's that its own may cover."""
    return f"/run/host{path}"


def initramfs(target: Path, modules: Sequence[Path]) -> None:
    """Write what the kernel unpacks and starts: busybox, the modules and "init"."""
    busybox = shutil.which("busybox")
    assert busybox
    files = {"init": Path(__file__).parent / "init", "bin/busybox": Path(busybox)}
    files |= {f"modules/{path.name}": path for path in modules}
    with target.open("wb") as archive:
        for made in ("bin", "dev", "host", "modules"):
            archive.write(entry(made, 0o40755))
        archive.write(entry("dev/console", 0o20600, device=(5, 1)))
        for name, path in files.items():
            archive.write(entry(name, 0o100755, path.read_bytes()))
        archive.write(entry("TRAILER!!!", 0))


def entry(name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    """A file of a cpio archive (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    encoded = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return padded(header + encoded) + padded(content)


def padded(data: bytes) -> bytes:
    """With zeros up to a multiple of four."""
    return data + bytes(-len(data) % 4)
