"""The system calls: their arguments' names, as the man pages have them, and kinds. The one list of them.

A line a call: ``name argument:kind ... -> kind of the result``. A kind's parameters stand in parentheses, and are
other arguments' names or words that the kind knows (`pytest_ebpf.syscalls.kinds`); ``path@dirfd`` is
``path(dirfd)``. ``!moves``: files that it does not name may have other paths afterwards.

A path that is the only one is called ``path``. One line serves all machines and ABIs: calls go by their names.
"""

from __future__ import annotations

__all__ = ["PROTOTYPES"]

PROTOTYPES = """
# files
open            path:path flags:flags(open_flags) mode:mode(flags) -> fd
openat          dirfd:dirfd path:path@dirfd flags:flags(open_flags) mode:mode(flags) -> fd
close           fd:fd -> int
read            fd:fd buf:data_out count:size -> size
write           fd:fd buf:data(count) count:size -> size
fsync           fd:fd -> int
fdatasync       fd:fd -> int
rename          oldpath:path newpath:path -> int !moves
renameat        olddirfd:dirfd oldpath:path@olddirfd newdirfd:dirfd newpath:path@newdirfd -> int !moves
renameat2       olddirfd:dirfd oldpath:path@olddirfd newdirfd:dirfd newpath:path@newdirfd flags:flags(rename_flags) -> int !moves

# processes
execve          path:path argv:strings envp:ptr -> int
getpid          -> pid
getppid         -> pid
exit_group      status:int -> none

# time
nanosleep       duration:timespec remaining:timespec(out) -> int
"""
