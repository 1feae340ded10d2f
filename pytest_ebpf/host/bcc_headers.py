"""Whether the files that a text of BCC's includes are still those that it was compiled with."""

from __future__ import annotations

import os
import time
from typing import TypeAlias

from pytest_ebpf.prerequisites import prerequisites

__all__ = ["Headers"]

_State: TypeAlias = tuple[int, ...]
_VIRTUAL = "/virtual/"
"""Where BCC shows clang what is in no file (``src/cc/frontends/clang/kbuild_helper.cc``)."""


class Headers:
    """The files that one text includes; those of a kernel's headers, which BCC itself gives, are left out."""

    def __init__(self) -> None:
        """Prepare, before it is compiled."""
        self._started_ns = time.time_ns()
        self._rule = os.memfd_create("pytest-ebpf-includes", os.MFD_CLOEXEC)
        self.flags = ("-MMD", "-MF", f"/proc/self/fd/{self._rule}")
        """Have clang, which runs in this process, write which they are."""
        self._known: dict[str, _State] = {}

    def note(self) -> None:
        """See which they are, and how they are now: it is compiled. Do not call it again."""
        rule = os.pread(self._rule, os.fstat(self._rule).st_size, 0).decode(errors="surrogateescape")
        # BCC compiles in the folder of the kernel's headers, which it names from there.
        files = [name for name in prerequisites(rule) if name.startswith("/") and not name.startswith(_VIRTUAL)]
        states = {name: _state(name) for name in files}
        self.close()
        # Of a file that changed meanwhile, nobody knows what was compiled.
        if all(changed_ns < self._started_ns for *_, changed_ns in states.values()):
            self._known = states

    def are_as_they_were(self) -> bool:
        """Tell whether none of them is another; not where it is not known which they are, as the first is our own."""
        return bool(self._known) and all(_state(name) == known for name, known in self._known.items())

    def close(self) -> None:
        """Free what `note` did not; safe to call again."""
        if self._rule >= 0:
            os.close(self._rule)
            self._rule = -1


def _state(name: str) -> _State:
    """Return what is another when the file is; of one that is gone, nothing that any file has."""
    try:
        status = os.stat(name)  # noqa: PTH116 - names of no encoding
    except OSError:
        return (time.time_ns(),)
    return status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns
