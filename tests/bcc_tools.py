"""Runs the tools of Debian's bpfcc-tools, unchanged (by bcc_witness.py).

    python3 bcc_tools.py load|attach [TOOL …]

prints what became of each, a line of JSON each. ``BCC_KERNEL_SOURCE`` says with which headers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tiers import require_command, unable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WITNESS = Path(__file__).with_name("bcc_witness.py")
PYTHON = "/usr/bin/python3"
"""The one that Debian's BCC is for."""
AT_ONCE = 2
PATIENCE = 300
"""Seconds that a tool may take; on an emulated processor some take a minute."""

PID = str(os.getpid())
"""Some process."""
ARGUMENTS = {
    "argdist": ["-C", "p::vfs_read()"],
    "biolatpcts": [f"/dev/{disk.name}" for disk in sorted(Path("/sys/block").iterdir())[-1:]],
    "dbslower": ["mysql"],
    "dbstat": ["mysql"],
    "deadlock": [PID],
    "dirtop": ["--root-directories", "/usr"],
    "funccount": ["vfs_read"],
    "funcinterval": ["vfs_read"],
    "funclatency": ["vfs_read"],
    "funcslower": ["vfs_read"],
    "inject": ["kmalloc", "vfs_read()"],
    "mysqld_qslower": [PID],
    "netqtop": ["--name", "lo"],
    "stackcount": ["vfs_read"],
    "trace": ["vfs_read"],
    "ttysnoop": ["/dev/console"],
    "ucalls": ["--language", "none", "--syscalls", PID],
    "uflow": ["--language", "python", PID],
    "ugc": ["--language", "python", PID],
    "uobjnew": ["--language", "c", PID],
    "uthreads": ["--language", "c", PID],
}
"""Of the tools that need any."""

# The tools look into debugfs, which is not mounted everywhere. A kernel without kprobes has no list there of those
# that cannot be probed, which the tools want to read all the same.
MOUNT = {
    "attach": "mount -t debugfs debugfs /sys/kernel/debug",
    "load": (
        "mount -t tmpfs tmpfs /sys/kernel/debug && cd /sys/kernel/debug && mkdir tracing kprobes"
        " && touch kprobes/blacklist && mount -t tracefs tracefs tracing && cd /"
    ),
}


@dataclass(kw_only=True)
class Told:
    """What became of a tool."""

    tool: str
    loaded: list[str] = field(default_factory=list)
    """Programs that the kernel took."""
    not_loaded: dict[str, str] = field(default_factory=dict)
    """Programs that it refused, and its reason."""
    attached: int = 0
    """Places."""
    not_attached: dict[str, str] = field(default_factory=dict)
    texts: int = 0
    """How many were compiled, or tried to be."""
    error: str = ""
    """What the tool ended with."""
    stopped: float = 0
    """Seconds after which it was stopped, if it was."""
    output: str = ""

    @property
    def loads(self) -> bool:
        """It went as far as to wait for events, with all its programs loaded."""
        return bool(self.loaded) and not self.not_loaded and not self.error and not self.stopped

    @property
    def compiles(self) -> bool:
        """Its text, if it got so far as to make one."""
        return "Failed to compile" not in self.error

    @property
    def attaches(self) -> bool:
        """And they are attached, to what it tries first or falls back to."""
        return self.loads and self.attached > 0


def require() -> None:
    """Leave where there is no BCC."""
    require_command("dpkg-query", "unshare")
    if not Path("/usr/lib/python3/dist-packages/bcc").exists():
        unable("needs BCC: apt-get install python3-bpfcc bpfcc-tools")


def tools() -> list[str]:
    """The package's tools that are programs in Python; its others are scripts that start one of these."""
    listed = subprocess.run(["dpkg-query", "--listfiles", "bpfcc-tools"], capture_output=True, text=True, check=True)
    paths = [Path(line) for line in listed.stdout.splitlines() if line.startswith("/usr/sbin/")]
    return sorted(path.name.removesuffix("-bpfcc") for path in paths if b"python" in path.read_bytes().split(b"\n")[0])


def path_of(tool: str) -> Path:
    """Where a tool is."""
    path = Path(f"/usr/sbin/{tool}-bpfcc")
    return path if path.exists() else path.with_name(tool)


def run(tool: str, mode: str) -> Told:
    """Run one to where it would wait."""
    [told] = run_all([tool], mode)
    return told


def run_all(names: Sequence[str], mode: str) -> Iterator[Told]:
    """Run some, two at once; yield each as it has ended."""
    asked = json.dumps([[name, str(path_of(name)), *ARGUMENTS.get(name, ())] for name in names])
    witness = [PYTHON, str(WITNESS), mode, str(AT_ONCE), str(PATIENCE)]
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f'{MOUNT[mode]} && exec "$@"', "sh", *witness],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TERM": "dumb"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        with process.stdin:
            process.stdin.write(asked)
        for line in process.stdout:
            yield Told(**json.loads(line))
    assert process.returncode == 0


def main() -> None:
    """Run those that were named, or all."""
    mode, *names = sys.argv[1:]
    for told in run_all(names or tools(), mode):
        sys.stdout.write(json.dumps(asdict(told)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
