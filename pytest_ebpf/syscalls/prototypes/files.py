"""Files: opened, named, described, and what descriptors of them are used for."""

PROTOTYPES = """
open            path:path flags:flags(open_flags) mode:mode -> fd
  flags!O_CREAT|O_TMPFILE
openat          dirfd:dirfd path:path@dirfd flags:flags(open_flags) mode:mode -> fd
  flags!O_CREAT|O_TMPFILE
close           fd:fd -> int
read            fd:fd buf:data_out count:size -> size
write           fd:fd buf:data(count) count:size -> size
pread64         fd:fd buf:data_out count:size offset:long -> size
pwrite64        fd:fd buf:data(count) count:size offset:long -> size
fsync           fd:fd -> int
fdatasync       fd:fd -> int
access          path:path mode:flags(access_modes) -> int
stat            path:path statbuf:stat(out) -> int
lstat           path:path statbuf:stat(out) -> int
fstat           fd:fd statbuf:stat(out) -> int
newfstatat      dirfd:dirfd path:path@dirfd statbuf:stat(out) flags:flags(at_flags) -> int
rename          oldpath:path newpath:path -> int !moves
renameat        olddirfd:dirfd oldpath:path@olddirfd newdirfd:dirfd newpath:path@newdirfd -> int !moves
renameat2       olddirfd:dirfd oldpath:path@olddirfd newdirfd:dirfd newpath:path@newdirfd \
                flags:flags(rename_flags) -> int !moves
brk             addr:lptr -> address
mmap            addr:ptr length:size prot:flags(mmap_prot) flags:flags(mmap_flags) fd:fd offset:lhex -> address
munmap          addr:lptr length:size -> int
mprotect        addr:lptr len:size prot:flags(mmap_prot) -> int
"""
