"""Debian's stock kernels, from where this machine's apt gets its own packages."""

from __future__ import annotations

import fcntl
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from e2e import debian

SUITES = {"5.10": "bullseye", "6.1": "bookworm", "6.12": "trixie"}
"""Which Debian has which kernel."""
PACKAGE = "linux-image-amd64"
"""Depends on the newest one. The kernel for clouds (linux-image-cloud-amd64) has no 9p."""
MODULES = ("virtio_pci", "9pnet_virtio", "9p")
"""What a guest needs to reach its root."""


class Kernel(NamedTuple):
    """A kernel, and what it needs to mount a folder of the host's."""

    image: Path
    modules: list[Path]
    """In the order in which they are loaded."""


def kernel(version: str) -> Kernel:
    """One of `SUITES`, fetched when it is asked for for the first time, and then no more.

    Raises ``LookupError`` when apt knows no Debian mirror.
    """
    folder = debian.cache() / f"kernel-{version}-{'-'.join(MODULES)}"
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            work = Path(tempfile.mkdtemp(dir=debian.cache()))
            try:
                fetch(SUITES[version], work)
                (work / "kernel").rename(folder)  # whole or not at all
            finally:
                shutil.rmtree(work)
    return Kernel(folder / "vmlinuz", sorted((folder / "modules").iterdir()))


def fetch(suite: str, work: Path) -> None:
    """Put image and modules of a Debian's kernel into the folder "kernel" of an empty one."""
    source = debian.mirror()
    signed = f"[signed-by={source.keyring}] " if source.keyring else ""
    (work / "sources").write_text(f"deb {signed}{source.uri} {suite} main\n")
    (work / "status").touch()
    (work / "state/lists/partial").mkdir(parents=True)
    (work / "cache/archives/partial").mkdir(parents=True)

    apt(work, "apt-get", "--quiet", "update")
    depends = apt(work, "apt-cache", "depends", "--important", PACKAGE)
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        raise LookupError(f"{PACKAGE} of {suite} depends on no kernel: {depends}")
    apt(work, "apt-get", "--quiet", "download", found[1])
    [package] = work.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, work / "unpacked"], check=True)

    (work / "kernel/modules").mkdir(parents=True)
    [image] = (work / "unpacked/boot").glob("vmlinuz-*")
    image.rename(work / "kernel/vmlinuz")
    files = {path.name.partition(".")[0]: path for path in (work / "unpacked").rglob("*.ko*")}
    for number, module in enumerate(needed(files)):
        (work / f"kernel/modules/{number:02}-{module}.ko").write_bytes(content(files[module]))


def apt(work: Path, *command: str) -> str:
    """Output of one of apt's commands that knows one suite, and of no package that it is installed."""
    settings = {
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "",  # nobody else could write here
        "Acquire::Languages": "none",
        "Dir::Cache": work / "cache",
        "Dir::Etc::SourceList": work / "sources",
        "Dir::Etc::SourceParts": os.devnull,
        "Dir::State": work / "state",
        "Dir::State::Status": work / "status",
    }
    options = [f"--option={name}={value}" for name, value in settings.items()]
    done = subprocess.run(
        [*command, *options], cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} from {work / 'sources'}:\n{done.stdout}")
    return done.stdout


def content(path: Path) -> bytes:
    """A module as the kernel loads it: Debian 13 packs them."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def needed(files: dict[str, Path]) -> list[str]:
    """`MODULES`, each behind those that it depends on. What is not there is in the image."""
    ordered: list[str] = []

    def add(name: str) -> None:
        if name in ordered or name not in files:
            return
        # depends=one,other in its section .modinfo, which are strings that end in NUL.
        said = re.search(rb"\0depends=([^\0]+)\0", content(files[name]))
        for other in said[1].decode().split(",") if said else ():
            add(other)
        ordered.append(name)

    for name in MODULES:
        add(name)
    return ordered
