"""A header tree for BCC where the kernel's headers are not installed: its types out of BTF, and the macros it lacks."""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf import cache
from pytest_ebpf.headers import kernel
from pytest_ebpf.headers.vmlinux import generator, write_types

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["bcc_tree", "kernel_source"]

INCLUDE = Path("/usr/include")
"""Where the headers of the kernel's interface to programs are installed (``linux-libc-dev``)."""
HERE = Path(__file__).parent
_OWN = {"common.h": "common.h", "functions.h": "functions.h", "kconfig.h": "linux/kconfig.h", "net.h": "net.h"}
"""Where each of our own is in the tree."""
_OF_THE_NETWORK = re.compile(
    r"net/|linux/(tcp|udp|ip|ipv6|icmpv6|inetdevice|netdevice|skbuff|mroute\w*|netfilter\w*|sock_diag|inet_diag).*"
)
"""Headers that include net/sock.h, which brings short names."""
_HEAD = "#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n"
_TAIL = "\n#endif\n"


def kernel_source() -> Path | None:
    """Return what is to be in ``BCC_KERNEL_SOURCE``; None: headers are installed, and BCC itself finds them.

    Raises:
        Unavailable: There are no headers, and none can be made.
    """
    return None if is_installed() else bcc_tree()


def is_installed() -> bool:
    """Tell whether the headers of the running kernel are where BCC looks for them (its ``kbuild_helper.cc``)."""
    return any((kernel.MODULES / name / "include/linux").is_dir() for name in ("build", "source"))


@functools.cache
def bcc_tree() -> Path:
    """Return a directory that BCC can use as a kernel's source.

    Raises:
        Unavailable: The kernel shows no types, or the cache cannot be written to.
    """
    return cache.made(f"bcc-{kernel.build_id()}-{generator()}-{_installed()}", _write)


def _installed() -> str:
    """Return what changes with the installed headers for programs."""
    try:
        return f"{(INCLUDE / 'linux/version.h').stat().st_mtime_ns:x}"
    except OSError:
        return "none"


def _write(folder: Path) -> None:
    include = folder / "include"
    (include / "linux").mkdir(parents=True)
    write_types(include / "vmlinux.h", _HEAD, _TAIL, filled=True)
    for name, place in _OWN.items():
        shutil.copyfile(HERE / name, include / place)
    _generate(include / "generated")
    for name, text in _skeletons():
        path = include / "uapi" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    _forward(include)


def _forward(include: Path) -> None:
    """Make each of the kernel's headers that there is no better one of."""
    (include / "empty.h").touch()
    folder = ""
    for word in (HERE / "names.txt").read_text(encoding="utf-8").split():
        if word.endswith("/"):
            folder = word
            (include / folder).mkdir(parents=True, exist_ok=True)
            of_programs = {path.name for path in (include / "uapi" / folder).glob("*.h")}
            continue
        name = f"{folder}{word}.h"
        stands_for_it = "net.h" if _OF_THE_NETWORK.match(name) else "common.h"
        if (include / name).exists():
            continue
        if f"{word}.h" in of_programs:
            (include / name).write_text(f"#include <{stands_for_it}>\n#include <uapi/{name}>\n")
        else:
            os.link(include / ("empty.h" if folder.startswith("uapi/") else stands_for_it), include / name)


def _generate(folder: Path) -> None:
    """Write what depends on the kernel and is not in its types."""
    (folder / "uapi/linux").mkdir(parents=True)
    version = kernel.version_code()
    (folder / "uapi/linux/version.h").write_text(
        f"#define LINUX_VERSION_CODE {version}\n"
        "#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))\n"
    )
    shift = os.sysconf("SC_PAGE_SIZE").bit_length() - 1
    (folder / "page.h").write_text(
        f"#define PAGE_SHIFT {shift}\n#define PAGE_SIZE (1UL << PAGE_SHIFT)\n#define PAGE_MASK (~(PAGE_SIZE - 1))\n"
    )
    (folder / "autoconf.h").write_text(macros(kernel.configuration()), encoding="utf-8")


def macros(configuration: Mapping[str, str]) -> str:
    """Return a kernel's configuration as its own build has C see it (``scripts/kconfig/confdata.c``)."""
    lines = [
        f"#define {name}_MODULE 1\n" if value == "m" else f"#define {name} {1 if value == 'y' else value}\n"
        for name, value in configuration.items()
    ]
    return "".join(lines)


def _skeletons() -> Iterator[tuple[str, str]]:
    """Yield the installed headers for programs with nothing left but what the preprocessor reads."""
    # Debian has those of one architecture in a folder of their own.
    debian = INCLUDE / f"{platform.machine()}-linux-gnu"
    for base, top in ((INCLUDE, "linux"), (INCLUDE, "asm-generic"), (INCLUDE, "asm"), (debian, "asm")):
        for path in sorted((base / top).rglob("*.h")):
            name = str(path.relative_to(base))
            if name != "linux/version.h":
                yield name, skeleton(path.read_text(encoding="utf-8", errors="replace"))


_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:.*\\\n)*.*\n", re.MULTILINE)
_OTHERS = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<(?!linux/|asm/|asm-generic/).*\n", re.MULTILINE)
"""The C library's headers, which the kernel's own build of the same file leaves out."""


def skeleton(text: str) -> str:
    """Return the preprocessor's lines of a C text."""
    return _OTHERS.sub("", "".join(_DIRECTIVE.findall(_COMMENT.sub(" ", text))))
