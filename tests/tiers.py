"""What a test does where it cannot run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

HAS_KPROBES = Path("/sys/bus/event_source/devices/kprobe").exists()
"""Whether the kernel was built with them (``CONFIG_KPROBE_EVENTS``); ``tests/vm`` runs what needs them where it was."""
with_kprobes = pytest.mark.skipif(not HAS_KPROBES, reason="this kernel was built without kprobes")
without_kprobes = pytest.mark.skipif(HAS_KPROBES, reason="this kernel has kprobes")


def unable(reason: str) -> NoReturn:
    """Skip with the reason, or fail under ``CI=true``: there, everything must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"cannot run here, and CI must run everything: {reason}", pytrace=False)
    pytest.skip(reason)


def require_root() -> None:
    """Leave unless this is root with the right to mount and to change root."""
    if os.geteuid() != 0:
        pytest.skip("needs root, and this is the suite as an unprivileged user")


def require_command(*names: str) -> None:
    """Leave unless all of them are on ``PATH``."""
    for name in names:
        if shutil.which(name) is None:
            unable(f"needs the command {name}: apt-get install {PACKAGES.get(name, name)}")


PACKAGES = {
    "busybox": "busybox-static",
    "bwrap": "bubblewrap",
    "ip": "iproute2",
    "qemu-system-x86_64": "qemu-system-x86",
    "systemd-analyze": "systemd",
}
"""Debian package of a command, where it is not called the same."""
