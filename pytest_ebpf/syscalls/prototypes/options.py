"""Calls that do one of many things, as their first argument or another one says."""

from __future__ import annotations


def _either(*operations: str) -> str:
    """Return the names of operations of futex(2), for processes that share memory and for threads of one."""
    return "|".join(f"FUTEX_{name}{end}" for name in operations for end in ("", "_PRIVATE"))


PROTOTYPES = f"""
futex           uaddr:ptr futex_op:flags(futex_operations) val:uint timeout:ptr uaddr2:ptr val3:hex -> int
  futex_op={_either("WAKE", "FD")} val:uint
  futex_op={_either("WAIT")} val:uint timeout:futex_timeout(futex_op)
  futex_op={_either("LOCK_PI", "LOCK_PI2")} timeout:futex_timeout(futex_op)
  futex_op={_either("UNLOCK_PI", "TRYLOCK_PI")}
  futex_op={_either("WAIT_BITSET")} val:uint timeout:futex_timeout(futex_op) val3:flags(futex_bitsets)
  futex_op={_either("WAKE_BITSET")} val:uint val3:flags(futex_bitsets)
  futex_op={_either("REQUEUE")} val:uint timeout:uint uaddr2:ptr
  futex_op={_either("CMP_REQUEUE", "CMP_REQUEUE_PI")} val:uint timeout:uint uaddr2:ptr val3:uint
  futex_op={_either("WAKE_OP")} val:uint timeout:uint uaddr2:ptr val3:futex_wake
  futex_op={_either("WAIT_REQUEUE_PI")} val:uint timeout:futex_timeout(futex_op) uaddr2:ptr
futex_waitv     waiters:futex_waiter_list(nr_futexes) nr_futexes:uint flags:hex timeout:timespec \
                clockid:flags(clocks) -> int
futex_wake      uaddr:ptr mask:lhex nr:int flags:flags(futex_waitv_flags) -> int
futex_wait      uaddr:ptr val:ulong mask:lhex flags:flags(futex_waitv_flags) timeout:timespec \
                clockid:flags(clocks) -> int
futex_requeue   waiters:futex_waiter_list(2) flags:hex nr_wake:int nr_requeue:int -> int
prctl           option:flags(prctl_options) arg2:lhex arg3:lhex arg4:lhex arg5:lhex -> int
  option=PR_SET_NAME arg2:comm
  option=PR_GET_NAME arg2:comm(out)
  option=PR_SET_PDEATHSIG arg2:signal
  option=PR_GET_PDEATHSIG arg2:signal_at(out)
  option=PR_SET_CHILD_SUBREAPER|PR_SET_ENDIAN|PR_SET_FPEMU|PR_SET_FPEXC|PR_SET_KEEPCAPS|PR_SET_TIMING arg2:ulong
  option=PR_GET_CHILD_SUBREAPER|PR_GET_ENDIAN|PR_GET_FPEMU|PR_GET_FPEXC arg2:uint32(out)
  option=PR_GET_KEEPCAPS|PR_GET_SECCOMP|PR_GET_TIMERSLACK|PR_GET_TIMING
  option=PR_TASK_PERF_EVENTS_DISABLE|PR_TASK_PERF_EVENTS_ENABLE
  option=PR_GET_DUMPABLE -> named(dumpable)
  option=PR_SET_DUMPABLE arg2:flags64(dumpable)
  option=PR_SET_NO_NEW_PRIVS|PR_SET_THP_DISABLE|PR_SET_IO_FLUSHER arg2:ulong arg3:lhex arg4:lhex arg5:lhex
  option=PR_CAPBSET_DROP|PR_CAPBSET_READ arg2:flags64(capabilities)
  option=PR_CAP_AMBIENT arg2=PR_CAP_AMBIENT_CLEAR_ALL arg2:flags64(prctl_ambient_options) arg3:lhex arg4:lhex arg5:lhex
  option=PR_CAP_AMBIENT arg2:flags64(prctl_ambient_options) arg3:flags64(capabilities) arg4:lhex arg5:lhex
  option=PR_SET_SECUREBITS arg2:flags64(securebits)
  option=PR_GET_SECUREBITS -> flags(securebits)
  option=PR_SET_SECCOMP arg2=SECCOMP_MODE_STRICT arg2:flags64(seccomp_modes)
  option=PR_SET_SECCOMP arg2=SECCOMP_MODE_FILTER arg2:flags64(seccomp_modes) arg3:sock_fprog
  option=PR_SET_SECCOMP arg2:flags64(seccomp_modes) arg3:lhex arg4:lhex arg5:lhex
  option=PR_SET_TIMERSLACK arg2:long
  option=PR_SET_TSC arg2:flags(tsc_modes)
  option=PR_GET_TSC arg2:tsc_mode(out)
  option=PR_SET_UNALIGN arg2:flags(unaligned_access)
  option=PR_GET_UNALIGN arg2:unaligned_access(out)
  option=PR_GET_TID_ADDRESS arg2:pointer(out)
  option=PR_SET_PTRACER arg2:ptracer
  option=PR_SET_MM arg2:flags(prctl_mm_options) arg3:lhex arg4:lhex arg5:lhex
  option=PR_MCE_KILL arg2=PR_MCE_KILL_SET arg2:flags64(machine_check_commands) arg3:flags64(machine_check_policies) \
    arg4:lhex arg5:lhex
  option=PR_MCE_KILL arg2:flags64(machine_check_commands) arg3:lhex arg4:lhex arg5:lhex
  option=PR_MCE_KILL_GET arg2:lhex arg3:lhex arg4:lhex arg5:lhex -> named(machine_check_policies)
  option=PR_GET_SPECULATION_CTRL arg2:flags64(prctl_speculation_options) -> flags(speculation_states)
  option=PR_SET_SPECULATION_CTRL arg2:flags64(prctl_speculation_options) arg3:flags64(speculation_settings)
  option=PR_SET_SYSCALL_USER_DISPATCH arg2:flags64(syscall_dispatch) arg3:lhex arg4:lhex arg5:ptr
  option=PR_SCHED_CORE arg2=PR_SCHED_CORE_GET arg2:flags(core_scheduling) arg3:pid arg4:pid_type arg5:cookie(out)
  option=PR_SCHED_CORE arg2:flags(core_scheduling) arg3:pid arg4:pid_type arg5:ptr
  option=PR_SET_VMA arg2=PR_SET_VMA_ANON_NAME arg2:flags64(anonymous_memory) arg3:ptr arg4:ulong arg5:str
arch_prctl      code:flags(arch_prctl_options) addr:lhex -> int
  code=ARCH_GET_FS|ARCH_GET_GS addr:pointer(out)
  code=ARCH_GET_CPUID
  code=ARCH_GET_XCOMP_SUPP|ARCH_GET_XCOMP_PERM|ARCH_GET_XCOMP_GUEST_PERM addr:cpu_features(out)
ptrace          request:flags64(ptrace_requests) pid:pid addr:ptr data:ptr -> int
  request=PTRACE_TRACEME
  request=PTRACE_ATTACH|PTRACE_INTERRUPT|PTRACE_KILL|PTRACE_LISTEN pid:pid
  request=PTRACE_CONT|PTRACE_DETACH|PTRACE_SYSCALL|PTRACE_SINGLESTEP|PTRACE_SINGLEBLOCK|PTRACE_SYSEMU \
    pid:pid addr:ptr data:signal
  request=PTRACE_SEIZE|PTRACE_SETOPTIONS pid:pid addr:ptr data:flags64(ptrace_options)
  request=PTRACE_PEEKTEXT|PTRACE_PEEKDATA pid:pid addr:ptr data:pointer(out)
  request=PTRACE_GETEVENTMSG pid:pid addr:ptr data:uint64(out)
  request=PTRACE_GETSIGINFO pid:pid addr:ptr data:siginfo(out)
  request=PTRACE_SETSIGINFO pid:pid addr:ptr data:siginfo
  request=PTRACE_GETSIGMASK pid:pid addr:ulong data:sigset(addr, out)
  request=PTRACE_SETSIGMASK pid:pid addr:ulong data:sigset(addr)
bpf             cmd:flags(bpf_commands) attr:ptr size:uint -> int
"""
