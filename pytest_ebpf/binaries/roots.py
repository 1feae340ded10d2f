"""Paths under another root: that of a process in another mount namespace, or of an unpacked image."""

from __future__ import annotations

import errno
import os

from pytest_ebpf.binaries.errors import NoSuchFile

__all__ = ["inside"]

_MAX_LINKS = 40
"""As the kernel's ``MAXSYMLINKS``."""


def inside(root: str, path: str) -> str:
    """Return where an absolute path leads for who has `root` as ``/``, as a path of this process.

    Its symbolic links are followed there: ``/proc/PID/root/lib`` may be a link to ``/usr/lib``, which opened
    by us would lead to our own. What is not there is left as it is. Raises `NoSuchFile` for a loop of links.
    """
    root = root.rstrip("/")
    if not root:
        return path
    done: list[str] = []
    rest = [part for part in reversed(path.split("/")) if part not in {"", "."}]
    links = 0
    while rest:
        part = rest.pop()
        if part == "..":
            done = done[:-1]
            continue
        here = "/".join((root, *done, part))
        try:
            target = os.readlink(here)
        except OSError:
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise NoSuchFile(f"{path}: it cannot be read ({os.strerror(errno.ELOOP)}): a probe needs a file")
        if target.startswith("/"):
            done = []
        rest += [each for each in reversed(target.split("/")) if each not in {"", "."}]
    return "/".join((root, *done))
