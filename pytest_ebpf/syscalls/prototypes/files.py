"""Files: opened, named, made, moved, removed; what is said of them."""

PROTOTYPES = """
open            path:path flags:flags(open_flags) mode:mode -> fd
  flags!O_CREAT|O_TMPFILE
openat          dirfd:dirfd path:path@dirfd flags:flags(open_flags) mode:mode -> fd
  flags!O_CREAT|O_TMPFILE
openat2         dirfd:dirfd path:path@dirfd how:open_how(size) size:size -> fd
creat           path:path mode:mode -> fd
name_to_handle_at dirfd:dirfd path:path@dirfd handle:file_handle(out) mount_id:int32(out) flags:flags(at_flags) -> int
open_by_handle_at mount_fd:fd handle:file_handle flags:flags(open_flags) -> fd
mkdir           path:path mode:mode -> int
mkdirat         dirfd:dirfd path:path@dirfd mode:mode -> int
mknod           path:path mode:file_mode dev:dev -> int
  mode!S_IFCHR|S_IFBLK
mknodat         dirfd:dirfd path:path@dirfd mode:file_mode dev:dev -> int
  mode!S_IFCHR|S_IFBLK
link            oldpath:path newpath:path -> int
linkat          olddirfd:dirfd oldpath:path@olddirfd newdirfd:dirfd newpath:path@newdirfd flags:flags(at_flags) -> int
symlink         target:str linkpath:path -> int
symlinkat       target:str newdirfd:dirfd linkpath:path@newdirfd -> int
rename          oldpath:path newpath:path -> int !moves
renameat        olddirfd:dirfd oldpath:path@olddirfd newdirfd:dirfd newpath:path@newdirfd -> int !moves
renameat2       olddirfd:dirfd oldpath:path@olddirfd newdirfd:dirfd newpath:path@newdirfd \
                flags:flags(rename_flags) -> int !moves
unlink          path:path -> int
unlinkat        dirfd:dirfd path:path@dirfd flags:flags(unlink_flags) -> int
rmdir           path:path -> int
readlink        path:path buf:text_out bufsiz:int -> size
readlinkat      dirfd:dirfd path:path@dirfd buf:text_out bufsiz:int -> size
getcwd          buf:text_out size:ulong -> size
chdir           path:path -> int
fchdir          fd:fd -> int
chroot          path:path -> int !moves
access          path:path mode:flags(access_modes) -> int
faccessat       dirfd:dirfd path:path@dirfd mode:flags(access_modes) -> int
faccessat2      dirfd:dirfd path:path@dirfd mode:flags(access_modes) flags:flags(access_flags) -> int
chmod           path:path mode:mode -> int
fchmod          fd:fd mode:mode -> int
fchmodat        dirfd:dirfd path:path@dirfd mode:mode -> int
fchmodat2       dirfd:dirfd path:path@dirfd mode:mode flags:flags(at_flags) -> int
chown           path:path owner:id group:id -> int
lchown          path:path owner:id group:id -> int
fchown          fd:fd owner:id group:id -> int
fchownat        dirfd:dirfd path:path@dirfd owner:id group:id flags:flags(at_flags) -> int
umask           mask:mode -> octal
truncate        path:path length:long -> int
ftruncate       fd:fd length:long -> int
utime           path:path times:utimbuf -> int
utimes          path:path times:timeval_list(2) -> int
futimesat       dirfd:dirfd path:path@dirfd times:timeval_list(2) -> int
utimensat       dirfd:dirfd path:path@dirfd times:file_time_list(2) flags:flags(at_flags) -> int
stat            path:path statbuf:stat(out) -> int
lstat           path:path statbuf:stat(out) -> int
fstat           fd:fd statbuf:stat(out) -> int
newfstatat      dirfd:dirfd path:path@dirfd statbuf:stat(out) flags:flags(at_flags) -> int
statx           dirfd:dirfd path:path@dirfd flags:flags(statx_flags) mask:flags(statx_mask) statxbuf:statx(out) -> int
statfs          path:path buf:statfs(out) -> int
fstatfs         fd:fd buf:statfs(out) -> int
ustat           dev:dev ubuf:ptr -> int
file_getattr    dirfd:dirfd path:path@dirfd attr:ptr size:size flags:flags(at_flags) -> int
file_setattr    dirfd:dirfd path:path@dirfd attr:ptr size:size flags:flags(at_flags) -> int
setxattr        path:path name:str value:bytes(size) size:size flags:flags(xattr_flags) -> int
lsetxattr       path:path name:str value:bytes(size) size:size flags:flags(xattr_flags) -> int
fsetxattr       fd:fd name:str value:bytes(size) size:size flags:flags(xattr_flags) -> int
setxattrat      dirfd:dirfd path:path@dirfd at_flags:flags(at_flags) name:str args:ptr size:size -> int
getxattr        path:path name:str value:bytes_out(size) size:size -> size
lgetxattr       path:path name:str value:bytes_out(size) size:size -> size
fgetxattr       fd:fd name:str value:bytes_out(size) size:size -> size
getxattrat      dirfd:dirfd path:path@dirfd at_flags:flags(at_flags) name:str args:ptr size:size -> size
listxattr       path:path list:names_out(size) size:size -> size
llistxattr      path:path list:names_out(size) size:size -> size
flistxattr      fd:fd list:names_out(size) size:size -> size
listxattrat     dirfd:dirfd path:path@dirfd at_flags:flags(at_flags) list:names_out(size) size:size -> size
removexattr     path:path name:str -> int
lremovexattr    path:path name:str -> int
fremovexattr    fd:fd name:str -> int
removexattrat   dirfd:dirfd path:path@dirfd at_flags:flags(at_flags) name:str -> int
"""
