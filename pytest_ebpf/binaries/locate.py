"""From what a user writes (``./exp``, ``git``, ``libc``, a pid) to the file that is meant."""

from __future__ import annotations

import os
import platform
import re
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf.binaries.binary import Binary
from pytest_ebpf.binaries.elf import Elf, open_regular
from pytest_ebpf.binaries.errors import Corrupt, NoSuchFile, NotABinary
from pytest_ebpf.binaries.loader import cached_libraries, find_library, needed_by
from pytest_ebpf.binaries.mapped import is_library_name, mapped_file, root_of, same_library
from pytest_ebpf.binaries.nearest import nearest_names
from pytest_ebpf.binaries.roots import inside

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["definition_of", "locate"]

_MACHINES = {"x86_64": "x86-64"}
"""What ``uname -m`` calls otherwise."""
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def locate(
    target: str | os.PathLike[str] | int,
    *,
    cwd: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    pid: int | None = None,
) -> Path:
    """Return the file that is meant, absolute, as this process opens it.

    `target`: a path (anything with a slash, or a `Path`), from `cwd`; the name of a program, looked up in
    ``PATH``; a soname (``libc.so.6``) or its start (``libc``), as the loader resolves it; the pid of a running
    process, for the program that it runs. `pid`: what that process mapped, or would find under its root.

    Raises `NoSuchFile` and `NotABinary`.
    """
    environ = os.environ if environ is None else environ
    if isinstance(target, int):
        return Path(mapped_file(target)[0])
    root = "/" if pid is None else root_of(pid)
    text = os.fspath(target)
    if "/" in text or not isinstance(target, str):
        path = _from(text, cwd, pid)
        real = path if root == "/" else inside(root, path)
        open_regular(real, text if path == text else f"{text} (from {os.path.dirname(path)})").close()
        return Path(real)
    if pid is not None and is_library_name(text):
        try:
            return Path(mapped_file(pid, text)[0])
        except NoSuchFile:
            program: Elf | None = Elf.open(f"/proc/{pid}/exe", os.readlink(f"/proc/{pid}/exe"))
    else:
        program = None
    found = _program(text, root, environ) or _library(text, root, environ, program)
    if found is None:
        raise _not_found(text, root, cwd, environ)
    return Path(found if root == "/" else inside(root, found))


def _from(text: str, cwd: str | os.PathLike[str] | None, pid: int | None) -> str:
    if text.startswith("/"):
        return text
    if cwd is None and pid is not None:
        cwd = os.readlink(f"/proc/{pid}/cwd")
    folder = os.getcwd() if cwd is None else os.fspath(cwd)
    return os.path.normpath(f"{folder}/{text}")


def _program(name: str, root: str, environ: Mapping[str, str]) -> str | None:
    """Look up a program as execvp(3) does."""
    for folder in environ.get("PATH", _DEFAULT_PATH).split(":"):
        path = f"{folder or '.'}/{name}"
        real = inside(root, path) if path.startswith("/") else path
        if os.path.isfile(real) and os.access(real, os.X_OK):
            return os.path.abspath(path)
    return None


def _library(name: str, root: str, environ: Mapping[str, str], program: Elf | None) -> str | None:
    if not is_library_name(name):
        return None
    machine = platform.machine()
    machine = program.machine if program is not None else _MACHINES.get(machine, machine)
    sonames = [name]
    if ".so" not in name:
        needed = needed_by(program) if program is not None else []
        known = sorted(cached_libraries(root, machine), key=_version, reverse=True)
        # One with a version is what programs load; the bare lib*.so is for the linker.
        sonames = [each for each in (*needed, *known) if same_library(name, each)] or [f"{name}.so"]
    for soname in sonames:
        found = find_library(soname, machine=machine, root=root, environ=environ, program=program)
        if found is not None:
            return os.path.abspath(found)
    return None


def _version(soname: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", soname.partition(".so")[2])]


def _not_found(name: str, root: str, cwd: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> NoSuchFile:
    path = environ.get("PATH", _DEFAULT_PATH)
    text = f"{name}: no such program in PATH ({path})"
    if is_library_name(name):
        machine = platform.machine()
        known = cached_libraries(root, _MACHINES.get(machine, machine))
        nearest = nearest_names(name, known)
        hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
        text = f"{name}: no such library where the loader looks, nor program in PATH ({path}){hint}"
    beside = os.path.join(cwd or "", name)
    if os.path.isfile(beside):
        return NoSuchFile(f"{text}; there is ./{name}: write that")
    return NoSuchFile(f"{text}; write the path of a file with a slash, such as ./{name}")


def definition_of(binary: Binary, name: str) -> tuple[str, str] | None:
    """Return the soname and path of the library that has a function which `binary` imports; None if none has."""
    todo = deque((soname, binary.elf) for soname in needed_by(binary.elf))
    seen = set()
    while todo:
        soname, program = todo.popleft()
        if soname in seen:
            continue
        seen.add(soname)
        path = find_library(soname, machine=binary.machine, root=binary.root, environ=os.environ, program=program)
        if path is None:
            continue
        try:
            library = Binary.open(path, binary.root, any_machine=True)
            if any(each.is_function for each in library.symbols(name)):
                return soname, path
        except (NoSuchFile, NotABinary, Corrupt):
            continue
        todo += [(each, library.elf) for each in needed_by(library.elf)]
    return None
