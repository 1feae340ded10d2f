"""Files."""

PROTOTYPES = """
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
"""
