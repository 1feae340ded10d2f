"""Which kernel runs: what tells its builds apart, its version, and how it was configured."""

from __future__ import annotations

import gzip
import platform
import re
import struct
import sys
from pathlib import Path

from pytest_ebpf.errors import Unavailable

__all__ = ["MODULES", "build_id", "configuration", "version_code"]

NOTES = Path("/sys/kernel/notes")
"""ELF notes of the kernel's image (kernel/ksysfs.c)."""
MODULES = Path("/lib/modules") / platform.release()
BOOT = Path("/boot")
PROC = Path("/proc")
_NOTE = struct.Struct("III")
_NT_GNU_BUILD_ID = 3
_VERSION_NOTE = _NOTE.pack(len("Linux") + 1, 4, 0) + b"Linux\0\0\0"
_ALWAYS = {
    "x86_64": ("64BIT", "ARCH_HAS_SYSCALL_WRAPPER", "BPF_SYSCALL", "INET", "NET", "NET_NS", "SMP", "X86", "X86_64"),
    "aarch64": ("64BIT", "ARCH_HAS_SYSCALL_WRAPPER", "ARM64", "BPF_SYSCALL", "INET", "NET", "NET_NS", "SMP"),
}
"""What is so in every distribution's kernel, by machine, without ``CONFIG_``."""


def build_id() -> str:
    """Return the build id of the running kernel, in hexadecimal digits.

    Raises:
        Unavailable: It shows none.
    """
    try:
        notes = NOTES.read_bytes()
    except OSError as error:
        raise Unavailable(
            f"pytest-ebpf: the kernel's build id cannot be read: {NOTES}: {error.strerror}\n"
            "  needs   /sys mounted: headers made from the kernel's types are kept by its build id"
        ) from error
    at = 0
    while at + _NOTE.size <= len(notes):
        owner, size, kind = _NOTE.unpack_from(notes, at)
        start = at + _NOTE.size + (owner + 3 & ~3)
        if kind == _NT_GNU_BUILD_ID and notes[at + _NOTE.size :].startswith(b"GNU\0"):
            return notes[start : start + size].hex()
        at = start + (size + 3 & ~3)
    raise Unavailable(
        f"pytest-ebpf: the kernel has no build id in {NOTES}\n"
        "  needs   a kernel linked with --build-id: headers made from its types are kept by it"
    )


def version_code() -> int:
    """Return ``LINUX_VERSION_CODE``, as the kernel's own build had it.

    It is a note in the code that the kernel maps into each process (arch/x86/entry/vdso/vdso-note.S). A release does
    not tell it: that of Debian's 6.1.176 is 6.1.0-53-amd64.

    Raises:
        Unavailable: There is no such code.
    """
    for line in (PROC / "self/maps").read_text(encoding="utf-8").splitlines():
        if line.endswith("[vdso]"):
            start, end = (int(address, 16) for address in line.split()[0].split("-"))
            with (PROC / "self/mem").open("rb", buffering=0) as memory:
                memory.seek(start)
                _, found, value = memory.read(end - start).partition(_VERSION_NOTE)
            if found:
                return int.from_bytes(value[:4], sys.byteorder)
    raise Unavailable(
        "pytest-ebpf: the kernel does not tell its version (LINUX_VERSION_CODE)\n"
        "  needs   its vDSO, which the kernel parameter vdso=0 turns off"
    )


def configuration() -> dict[str, str]:
    """Return the kernel's ``.config``, where it is; else what every kernel that can trace has in it."""
    for path in (PROC / "config.gz", BOOT / f"config-{platform.release()}", MODULES / "config"):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        return dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.MULTILINE))
    return {f"CONFIG_{name}": "y" for name in _ALWAYS.get(platform.machine(), ())}
