"""Build what is not Python: BPF objects (``bpf/*.bpf.c``), the libbpf extension, the kernel's constants, headers.

Everything else about the build is in ``pyproject.toml``.
"""

from __future__ import annotations

import os
import platform
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import ClassVar, NamedTuple, cast

from setuptools import Command, setup
from setuptools.command.build import build

HERE = Path(__file__).parent
OBJECTS = "pytest_ebpf/objects"
CONSTANTS_SCRIPT = "pytest_ebpf/syscalls/constants_build.py"
TABLE_MODULE = "pytest_ebpf.syscalls.table_build"
# The names bpf_tracing.h knows the register layouts by.
TARGETS = {"x86_64": "x86", "aarch64": "arm64"}
# What BPF programs include of libbpf's: users' own are compiled where it need not be installed.
LIBBPF_HEADERS = (
    "bpf_core_read.h",
    "bpf_endian.h",
    "bpf_helper_defs.h",
    "bpf_helpers.h",
    "bpf_tracing.h",
    "usdt.bpf.h",
)


def compiler() -> list[str]:
    """Return the C compiler that setuptools will use, with its own arguments."""
    configured = os.environ.get("CC") or str(sysconfig.get_config_var("CC") or "cc")
    return configured.split()


def clang() -> str:
    """Name the clang to compile BPF with: ``$CLANG``, or the one on ``PATH``."""
    return os.environ.get("CLANG", "clang")


def bpf_flags() -> list[str]:
    """Return the arguments of clang that all BPF programs of this project are compiled with."""
    machine = platform.machine()
    if machine not in TARGETS:
        known = " and ".join(sorted(TARGETS))
        raise SystemExit(f"pytest-ebpf cannot be built for {machine}: it knows {known}.")
    return [
        *("-target", "bpf", "-mcpu=v3", "-g", "-O2", "-Wall", "-Werror"),
        f"-D__TARGET_ARCH_{TARGETS[machine]}",
        # Debian keeps <asm/types.h> here; clang looks there for its own target only.
        f"-I/usr/include/{machine}-linux-gnu",
        # BTF carries each line's file name: the same object, wherever it was built.
        f"-ffile-prefix-map={HERE}=.",
    ]


class Need(NamedTuple):
    """Something of the system's the build cannot do without."""

    what: str
    apt: str
    """Debian package that has it."""
    command: list[str]
    """Compiler that is to find it."""
    source: str
    """C text that compiles where it is there."""


def needs() -> list[Need]:
    """List what to look for, in the order in which one needs the other."""
    cc = [*compiler(), "-fsyntax-only", "-x", "c", "-"]
    python = [*cc, f"-I{sysconfig.get_path('include')}"]
    bpf = [clang(), *bpf_flags(), "-c", "-o", os.devnull, "-x", "c", "-"]
    libbpf = "#include <bpf/libbpf.h>\n#if LIBBPF_MAJOR_VERSION < 1\n#error old\n#endif\n"
    return [
        Need("a C compiler", "gcc", cc, ""),
        Need("the C library's headers", "libc6-dev", cc, "#include <stdio.h>\n"),
        Need("Python's headers", "python3-dev", python, "#include <Python.h>\n"),
        Need("libbpf 1.0 or later with its headers", "libbpf-dev", cc, libbpf),
        Need("clang with its BPF target", "clang", bpf, ""),
        Need("the kernel's headers", "linux-libc-dev", bpf, "#include <linux/bpf.h>\n"),
    ]


def is_met(need: Need) -> bool:
    """Tell whether the compiler is there and accepts the text."""
    try:
        found = subprocess.run(need.command, check=False, input=need.source.encode(), capture_output=True)
    except OSError:
        return False
    return found.returncode == 0


def require_tools() -> None:
    """Leave with one sentence, and no traceback, when something is missing."""
    for need in needs():
        if not is_met(need):
            raise SystemExit(
                f"pytest-ebpf cannot be built: {need.what} was not found"
                f" (tried {need.command[0]}); on Debian: apt-get install {need.apt}"
            )


def write_call_table(folder: Path, constants: Path) -> None:
    """Write what to copy of which system call, as the BPF programs include it.

    Args:
        folder: Where to.
        constants: What `BuildConstants` wrote.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "call_table.h").open("w") as header:
        subprocess.run([sys.executable, "-m", TABLE_MODULE, constants.absolute()], cwd=HERE, stdout=header, check=True)


def compile_bpf(source: Path, target: Path, made: Path) -> None:
    """Compile one ``.bpf.c``; its types (BTF) stay in it, its debug sections do not.

    Args:
        source: The program.
        target: The object.
        made: Folder of the headers that the build made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([clang(), *bpf_flags(), f"-I{made}", "-c", str(source), "-o", str(target)], check=True)
    except subprocess.CalledProcessError:
        raise SystemExit(f"pytest-ebpf cannot be built: clang refused {source}") from None
    strip = shutil.which(os.environ.get("LLVM_STRIP", "llvm-strip"))
    if strip:  # saves two thirds of the size, nothing else
        subprocess.run([strip, "-g", str(target)], check=True)


def libbpf_headers() -> list[Path]:
    """Find libbpf's headers for BPF programs: beside the one that the compiler finds."""
    text = "#include <bpf/bpf_helpers.h>\n"
    command = [clang(), *bpf_flags(), "-M", "-x", "c", "-"]
    rule = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    found = next(Path(word) for word in rule.split() if word.endswith("/bpf/bpf_helpers.h"))
    return [found.with_name(name) for name in LIBBPF_HEADERS]


class BuildStep(Command):
    """A step of ``build`` that makes files; setuptools documents such steps at ``command.build.SubCommand``."""

    user_options: ClassVar[list[tuple[str, str | None, str]]] = []
    build_lib: str
    editable_mode: bool = False

    def initialize_options(self) -> None:
        """Leave it to ``finalize_options``."""
        self.build_lib = ""

    def finalize_options(self) -> None:
        """Build where the Python files are put."""
        self.build_lib = self.get_finalized_command("build_py").build_lib

    def products(self) -> list[str]:
        """List what is made, by its path in a wheel."""
        raise NotImplementedError

    def targets(self) -> list[Path]:
        """List where it is put: in the source tree for ``pip install -e``."""
        root = Path() if self.editable_mode else Path(self.build_lib)
        return [root / product for product in self.products()]

    def get_source_files(self) -> list[str]:
        """List what a source distribution needs for this step."""
        raise NotImplementedError

    def get_outputs(self) -> list[str]:
        """List where the products would be in a wheel."""
        return [f"{self.build_lib}/{product}" for product in self.products()]

    def get_output_mapping(self) -> dict[str, str]:
        """Map those of the outputs that are in the source tree to where they are."""
        if not self.editable_mode:
            return {}
        return dict(zip(self.get_outputs(), map(str, self.targets()), strict=True))


class BuildBpf(BuildStep):
    """Compiles the kernel side."""

    description = "compile the BPF programs"

    def run(self) -> None:
        """Compile every program."""
        made = Path(self.get_finalized_command("build").build_temp)
        constants = cast("BuildConstants", self.get_finalized_command("build_constants"))
        write_call_table(made, constants.targets()[0])
        for source, target in zip(self.sources(), self.targets(), strict=True):
            compile_bpf(source, target, made)

    def sources(self) -> list[Path]:
        """List the programs."""
        return sorted(Path("bpf").glob("*.bpf.c"))

    def products(self) -> list[str]:
        """List their objects."""
        return [f"{OBJECTS}/{source.with_suffix('.o').name}" for source in self.sources()]

    def get_source_files(self) -> list[str]:
        """List the programs and what they include; what their table is made of is in the package."""
        return [str(path) for path in sorted(Path("bpf").glob("*.[ch]"))]


class BuildHeaders(BuildStep):
    """Copies libbpf's headers for BPF programs."""

    description = "copy libbpf's headers for BPF programs of the user's own"

    def run(self) -> None:
        """Copy them."""
        for source, target in zip(libbpf_headers(), self.targets(), strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def products(self) -> list[str]:
        """List them."""
        return [f"pytest_ebpf/include/bpf/{name}" for name in LIBBPF_HEADERS]

    def get_source_files(self) -> list[str]:
        """None of the tree's."""
        return []


class BuildConstants(BuildStep):
    """Writes down what the kernel's headers define."""

    description = "take the constants of system calls from the kernel's headers"

    def run(self) -> None:
        """Write the file."""
        if not self.editable_mode:
            # pip builds in the source tree: without this, the next wheel would
            # still hold the modules and objects deleted since the last one.
            shutil.rmtree(self.build_lib, ignore_errors=True)
        script = runpy.run_path(CONSTANTS_SCRIPT)
        for target in self.targets():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(script["constants_text"](compiler()))

    def products(self) -> list[str]:
        """Name the one file."""
        return ["pytest_ebpf/syscalls/constants.txt"]

    def get_source_files(self) -> list[str]:
        """Name the script."""
        return [CONSTANTS_SCRIPT]


class Build(build):
    """``build`` with our steps: first the constants, since that clears what an earlier build left."""

    sub_commands: ClassVar = [
        ("build_constants", None),
        ("build_bpf", None),
        ("build_headers", None),
        *build.sub_commands,
    ]


if __name__ == "__main__":
    # Before anything else: the extension's own script asks the C compiler too.
    require_tools()
    setup(
        cmdclass={
            "build": Build,
            "build_bpf": BuildBpf,
            "build_constants": BuildConstants,
            "build_headers": BuildHeaders,
        },
        cffi_modules=["pytest_ebpf/engine/native_build.py:ffibuilder"],
        options={"bdist_wheel": {"py_limited_api": "cp310"}},
    )
