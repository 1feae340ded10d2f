"""Processes and threads: made, executed, waited for, limited, scheduled."""

PROTOTYPES = """
fork            -> child
vfork           -> child
clone           stack#1:ptr flags#0:flags64(clone_flags) parent_tid#2:clone_parent_tid tls#4/3:clone_tls \
                child_tid#3/4:clone_child_tid -> child
clone3          cl_args:clone_args size:size -> child
execve          path:path argv:strings envp:ptr -> int
execveat        dirfd:dirfd path:path@dirfd argv:strings envp:ptr flags:flags(at_flags) -> int
exit            status:int -> none
exit_group      status:int -> none
wait4           pid:pid wstatus:reaped_status options:flags(wait_options) rusage:reaped_rusage -> pid
waitid          idtype:flags(wait_ids) id:int infop:siginfo(out) options:flags(wait_options) rusage:rusage(out) -> int
  idtype=P_PID  id:pid infop:siginfo(out) options:flags(wait_options) rusage:rusage(out)
  idtype=P_PIDFD id:fd infop:siginfo(out) options:flags(wait_options) rusage:rusage(out)
getpid          -> pid
gettid          -> pid
getppid         -> pid
getpgrp         -> pid
getpgid         pid:pid -> pid
setpgid         pid:pid pgid:pid -> int
getsid          pid:pid -> pid
setsid          -> pid
set_tid_address tidptr:ptr -> pid
set_robust_list head:ptr len:size -> int
get_robust_list pid:pid head_ptr:pointer(out) len_ptr:uint64(out) -> int
rseq            rseq:ptr rseq_len:hex flags:hex sig:hex -> int
restart_syscall -> int
unshare         flags:flags64(clone3_flags) -> int !moves
setns           fd:fd nstype:flags(namespaces) -> int !moves
personality     persona:personality -> flags(personalities)
pidfd_open      pid:pid flags:flags(pidfd_flags) -> fd
pidfd_getfd     pidfd:fd targetfd:int flags:hex -> fd
kcmp            pid1:pid pid2:pid type:flags(kcmp_types) idx1:lhex idx2:lhex -> int
  type=KCMP_FILE idx1:int idx2:int
  type=KCMP_EPOLL_TFD idx1:int idx2:kcmp_slot
  type=KCMP_FILES|KCMP_FS|KCMP_IO|KCMP_SIGHAND|KCMP_SYSVSEM|KCMP_VM
process_mrelease pidfd:fd flags:hex -> int
getrlimit       resource:flags(rlimits) rlim:rlimit(out) -> int
setrlimit       resource:flags(rlimits) rlim:rlimit -> int
prlimit64       pid:pid resource:flags(rlimits) new_limit:rlimit old_limit:rlimit(out) -> int
getrusage       who:flags(rusage_who) usage:rusage(out) -> int
getpriority     which:flags(priority_which) who:int -> int
setpriority     which:flags(priority_which) who:int prio:int -> int
ioprio_get      which:flags(ioprio_which) who:int -> ioprio
ioprio_set      which:flags(ioprio_which) who:int ioprio:ioprio -> int
sched_yield     -> int
sched_getscheduler pid:pid -> named(scheduling_policies)
sched_setscheduler pid:pid policy:flags(scheduling_policies) param:int32 -> int
sched_getparam  pid:pid param:int32(out) -> int
sched_setparam  pid:pid param:int32 -> int
sched_getattr   pid:pid attr:sched_attr(out) size:uint flags:uint -> int
sched_setattr   pid:pid attr:sched_attr flags:uint -> int
sched_getaffinity pid:pid cpusetsize:uint mask:cpus(result, out) -> int
sched_setaffinity pid:pid cpusetsize:uint mask:cpus(cpusetsize) -> int
sched_get_priority_max policy:flags(scheduling_policies) -> int
sched_get_priority_min policy:flags(scheduling_policies) -> int
sched_rr_get_interval pid:pid tp:timespec(out) -> int
"""
