"""BCC finds each field where the kernel has it: what it generates is compared with BTF."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcc_tools
import bpf_code
import pytest

from pytest_ebpf.headers.tree import bcc_tree
from pytest_ebpf.probes.btf_types import kernel_btf

pytestmark = pytest.mark.once

AT_ONCE = 300
"""Structures in one text: BCC takes most of a second for its headers, and for much code more than in proportion."""
EVERY = 10
"""All of them take a minute and more, and are all right; these are enough to see when the headers are not."""
RENAMED = ("mnt_namespace", "nameidata")
KNOWN = {
    *("bio", "cred", "dentry", "file", "inode", "iov_iter", "mm_struct", "net", "nsproxy", "page", "path", "pid"),
    *("pid_namespace", "pt_regs", "qstr", "request", "rq", "signal_struct", "sk_buff", "sock", "sock_common"),
    *("super_block", "task_struct", "tcp_sock", "upid", "user_namespace", "uts_namespace", "vm_area_struct"),
}
"""What programs read most often."""


def shown(name: str) -> str:
    return f"kernel_{name}" if name in RENAMED else name


def text(names: list[str]) -> str:
    """A function for each structure, which stores where its fields are, and one for each of its bit-fields.

    BCC leaves the first argument, the context, as it is: its fields are read where clang thinks they are.
    """
    functions = []
    for name in names:
        fields = kernel_btf().structure(name).fields
        stores = "".join(
            f"at[{index}] = (u64)&it->{field.name} - (u64)it; "
            for index, field in enumerate(fields)
            if not field.bit_size
        )
        functions.append(
            f"int fields__{name}(struct {shown(name)} *it)"
            f" {{ volatile u64 *at = (void *)it; {stores} at[{len(fields)}] = sizeof(*it); return 0; }}\n"
        )
        functions += [
            f"u64 bits__{index}__{name}(struct {shown(name)} *it) {{ return it->{field.name}; }}\n"
            for index, field in enumerate(fields)
            if field.bit_size
        ]
    return "".join(functions)


def compiled(names: list[str]) -> dict[str, bytes]:
    done = subprocess.run(
        [bcc_tools.PYTHON, Path(bcc_tools.__file__).with_name("bcc_compile.py")],
        input=text(names),
        env={**os.environ, "BCC_KERNEL_SOURCE": str(bcc_tree())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: bytes.fromhex(code) for name, code in json.loads(done.stdout).items()}


def misplaced(name: str, code: dict[str, bytes]) -> list[str]:
    """What of a structure BCC does not find where BTF says it is."""
    kind = kernel_btf().structure(name)
    stored = bpf_code.stored(code[f"fields__{name}"])
    wrong = [] if stored.get(len(kind.fields)) == kind.size else [f"its size, of {name}"]
    for index, field in enumerate(kind.fields):
        if not field.bit_size:
            right = stored.get(index) == field.offset
        else:
            # All of its bits are read, and no other.
            bits = (1 << field.bit_size) - 1
            own = bits << (8 * field.offset + field.bit_offset)
            read = [bpf_code.returned(code[f"bits__{index}__{name}"], it, kind.size) for it in (own, ~own)]
            right = read[0] & bits == bits and read[1] == 0
        if not right:
            wrong.append(f"{name}.{field.name}")
    return wrong


def test_every_field_is_where_the_kernel_has_it() -> None:
    bcc_tools.require()
    names = sorted(KNOWN | set(kernel_btf().plain_structures()[::EVERY]))
    parts = [names[at : at + AT_ONCE] for at in range(0, len(names), AT_ONCE)]
    with ThreadPoolExecutor(bcc_tools.AT_ONCE) as pool:
        code = {name: body for part in pool.map(compiled, parts) for name, body in part.items()}
    assert [wrong for name in names for wrong in misplaced(name, code)] == []
