"""Calls that only the 32-bit ABIs have: i386's and AArch32's. A number of 64 bits takes two registers there."""

PROTOTYPES = """
stat64          path:path statbuf:ptr -> int
lstat64         path:path statbuf:ptr -> int
fstat64         fd:fd statbuf:ptr -> int
fstatat64       dirfd:dirfd path:path@dirfd statbuf:ptr flags:flags(at_flags) -> int
oldstat         path:path statbuf:ptr -> int
oldlstat        path:path statbuf:ptr -> int
oldfstat        fd:fd statbuf:ptr -> int
statfs64        path:path size:size buf:ptr -> int
fstatfs64       fd:fd size:size buf:ptr -> int
chown32         path:path owner:id group:id -> int
lchown32        path:path owner:id group:id -> int
fchown32        fd:fd owner:id group:id -> int
truncate64      path:path length_low:uint length_high:uint -> int
ftruncate64     fd:fd length_low:uint length_high:uint -> int
umount          path:path -> int !moves
utimensat_time64 dirfd:dirfd path:path@dirfd times:ptr flags:flags(at_flags) -> int
readdir         fd:fd dirp:ptr count:uint -> int
fcntl64         fd:fd cmd:flags(fcntl_commands) arg:hex -> int
_llseek         fd:fd offset_high:uint offset_low:uint result:ptr whence:flags(seek_whence) -> int
fadvise64_64    fd:fd offset_low:uint offset_high:uint len_low:uint len_high:uint advice:int -> int
arm_fadvise64_64 fd:fd advice:int offset_low:uint offset_high:uint len_low:uint len_high:uint -> int
sync_file_range2 fd:fd flags:flags(sync_file_range_flags) offset_low:uint offset_high:uint nbytes_low:uint \
                nbytes_high:uint -> int
sendfile64      out_fd:fd in_fd:fd offset:ptr count:size -> size
mmap2           addr:ptr length:size prot:flags(mmap_prot) flags:flags(mmap_flags) fd:fd pgoffset:uint -> address
_newselect      nfds:int readfds:ptr writefds:ptr exceptfds:ptr timeout:ptr -> int
pselect6_time64 nfds:int readfds:ptr writefds:ptr exceptfds:ptr timeout:ptr sigmask:ptr -> int
ppoll_time64    fds:ptr nfds:uint timeout:ptr sigmask:ptr sigsetsize:size -> int
socketcall      call:int args:ptr -> int
send            sockfd:fd buf:data(len) len:size flags:flags(message_flags) -> size
recv            sockfd:fd buf:data_out len:size flags:flags(message_flags) -> size
recvmmsg_time64 sockfd:fd msgvec:ptr vlen:uint flags:flags(message_flags) timeout:ptr -> int
ipc             call:uint first:int second:hex third:hex ptr:ptr fifth:hex -> int
semtimedop_time64 semid:int sops:ptr nsops:uint timeout:ptr -> int
mq_timedsend_time64 mqdes:fd msg_ptr:data(msg_len) msg_len:size msg_prio:uint abs_timeout:ptr -> int
mq_timedreceive_time64 mqdes:fd msg_ptr:data_out msg_len:size msg_prio:ptr abs_timeout:ptr -> size
waitpid         pid:pid wstatus:ptr options:flags(wait_options) -> pid
nice            inc:int -> int
ugetrlimit      resource:flags(rlimits) rlim:ptr -> int
stime           t:ptr -> int
olduname        buf:ptr -> int
oldolduname     buf:ptr -> int
vm86            fn:ulong v86:ptr -> int
vm86old         v86:ptr -> int
sched_rr_get_interval_time64 pid:pid tp:ptr -> int
futex_time64    uaddr:ptr futex_op:flags(futex_operations) val:uint timeout:ptr uaddr2:ptr val3:hex -> int
io_pgetevents_time64 ctx_id:hex min_nr:int nr:int events:ptr timeout:ptr usig:ptr -> int
clock_adjtime64 clockid:clock buf:ptr -> int
clock_getres_time64 clockid:clock res:ptr -> int
clock_gettime64 clockid:clock tp:ptr -> int
clock_settime64 clockid:clock tp:ptr -> int
clock_nanosleep_time64 clockid:clock flags:flags(timer_flags) request:ptr remain:ptr -> int
timer_gettime64 timerid:int curr_value:ptr -> int
timer_settime64 timerid:int flags:flags(timer_flags) new_value:ptr old_value:ptr -> int
timerfd_gettime64 fd:fd curr_value:ptr -> int
timerfd_settime64 fd:fd flags:flags(timerfd_settime_flags) new_value:ptr old_value:ptr -> int
getuid32        -> int
geteuid32       -> int
getgid32        -> int
getegid32       -> int
setuid32        uid:id -> int
setgid32        gid:id -> int
setreuid32      ruid:id euid:id -> int
setregid32      rgid:id egid:id -> int
setresuid32     ruid:id euid:id suid:id -> int
setresgid32     rgid:id egid:id sgid:id -> int
getresuid32     ruid:ptr euid:ptr suid:ptr -> int
getresgid32     rgid:ptr egid:ptr sgid:ptr -> int
setfsuid32      fsuid:id -> int
setfsgid32      fsgid:id -> int
getgroups32     size:int list:ptr -> int
setgroups32     size:size list:ptr -> int
signal          signum:signal handler:ptr -> address
sigaction       signum:signal act:ptr oldact:ptr -> int
sigprocmask     how:flags(sigprocmask_how) set:ptr oldset:ptr -> int
sigpending      set:ptr -> int
sigsuspend      restart:int oldmask:int mask:hex -> int
sigreturn       -> int
sgetmask        -> hex
ssetmask        newmask:hex -> hex
rt_sigtimedwait_time64 set:ptr info:ptr timeout:ptr sigsetsize:size -> int
set_thread_area u_info:ptr -> int
get_thread_area u_info:ptr -> int
breakpoint      -> int
cacheflush      start:ptr end:ptr flags:hex -> int
usr26           -> int
usr32           -> int
set_tls         addr:ptr -> int
get_tls         -> address
pciconfig_iobase which:int bus:ulong devfn:ulong -> int
pciconfig_read  bus:ulong devfn:ulong offset:ulong len:ulong buf:ptr -> int
pciconfig_write bus:ulong devfn:ulong offset:ulong len:ulong buf:ptr -> int
"""
