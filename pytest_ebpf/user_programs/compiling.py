"""Compiles BPF programs of the user's own, as the user; what was compiled once is kept in the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ebpf import cache
from pytest_ebpf.errors import ProgramError, UsageError
from pytest_ebpf.headers.vmlinux import vmlinux_directory
from pytest_ebpf.prerequisites import prerequisites
from pytest_ebpf.user_programs import diagnostics
from pytest_ebpf.user_programs.compilers import Compiler, find_compiler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

__all__ = ["INCLUDE", "object_of"]

INCLUDE = Path(__file__).parents[1] / "include"
"""Our headers, and libbpf's."""
_TARGETS = {"x86_64": "x86", "aarch64": "arm64"}
"""The names that ``bpf_tracing.h`` knows the layouts of registers by."""
_FLAGS = (
    *("-g", "-O2", "-mcpu=v3", "-fno-stack-protector"),
    # Older clangs make a call of it that no BPF program can have, and libbpf says so in other words.
    "-Werror=implicit-function-declaration",
)
_FURTHER = ("CPATH", "C_INCLUDE_PATH")
"""Variables that say where clang looks for headers, too."""
_NAME = re.compile(r"[A-Za-z_]\w*")


def object_of(
    path: str | os.PathLike[str],
    defines: Mapping[str, str | int | None] | None = None,
    *,
    apart: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext,
) -> Path:
    """Return the object of a program: it itself, or what its text compiles to.

    A text is compiled again when it, a header that it includes, `defines` or the compiler is another.

    Args:
        path: A text (``.bpf.c``) or an object (``.bpf.o``).
        defines: Macros; None as a value: without one.
        apart: Gives a context in which the compiler is started (`pytest_ebpf.engine.session.Session.apart`).

    Raises:
        UsageError: There is no such file, or `defines` has no macros.
        ProgramError: It does not compile.
        Unavailable: There is no compiler, the kernel shows no types, or the cache cannot be written to.
    """
    source = Path(path)
    if not source.name.endswith((".bpf.c", ".bpf.o")):
        raise UsageError(
            f"{source} is no BPF program by its name: a text ends in .bpf.c, and an object that was compiled in .bpf.o"
        )
    if not source.is_file():
        raise UsageError(f"there is no BPF program {source}: {source.absolute()} is no file")
    if source.name.endswith(".bpf.o"):
        return source
    return _Compilation(source, defines or {}, find_compiler()).object(apart)


def _macros(defines: Mapping[str, str | int | None]) -> tuple[str, ...]:
    for name in defines:
        if not _NAME.fullmatch(name):
            raise UsageError(f"defines: {name!r} is no name of a macro")
    return tuple(f"-D{name}" if value is None else f"-D{name}={value}" for name, value in defines.items())


class _Compilation:
    """One text, and all that says how it is compiled."""

    def __init__(self, source: Path, defines: Mapping[str, str | int | None], compiler: Compiler) -> None:
        machine = platform.machine()
        self._source = source
        self._compiler = compiler
        self._types = vmlinux_directory()
        self._command = (
            *compiler.command,
            *_FLAGS,
            f"-D__TARGET_ARCH_{_TARGETS.get(machine, machine)}",
            *_macros(defines),
            *(f"-I{folder}" for folder in (source.parent, self._types, INCLUDE)),
            # The kernel's own headers for programs, where they are; Debian keeps <asm/types.h> apart.
            *(f"-idirafter{folder}" for folder in ("/usr/include", f"/usr/include/{machine}-linux-gnu")),
        )
        text = json.dumps(
            [
                str(source.absolute()),
                self._command,
                compiler.identity,
                [os.environ.get(name) for name in _FURTHER],
                # One that is new may hide another, which is still as it was.
                sorted(str(each) for pattern in ("*.h", "bpf/*.h") for each in source.parent.glob(pattern)),
            ]
        )
        self._note = cache.directory() / "programs" / f"{hashlib.sha256(text.encode()).hexdigest()}.json"

    def object(self, apart: Callable[[], AbstractContextManager[None]]) -> Path:
        """Return what the text compiles to."""
        return self._noted() or self._compile(apart)

    def _noted(self) -> Path | None:
        """Return what it compiled to when all files that it is made of were as they are."""
        try:
            note = json.loads(self._note.read_bytes())
            made = Path(note["object"])
            same = all(self._digest(Path(name)) == digest for name, digest in note["files"].items())
        except (OSError, ValueError, LookupError, TypeError, AttributeError):  # none yet, or damaged
            return None
        return made if same and made.is_file() else None

    def _digest(self, path: Path) -> str:
        # What is in the cache is never changed, and the kernel's types are long.
        return "" if path.parent == self._types else hashlib.sha256(path.read_bytes()).hexdigest()

    def _compile(self, apart: Callable[[], AbstractContextManager[None]]) -> Path:
        started = time.time_ns()
        with tempfile.TemporaryDirectory(prefix="pytest-ebpf-") as folder:
            target, rule = Path(folder, "object"), Path(folder, "rule")
            self._run(("-MD", f"-MF{rule}", "-c", str(self._source), "-o", str(target)), apart)
            data = target.read_bytes()
            files = [Path(name).absolute() for name in prerequisites(rule.read_text(errors="surrogateescape"))]
        name = self._source.with_suffix(".o").name
        digest = hashlib.sha256(name.encode() + b"\0" + data).hexdigest()
        made = cache.made(f"program-{digest[:32]}", lambda folder: _write(folder / name, data)) / name
        # Of a file that changed meanwhile, nobody knows which text was compiled.
        if all(file.stat().st_mtime_ns < started for file in files):
            note = {"object": str(made), "files": {str(file): self._digest(file) for file in files}}
            self._note.parent.mkdir(parents=True, exist_ok=True)
            work = self._note.with_name(f".{self._note.name}-{os.getpid()}-{time.monotonic_ns()}")
            work.write_text(json.dumps(note))
            work.replace(self._note)
        return made

    def _run(self, further: tuple[str, ...], apart: Callable[[], AbstractContextManager[None]]) -> None:
        zigs = str(cache.directory() / "zig")
        environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": zigs, "ZIG_LOCAL_CACHE_DIR": zigs}
        with apart():
            process = subprocess.Popen(
                [*self._command, *further],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment,
            )
        with process:
            try:
                said = process.communicate()[1].decode(errors="replace")
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise ProgramError(
                f"pytest-ebpf: {self._source} does not compile\n"
                f"{diagnostics.errors(said)}\n"
                f"  by      {self._compiler.file}",
                log=said,
            )


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
