"""Where the dynamic loader finds a library (ld.so(8)), without asking it: nothing is executed."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf.binaries.elf import Elf
from pytest_ebpf.binaries.errors import Corrupt, NoSuchFile, NotABinary
from pytest_ebpf.binaries.roots import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["cached_libraries", "find_library", "needed_by"]

_DT_NEEDED, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 14, 15, 29
_CACHE = "/etc/ld.so.cache"
_MAGIC = b"glibc-ld.so.cache1.1"
_ENTRY = struct.Struct("=iIIIQ")
_HEADER = 48
"""Bytes of ``struct cache_file_new`` (glibc, ``sysdeps/generic/dl-cache.h``), and of ``file_entry_new`` 24."""
_HWCAP_EXTENSION = 1 << 62
_FLAGS = {"x86-64": 0x0303, "i386": 0x0003, "aarch64": 0x0A03, "x32": 0x0803, "arm": 0x0903}
"""``FLAG_ELF_LIBC6`` and the machine's (same file)."""
_TRIPLETS = {"x86-64": "x86_64-linux-gnu", "i386": "i386-linux-gnu", "aarch64": "aarch64-linux-gnu"}
_LEVELS = {
    "x86-64-v2": {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"},
    "x86-64-v3": {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"},
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}
"""What ``glibc-hwcaps`` folders take, by the names of ``/proc/cpuinfo``."""


def needed_by(elf: Elf) -> list[str]:
    """Return the sonames that a program or library needs (``DT_NEEDED``)."""
    dynamic = elf.dynamic()
    return [elf.dynamic_text(dynamic, each) for each in dynamic.get(_DT_NEEDED, [])]


def cached_libraries(root: str, machine: str) -> dict[str, list[str]]:
    """Return the paths of ``/etc/ld.so.cache`` by soname, those for the better processor first."""
    try:
        data = Path(inside(root, _CACHE)).read_bytes()
    except OSError:
        return {}
    # A cache for old loaders may come first; places count from the new one's start.
    start = data.find(_MAGIC)
    if start < 0 or len(data) < start + _HEADER:
        return {}
    data = data[start:]
    (count,) = struct.unpack_from("=I", data, len(_MAGIC))
    found: dict[str, list[str]] = {}
    for index in range(min(count, (len(data) - _HEADER) // _ENTRY.size)):
        flags, name, path, _, capability = _ENTRY.unpack_from(data, _HEADER + index * _ENTRY.size)
        if flags != _FLAGS.get(machine):
            continue
        text = _text(data, path)
        if capability & _HWCAP_EXTENSION and not any(f"/{each}/" in text for each in _levels()):
            continue
        found.setdefault(_text(data, name), []).append(text)
    return found


def _text(data: bytes, at: int) -> str:
    return os.fsdecode(data[at : data.find(b"\0", at)])


def _levels() -> list[str]:
    """Return the ``glibc-hwcaps`` folders that this processor takes, the best first."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    match = re.search(r"^flags\s*:(.*)", text, re.MULTILINE)
    flags = set(match[1].split()) if match else set()
    levels: list[str] = []
    for level, wanted in _LEVELS.items():
        if not wanted <= flags:
            break
        levels.insert(0, level)
    return levels


def find_library(
    soname: str, *, machine: str, root: str = "/", environ: Mapping[str, str] | None = None, program: Elf | None = None
) -> str | None:
    """Return the path (under `root`) that the loader would open for a soname; None if there is none.

    `program`: whose ``DT_RPATH`` and ``DT_RUNPATH`` count. The order is ld.so(8)'s.
    """
    if "/" in soname:
        return soname if _fits(soname, root, machine) else None
    environ = environ if environ is not None else {}
    dynamic = program.dynamic() if program is not None else {}
    where = os.path.dirname(program.shown) if program is not None else ""
    run_path = _folders(program, dynamic, _DT_RUNPATH, where, machine)
    path = [] if run_path else _folders(program, dynamic, _DT_RPATH, where, machine)
    from_environment = [
        _expanded(each, where, machine) or "."
        for each in re.split("[:;]", environ.get("LD_LIBRARY_PATH", ""))
        if environ.get("LD_LIBRARY_PATH")
    ]
    for folder in (*path, *from_environment, *run_path):
        for candidate in _in_folder(folder, soname):
            if _fits(candidate, root, machine):
                return candidate
    last = [*cached_libraries(root, machine).get(soname, ())]
    last += [f"{folder}/{soname}" for folder in _default_folders(machine)]
    return next((each for each in last if _fits(each, root, machine)), None)


def _folders(program: Elf | None, dynamic: dict[int, list[int]], tag: int, where: str, machine: str) -> list[str]:
    if program is None or tag not in dynamic:
        return []
    text = program.dynamic_text(dynamic, dynamic[tag][0])
    return [_expanded(each, where, machine) or "." for each in text.split(":")]


def _expanded(folder: str, origin: str, machine: str) -> str:
    """Expand what ld.so(8) calls dynamic string tokens."""
    lib = f"lib/{_TRIPLETS.get(machine, '')}"
    platform = {"x86-64": "x86_64", "i386": "i686"}.get(machine, machine)
    for token, value in (("ORIGIN", os.path.abspath(origin)), ("LIB", lib), ("PLATFORM", platform)):
        folder = re.sub(rf"\$(?:{token}\b|\{{{token}\}})", value.replace("\\", r"\\"), folder)
    return folder


def _in_folder(folder: str, soname: str) -> Iterator[str]:
    for level in _levels():
        yield f"{folder}/glibc-hwcaps/{level}/{soname}"
    yield f"{folder}/{soname}"


def _default_folders(machine: str) -> list[str]:
    word = "64" if machine in {"x86-64", "aarch64"} else ""
    triplet = _TRIPLETS.get(machine)
    debian = [f"/lib/{triplet}", f"/usr/lib/{triplet}"] if triplet else []
    return [*debian, f"/lib{word}", f"/usr/lib{word}", "/lib", "/usr/lib"]


def _fits(path: str, root: str, machine: str) -> bool:
    """Whether there is a library for this machine; the loader passes over others."""
    try:
        elf = Elf.open(path if not path.startswith("/") else inside(root, path))
    except (NoSuchFile, NotABinary, Corrupt):
        return False
    elf.close()
    return elf.machine == machine
