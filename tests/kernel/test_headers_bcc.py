"""BCC compiles with the tree that is made from the kernel's types, also where no headers of any kind are installed."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import bcc_tools
import pytest

from pytest_ebpf.headers import tree
from pytest_ebpf.headers.kernel import version_code

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

ALONE = re.compile(r"(uapi/)?(linux/patchkey.h|asm(-generic)?/.*)")
"""Headers that say that they are not to be included by themselves, or stand for one another."""


@pytest.fixture(params=["with linux-libc-dev", "with nothing but the wheel"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    bcc_tools.require()
    if request.param == "with linux-libc-dev":
        assert (tree.INCLUDE / "linux/version.h").exists(), "apt-get install linux-libc-dev"
        return tree.bcc_tree()
    monkeypatch.setattr(tree, "INCLUDE", tmp_path)
    return tree.bcc_tree.__wrapped__()


def compiled(source: Path, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [bcc_tools.PYTHON, Path(bcc_tools.__file__).with_name("bcc_compile.py")],
        input=text,
        env={**os.environ, "BCC_KERNEL_SOURCE": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )


def named() -> Iterator[str]:
    folder = ""
    for word in (tree.HERE / "names.txt").read_text().split():
        if word.endswith("/"):
            folder = word
        else:
            yield f"{folder}{word}.h"


def constants(source: Path, text: str, *expressions: str) -> list[int]:
    """What expressions are, as the compiler has it."""
    functions = "".join(f"int it_{at}(void *ctx) {{ return {it}; }}\n" for at, it in enumerate(expressions))
    done = compiled(source, text + functions)
    assert done.returncode == 0, done.stderr
    code = json.loads(done.stdout)
    # "r0 = …", then "exit".
    return [int.from_bytes(bytes.fromhex(code[f"it_{at}"])[4:8], "little") for at in range(len(expressions))]


def test_all_headers_that_are_named_can_be_included_together(source: Path) -> None:
    names = [name for name in named() if not ALONE.fullmatch(name)]
    assert {"linux/sched.h", "net/sock.h", "uapi/linux/ptrace.h", "linux/kdev_t.h"} <= set(names)
    text = "".join(f"#include <{name}>\n" for name in names)
    assert constants(source, text, "MINOR(0x100007) + 1") == [8]


def test_macros_are_those_of_the_kernel_that_runs(source: Path) -> None:
    release = [int(number) for number in re.findall(r"\d+", platform.release())[:2]]
    assert [version_code() >> 16, version_code() >> 8 & 255] == release
    assert constants(
        source,
        "#include <linux/fs.h>\n#include <linux/kdev_t.h>\n#include <net/sock.h>\n",
        *("LINUX_VERSION_CODE", "PAGE_SIZE", "O_CLOEXEC", "AF_INET6", "ntohs(0x1234)", "MAJOR(0x800000)", "(long)NULL"),
        *("PATH_MAX", "ETH_P_IPV6", "S_ISDIR(040755)", "sizeof(((struct sock *)0)->sk_family)"),
    ) == [version_code(), os.sysconf("SC_PAGE_SIZE"), os.O_CLOEXEC, 10, 0x3412, 8, 0, 4096, 0x86DD, 1, 2]


def test_a_function_that_is_nowhere_declared_is_named_by_the_compiler(source: Path) -> None:
    done = compiled(source, "#include <linux/sched.h>\nint it(void *ctx) { return nowhere(ctx); }\n")
    assert "main.c:2:28: error: implicit declaration of function 'nowhere' is invalid" in done.stderr


def test_a_structure_of_the_programs_own_that_the_kernel_has_in_no_header_is_no_second_definition(source: Path) -> None:
    text = """
    #include <linux/sched.h>
    struct mnt_namespace { u64 own; };
    u64 it(struct pt_regs *ctx)
    {
        struct task_struct *task = (struct task_struct *)bpf_get_current_task();
        return task->nsproxy->mnt_ns->ns.inum + sizeof(struct mnt_namespace);
    }
    """
    done = compiled(source, text)
    assert done.returncode == 0, done.stderr
