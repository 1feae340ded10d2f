"""What this process may do, and how it could come by what it may not. No side effects but ``sudo -n true``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pytest_ebpf.errors import Unavailable

__all__ = ["Privilege", "own_command", "read", "serve_command", "sudo_refusal", "sudo_words", "unavailable"]

# Bits of the capability sets: linux/capability.h.
_CAP_SYS_ADMIN = 21
_CAP_PERFMON = 38
_CAP_BPF = 39

_INITIAL_USER_NAMESPACE = 0xEFFFFFFD
"""Inode of the initial user namespace in ``/proc/PID/ns`` (``PROC_USER_INIT_INO``, ``linux/proc_ns.h``)."""

_SUDO_TIMEOUT = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Privilege:
    """What decides whether the kernel lets a process load tracing programs (``bpf(2)``, ``capabilities(7)``)."""

    uid: int
    """Effective user id."""
    outer_uid: int
    """The same as the user namespace counts that ours was made in; a broker out there sees this one."""
    bpf: bool
    """CAP_BPF, or CAP_SYS_ADMIN in its stead."""
    perfmon: bool
    """CAP_PERFMON, or CAP_SYS_ADMIN in its stead."""
    initial_namespace: bool
    """Whether they count: the kernel asks for them in the initial user namespace."""

    @property
    def sufficient(self) -> bool:
        """Whether it is worth trying."""
        return self.bpf and self.perfmon and self.initial_namespace

    def __str__(self) -> str:
        """Say what is held: ``has neither``."""
        held = [name for name, has in (("CAP_BPF", self.bpf), ("CAP_PERFMON", self.perfmon)) if has]
        if not held:
            return "has neither"
        if len(held) == 1:
            return f"has only {held[0]}"
        return "has both" if self.initial_namespace else "has both only in a user namespace of its own"


def read(proc: Path = Path("/proc/self")) -> Privilege:
    """Read this process's privilege from its ``status`` in `proc`."""
    effective = 0
    for line in (proc / "status").read_text().splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
    admin = bool(effective >> _CAP_SYS_ADMIN & 1)
    uid = os.geteuid()
    return Privilege(
        uid=uid,
        outer_uid=_outer(uid, (proc / "uid_map").read_text()),
        bpf=admin or bool(effective >> _CAP_BPF & 1),
        perfmon=admin or bool(effective >> _CAP_PERFMON & 1),
        initial_namespace=(proc / "ns" / "user").stat().st_ino == _INITIAL_USER_NAMESPACE,
    )


def _outer(uid: int, uid_map: str) -> int:
    """Translate a uid by a ``/proc/PID/uid_map``: first inside, first outside, count (``user_namespaces(7)``)."""
    for line in uid_map.splitlines():
        inside, outside, count = (int(word) for word in line.split())
        if inside <= uid < inside + count:
            return outside + uid - inside
    return uid


def sudo_refusal() -> str | None:
    """Return why ``sudo -n`` does not make this process root, in sudo's words; None: it does."""
    sudo = shutil.which("sudo")
    if sudo is None:
        return "sudo is not installed"
    try:
        done = subprocess.run(
            [sudo, "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_SUDO_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return sudo_words(done.stderr.decode(errors="replace"))


def sudo_words(said: str) -> str:
    """Return the last thing that sudo said, without its name in front."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1].removeprefix("sudo: ") if lines else "it said nothing"


def own_command() -> str:
    """Return what to type, after ``sudo``, to run the ``pytest-ebpf`` of this very environment.

    sudo looks for commands in a path of its own, which no virtual environment is in.
    """
    if not sys.executable:
        return "pytest-ebpf"
    script = Path(sys.executable).with_name("pytest-ebpf")
    return str(script) if script.exists() else f"{sys.executable} -m pytest_ebpf"


def serve_command(uid: int) -> str:
    """Return what an administrator types to serve a user."""
    return f"sudo {own_command()} serve --uid {uid}"


def unavailable(privilege: Privilege, sudo: str) -> Unavailable:
    """Return the error of a process that has no way to privilege.

    Args:
        privilege: What it has itself.
        sudo: Why sudo does not help.
    """
    serve = serve_command(privilege.outer_uid)
    if privilege.bpf and privilege.perfmon:
        # sudo does not help in there: its root is the namespace's too.
        return Unavailable(
            "pytest-ebpf: the kernel takes tracing programs only from its initial user namespace\n"
            f"  needs   CAP_BPF and CAP_PERFMON there; {privilege} (uid {privilege.uid})\n"
            f"  try     outside of it: {serve}      and export PYTEST_EBPF_BROKER in here, as that says"
        )
    return Unavailable(
        "pytest-ebpf: the kernel takes tracing programs only from a privileged process\n"
        f"  needs   CAP_BPF and CAP_PERFMON; {privilege} (uid {privilege.uid}; sudo -n: {sudo})\n"
        f"  try     sudo -v && pytest …      or   {serve}"
    )
