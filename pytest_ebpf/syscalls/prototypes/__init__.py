"""The system calls: their arguments' names, as the man pages have them, and kinds. The one list of them.

A module a subject, a line a call: ``name argument:kind ... -> kind of the result``. A kind's parameters stand in
parentheses, and are other arguments' names or words that the kind knows (`pytest_ebpf.syscalls.kinds`);
``path@dirfd`` is ``path(dirfd)``. ``!moves``: files that it does not name may have other paths afterwards.

Indented lines below say what is different where an argument has a certain value: ``option=PR_SET_NAME arg2:str``
(one of several: ``A|B``; none of them: ``flags!O_CREAT``). Arguments behind the one that decides are only there
if the line has them. The first line that holds counts.

Where the order in which strace writes the arguments is not that of the registers, each says its own: ``flags#0``;
``tls#4/3`` is another one for i386 and all architectures but x86.

A path that is the only one is called ``path``. One line serves all machines and ABIs: calls go by their names.
"""

from __future__ import annotations

from pytest_ebpf.syscalls.prototypes import (
    descriptors,
    files,
    io,
    ipc,
    memory,
    mounts,
    narrow,
    network,
    options,
    processes,
    security,
    signals,
    system,
    time,
)

__all__ = ["PROTOTYPES"]

PROTOTYPES = "".join(
    module.PROTOTYPES
    for module in (
        descriptors,
        files,
        io,
        ipc,
        memory,
        mounts,
        narrow,
        network,
        options,
        processes,
        security,
        signals,
        system,
        time,
    )
)
