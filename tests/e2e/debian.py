"""A minimal Debian in a folder, made by debootstrap from where this machine's apt gets its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

PACKAGES = "python3,python3-pip"


@dataclass(frozen=True)
class Mirror:
    """Where apt gets Debian's main packages, as ``apt-get indextargets`` says."""

    uri: str
    codename: str
    keyring: str | None
    """File with the keys that may sign it, or None for debootstrap's default."""


def mirror() -> Mirror:
    """The first one in apt's configuration that has a whole Debian.

    Raises ``LookupError`` when there is none, or apt was never updated.
    """
    form = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(CODENAME)|$(REPO_URI)|$(SOURCESENTRY)"
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
        check=True,
        capture_output=True,
        text=True,
    )
    for line in listing.stdout.splitlines():
        origin, label, component, codename, uri, entry = line.split("|")
        # Updates and security have the same origin and component; they are no
        # whole system. Their codename has a suffix, or their label differs.
        if (origin, label, component) == ("Debian", "Debian", "main") and codename.isalpha():
            return Mirror(uri, codename, keyring(Path(entry.rpartition(":")[0]), uri))
    raise LookupError("apt knows no Debian mirror: apt-get update")


def keyring(sources: Path, uri: str) -> str | None:
    """What a sources file (either format) says after ``Signed-By`` beside this address."""
    text = re.sub(r"^#.*\n", "", sources.read_text(), flags=re.MULTILINE)
    separator = "\n\n" if sources.suffix == ".sources" else "\n"
    for entry in text.split(separator):
        signed = re.search(r"signed-by[:=]\s*(/[^\s\]]+)", entry, re.IGNORECASE)
        if uri.rstrip("/") in entry and signed:
            return signed[1]
    return None


def cache() -> Path:
    """The folder in which what was fetched is kept from run to run."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pytest-ebpf"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cached() -> Path:
    """A tar of a minimal Debian with only Python and pip added, made when first asked for."""
    source = mirror()
    archive = cache() / f"debian-{source.codename}-{PACKAGES.replace(',', '-')}.tar"
    if archive.exists():
        return archive
    work = Path(tempfile.mkdtemp(dir=cache()))
    try:
        trusted = [f"--keyring={source.keyring}"] if source.keyring else []
        subprocess.run(
            [
                *("debootstrap", "--variant=minbase", f"--include={PACKAGES}", *trusted),
                *(source.codename, str(work / "root"), source.uri),
            ],
            check=True,
        )
        shutil.rmtree(work / "root/var/cache/apt")
        tar = ["tar", "--create", "--numeric-owner", "--directory", str(work / "root")]
        subprocess.run([*tar, "--file", str(work / "tar"), "."], check=True)
        (work / "tar").rename(archive)  # whole or not at all
    finally:
        shutil.rmtree(work)
    return archive


def unpack(folder: Path) -> None:
    """Make the system in an empty folder."""
    subprocess.run(
        [
            *("tar", "--extract", "--numeric-owner", "--preserve-permissions"),
            *("--file", str(cached()), "--directory", str(folder)),
        ],
        check=True,
    )


def run_in(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in it: this kernel, but no network and none of this machine's files."""
    enter = 'for it in proc sys dev; do mount --rbind "/$it" "$0/$it"; done; exec chroot "$0" "$@"'
    return subprocess.run(
        [
            *("unshare", "--mount", "--net", "--propagation", "private"),
            *("sh", "-c", enter, str(root), *command),
        ],
        env={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
