"""The system calls: their arguments' names, as the man pages have them, and kinds. The one list of them.

A module a subject, a line a call: ``name argument:kind ... -> kind of the result``. A kind's parameters stand in
parentheses, and are other arguments' names or words that the kind knows (`pytest_ebpf.syscalls.kinds`);
``path@dirfd`` is ``path(dirfd)``. ``!moves``: files that it does not name may have other paths afterwards.

A path that is the only one is called ``path``. One line serves all machines and ABIs: calls go by their names.
"""

from __future__ import annotations

from pytest_ebpf.syscalls.prototypes import files, processes, time

__all__ = ["PROTOTYPES"]

PROTOTYPES = "".join(module.PROTOTYPES for module in (files, processes, time))
