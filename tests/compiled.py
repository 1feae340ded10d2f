"""Programs and libraries that the tests of what is in binaries compile, and what binutils say of them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

EXP = r"""
#include <stdio.h>

struct Exp { int num; char name[35]; };

static inline __attribute__((always_inline)) int always(int x) { return x * 3 + 1; }

static __attribute__((noinline)) int helper(int x) { return x + always(x); }

__attribute__((noinline)) void accept_exp(struct Exp *t)
{
	printf("%d %s\n", t->num, t->name);
}

void accept_alias(struct Exp *t) __attribute__((alias("accept_exp")));

int sometimes(int x) { return x ^ 5; }

int counter = 7;

int main(int argc, char **argv)
{
	struct Exp t = { 2, "keqing" };

	for (int i = 0; i < 3; i++)
		accept_exp(&t);
	return helper(argc) + always(argc) == sometimes(argc);
}
"""


def run(*command: object) -> str:
    """Run a tool; return what it printed."""
    return subprocess.run([str(each) for each in command], check=True, capture_output=True, text=True).stdout


def compiled(folder: Path, source: str, *flags: object, name: str = "exp", suffix: str = ".c") -> Path:
    """Compile a source of the same name; C++ and assembly by their suffixes."""
    file = folder / f"{name}{suffix}"
    file.write_text(source)
    compiler = "g++" if suffix == ".cpp" else "gcc"
    run(compiler, "-o", folder / name, file, *flags)
    return folder / name


def symbols(path: Path, *flags: str) -> dict[str, int]:
    """Return the addresses of functions as nm(1) tells them."""
    lines = (line.split() for line in run("nm", *flags, path).splitlines())
    return {line[2].partition("@")[0]: int(line[0], 16) for line in lines if len(line) == 3 and line[1] in "tTwWi"}


def offset_of(path: Path, address: int) -> int:
    """Return an address's place in the file, from the program headers as readelf(1) prints them."""
    for match in re.finditer(r"LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)", run("readelf", "-lW", path)):
        offset, start, size = (int(each, 16) for each in match.groups())
        if start <= address < start + size:
            return address - start + offset
    raise AssertionError(hex(address))
