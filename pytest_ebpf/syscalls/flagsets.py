"""The flags and enumerations that arguments of system calls are made of, by name: ``FLAGSETS["open_flags"]``.

Which constants belong together is said here, their values are the headers'. A set is made when it is first
asked for. The names are those that the table of prototypes uses; ``sorted(FLAGSETS)`` lists them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_ebpf.syscalls.definitions import Maker, choose, enum, flags
from pytest_ebpf.syscalls.flags import EnumSet, FlagSet
from pytest_ebpf.syscalls.flagsets_options import OPTIONS

__all__ = ["FLAGSETS", "FlagSets"]


def _make_signals() -> EnumSet:
    """Return the signals; the real-time ones by their distance from the first, as strace does."""
    values = choose(("linux/signal.h SIG[A-Z]*",), "SIGUNUSED SIGSTKSZ")
    first = values["SIGRTMIN"]
    return EnumSet({**values, **{f"SIGRT_{number - first}": number for number in range(first + 1, 65)}})


def _make_policies() -> EnumSet:
    """Return the scheduling policies; the usual one by the name that user space has for it (sched(7))."""
    values = choose(("linux/sched.h SCHED_FIFO..SCHED_RESET_ON_FORK SCHED_EXT",))
    return EnumSet({"SCHED_OTHER": 0, "SCHED_NORMAL": 0, **values})


# include/linux/errno.h: the kernel's own, which a tracer sees and a program does not.
_INTERNAL_ERRORS = {
    "ERESTARTSYS": 512,
    "ERESTARTNOINTR": 513,
    "ERESTARTNOHAND": 514,
    "ENOIOCTLCMD": 515,
    "ERESTART_RESTARTBLOCK": 516,
    "EPROBE_DEFER": 517,
    "EOPENSTALE": 518,
    "ENOPARAM": 519,
    "EBADHANDLE": 521,
    "ENOTSYNC": 522,
    "EBADCOOKIE": 523,
    "ENOTSUPP": 524,
    "ETOOSMALL": 525,
    "ESERVERFAULT": 526,
    "EBADTYPE": 527,
    "EJUKEBOX": 528,
    "EIOCBQUEUED": 529,
    "ERECALLCONFLICT": 530,
    "ENOGRACE": 531,
}
# include/linux/syslog.h
_SYSLOG_ACTIONS = (
    *("CLOSE", "OPEN", "READ", "READ_ALL", "READ_CLEAR", "CLEAR"),
    *("CONSOLE_OFF", "CONSOLE_ON", "CONSOLE_LEVEL", "SIZE_UNREAD", "SIZE_BUFFER"),
)

_FILES: dict[str, Maker] = {
    "open_flags": flags("linux/fcntl.h O_* FASYNC", first={"O_ACCMODE": "O_RDONLY O_WRONLY O_RDWR O_ACCMODE"}),
    # Where there is no access mode: pipe2(2), dup3(2), userfaultfd(2), …
    "descriptor_flags": flags("linux/fcntl.h O_CLOEXEC O_NONBLOCK O_DIRECT"),
    "resolve_flags": flags("linux/openat2.h RESOLVE_*"),
    "dirfds": enum("linux/fcntl.h AT_FDCWD"),
    "at_flags": flags("linux/fcntl.h AT_SYMLINK_* AT_NO_AUTOMOUNT AT_EMPTY_PATH AT_RECURSIVE"),
    "unlink_flags": flags("linux/fcntl.h AT_REMOVEDIR"),
    "access_flags": flags("linux/fcntl.h AT_EACCESS AT_SYMLINK_NOFOLLOW AT_EMPTY_PATH"),
    "access_modes": flags("fcntl.h R_OK W_OK X_OK F_OK"),
    "statx_flags": flags(
        "linux/fcntl.h AT_SYMLINK_NOFOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH", first={"AT_STATX_SYNC_TYPE": "AT_STATX_*_*"}
    ),
    "statx_mask": flags("linux/stat.h STATX_*", less="STATX_ATTR_* STATX__RESERVED"),
    "statx_attributes": flags("linux/stat.h STATX_ATTR_*"),
    "file_types": enum("linux/stat.h S_IF*", less="S_IFMT"),
    "file_mode": flags(
        "linux/stat.h S_ISUID S_ISGID S_ISVTX", first={"S_IFMT": enum("linux/stat.h S_IF*", less="S_IFMT")}, octal=0o777
    ),
    "fcntl_commands": enum("linux/fcntl.h F_*", less="F_*LCK F_OWNER_[TP]* F_SEAL_* F_LINUX_SPECIFIC_BASE"),
    "fd_flags": flags("linux/fcntl.h FD_CLOEXEC"),
    "lock_types": enum("linux/fcntl.h F_RDLCK F_WRLCK F_UNLCK F_EXLCK F_SHLCK"),
    "owner_types": enum("linux/fcntl.h F_OWNER_TID F_OWNER_PID F_OWNER_PGRP"),
    "seals": flags("linux/fcntl.h F_SEAL_*"),
    "write_hints": enum("linux/fcntl.h RWH_*"),
    "dnotify_events": flags("linux/fcntl.h DN_*"),
    "flock_operations": flags("linux/fcntl.h LOCK_*"),
    "seek_whence": enum("linux/fs.h SEEK_*"),
    "statfs_flags": flags(
        "sys/statvfs.h ST_*",
        first={0x20: lambda: EnumSet({"ST_VALID": 0x20})},  # include/linux/statfs.h
    ),
    "rename_flags": flags("linux/fs.h RENAME_*"),
    "rwf_flags": flags("linux/fs.h RWF_*", less="RWF_SUPPORTED"),
    "sync_file_range_flags": flags("linux/fs.h SYNC_FILE_RANGE_*", less="*_WRITE_AND_WAIT"),
    "inode_flags": flags("linux/fs.h FS_*_FL", less="FS_RESERVED_FL"),
    "splice_flags": flags("fcntl.h SPLICE_F_*"),
    "fallocate_modes": flags("linux/falloc.h FALLOC_FL_*"),
    "fadvise_advice": enum("linux/fadvise.h POSIX_FADV_*"),
    "xattr_flags": flags("linux/xattr.h XATTR_CREATE XATTR_REPLACE"),
    "memfd_flags": flags("linux/memfd.h MFD_*", less="MFD_HUGE_*", last={0x3F << 26: "MFD_HUGE_*B"}),
    "close_range_flags": flags("linux/close_range.h CLOSE_RANGE_*"),
    "mount_flags": flags("linux/mount.h MS_SILENT MS_*", less="MS_RMT_MASK MS_MGC_MSK"),
    "umount_flags": flags("sys/mount.h MNT_* UMOUNT_*"),
    # Not as a number within MOUNT_ATTR__ATIME: what attr_clr clears is all of it, and 0 is nothing.
    "mount_attributes": flags(
        "linux/mount.h MOUNT_ATTR_*", less="MOUNT_ATTR_SIZE_* MOUNT_ATTR__ATIME MOUNT_ATTR_RELATIME"
    ),
    "move_mount_flags": flags("linux/mount.h MOVE_MOUNT_*", less="MOVE_MOUNT__MASK"),
    "open_tree_flags": flags(
        "linux/mount.h OPEN_TREE_*", "linux/fcntl.h AT_SYMLINK_NOFOLLOW AT_NO_AUTOMOUNT AT_EMPTY_PATH AT_RECURSIVE"
    ),
    "fsopen_flags": flags("linux/mount.h FSOPEN_*"),
    "fsmount_flags": flags("linux/mount.h FSMOUNT_*"),
    "fspick_flags": flags("linux/mount.h FSPICK_*"),
    "fsconfig_commands": enum("linux/mount.h FSCONFIG_*"),
    "swap_flags": flags("sys/swap.h SWAP_FLAG_PREFER SWAP_FLAG_DISCARD"),
    "quota_commands": enum("linux/quota.h Q_*", "linux/dqblk_xfs.h Q_*"),
    "quota_types": enum("linux/quota.h USRQUOTA GRPQUOTA PRJQUOTA"),
    "quota_formats": enum("linux/quota.h QFMT_*"),
    "filesystem_magics": enum("linux/magic.h *_MAGIC *_MAGIC_NUMBER *_SUPER_MAGIC*"),
    "inotify_init_flags": flags("linux/inotify.h IN_CLOEXEC IN_NONBLOCK"),
    "inotify_events": flags("linux/inotify.h IN_*", less="IN_CLOEXEC IN_NONBLOCK IN_CLOSE IN_MOVE IN_ALL_EVENTS"),
    "fanotify_init_flags": flags(
        "linux/fanotify.h FAN_CLOEXEC FAN_NONBLOCK FAN_UNLIMITED_* FAN_ENABLE_AUDIT FAN_REPORT_*",
        less="FAN_REPORT_DFID_*",
        first={"FAN_ALL_CLASS_BITS": "FAN_CLASS_*"},
    ),
    "fanotify_mark_flags": flags("linux/fanotify.h FAN_MARK_*", less="FAN_MARK_IGNORE_SURV FAN_MARK_INODE"),
    "fanotify_events": flags("linux/fanotify.h FAN_ACCESS..FAN_CLOSE FAN_ONDIR FAN_EVENT_ON_CHILD"),
    "io_uring_setup_flags": flags("linux/io_uring.h IORING_SETUP_*"),
    "io_uring_features": flags("linux/io_uring.h IORING_FEAT_*"),
    "io_uring_enter_flags": flags("linux/io_uring.h IORING_ENTER_*"),
    "io_uring_register_operations": enum(
        "linux/io_uring.h IORING_REGISTER_* IORING_UNREGISTER_*",
        less="IORING_REGISTER_LAST *_SKIP *_USE_REGISTERED_RING",
    ),
    "io_uring_operations": enum("linux/io_uring.h IORING_OP_*", less="IORING_OP_LAST"),
    "aio_commands": enum("linux/aio_abi.h IOCB_CMD_*"),
    "ioctl_requests": enum(
        "asm/ioctls.h FIO* TC[A-Z]* TIOC[A-Z]*",
        "linux/sockios.h SIOC*",
        "linux/fs.h BLK[A-Z]* FIBMAP FIGETBSZ",
        "ioctl *",
        "linux/loop.h LOOP_[SCG]*",
        "linux/vt.h VT_[A-Z]*",
        "linux/kd.h KD[A-Z]* [GP]IO_*",
        "linux/cdrom.h CDROM[A-Z]* DVD_READ_STRUCT DVD_WRITE_STRUCT DVD_AUTH",
        "linux/hdreg.h HDIO_*",
        "scsi/sg.h SG_[GS]ET_* SG_IO SG_EMULATED_HOST SG_NEXT_CMD_LEN SG_SCSI_RESET",
        "linux/fb.h FBIO*",
        less="_* TIOCPKT_* TIOCM_* TIOCSER_* SIOCDEVPRIVATE SIOCPROTOPRIVATE LOOP_*_FLAGS HDIO_*_HDR_SIZE"
        " VT_AUTO VT_PROCESS VT_ACKACQ VT_EVENT_* VT_MAX_EVENT KVM_S390_* KVM_PPC_* KVM_ARM_SET_DEVICE_ADDR",
    ),
}
_MEMORY: dict[str, Maker] = {
    "mmap_prot": flags("linux/mman.h PROT_*"),
    "mmap_flags": flags(
        "linux/mman.h MAP_*",
        less="MAP_HUGE_*",
        first={"MAP_TYPE": "MAP_FILE MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE MAP_DROPPABLE"},
        last={0x3F << 26: "MAP_HUGE_*B"},
    ),
    "madvise_advice": enum("linux/mman.h MADV_*"),
    "mremap_flags": flags("linux/mman.h MREMAP_*"),
    "msync_flags": flags("linux/mman.h MS_*"),
    "mlockall_flags": flags("linux/mman.h MCL_*"),
    "mlock_flags": flags("linux/mman.h MLOCK_*"),
    "pkey_rights": flags("linux/mman.h PKEY_DISABLE_*"),
    "mempolicy_modes": flags(
        "linux/mempolicy.h MPOL_F_STATIC_NODES MPOL_F_RELATIVE_NODES MPOL_F_NUMA_BALANCING",
        first={0x1FFF: "MPOL_DEFAULT..MPOL_MAX"},
    ),
    "get_mempolicy_flags": flags("linux/mempolicy.h MPOL_F_NODE MPOL_F_ADDR MPOL_F_MEMS_ALLOWED"),
    "mbind_flags": flags("linux/mempolicy.h MPOL_MF_*", less="MPOL_MF_INTERNAL MPOL_MF_VALID"),
    "userfaultfd_flags": flags("linux/userfaultfd.h UFFD_USER_MODE_ONLY", "linux/fcntl.h O_CLOEXEC O_NONBLOCK"),
    "membarrier_commands": flags("linux/membarrier.h MEMBARRIER_CMD_*", less="MEMBARRIER_CMD_FLAG_*"),
    "membarrier_flags": flags("linux/membarrier.h MEMBARRIER_CMD_FLAG_*"),
    "ipc_keys": enum("linux/ipc.h IPC_PRIVATE"),
    "ipc_flags": flags("linux/ipc.h IPC_CREAT IPC_EXCL IPC_NOWAIT", octal=0o777),
    "shmget_flags": flags(
        "linux/shm.h SHM_HUGETLB SHM_NORESERVE",
        "linux/ipc.h IPC_CREAT IPC_EXCL",
        last={0x3F << 26: "SHM_HUGE_*B"},
        octal=0o777,
    ),
    "shmat_flags": flags("linux/shm.h SHM_RDONLY SHM_RND SHM_REMAP SHM_EXEC"),
    "shmctl_commands": enum("linux/ipc.h IPC_RMID..IPC_OLD", "linux/shm.h SHM_LOCK SHM_UNLOCK SHM_STAT* SHM_INFO"),
    "semctl_commands": enum("linux/ipc.h IPC_RMID..IPC_OLD", "linux/sem.h [GS]ET* SEM_STAT* SEM_INFO"),
    "semop_flags": flags("linux/sem.h SEM_UNDO", "linux/ipc.h IPC_NOWAIT"),
    "msgctl_commands": enum("linux/ipc.h IPC_RMID..IPC_OLD", "linux/msg.h MSG_STAT* MSG_INFO"),
    "msgop_flags": flags("linux/msg.h MSG_NOERROR MSG_EXCEPT MSG_COPY", "linux/ipc.h IPC_NOWAIT"),
}
_PROCESSES: dict[str, Maker] = {
    "clone_flags": flags("linux/sched.h CLONE_*", less="CLONE_ARGS_* CLONE_NEWTIME", last={"CSIGNAL": _make_signals}),
    # Of clone3(2), unshare(2) and setns(2), where no signal is in the lowest bits.
    "clone3_flags": flags("linux/sched.h CLONE_*", less="CLONE_ARGS_*"),
    "namespaces": flags("linux/sched.h CLONE_NEW*"),
    "wait_options": flags("linux/wait.h WSTOPPED W* __W*"),
    "wait_ids": enum("linux/wait.h P_*"),
    "signals": _make_signals,
    "sigaction_flags": flags("linux/signal.h SA_*", less="SA_UNSUPPORTED SA_EXPOSE_TAGBITS"),
    "sigprocmask_how": enum("linux/signal.h SIG_*BLOCK SIG_SETMASK"),
    "signal_handlers": enum("linux/signal.h SIG_DFL SIG_IGN SIG_ERR"),
    "sigaltstack_flags": flags("linux/signal.h SS_ONSTACK SS_DISABLE SS_AUTODISARM"),
    "sigevent_notify": enum("asm/siginfo.h SIGEV_*"),
    "signal_codes": enum("asm/siginfo.h SI_[A-Z]*", less="SI_MAX_SIZE"),
    "sigchld_codes": enum("asm/siginfo.h CLD_*"),
    "pidfd_flags": flags("linux/pidfd.h PIDFD_*"),
    "prctl_options": enum(
        "linux/prctl.h PR_*",
        less="PR_UNALIGN_* PR_FPEMU_* PR_FP_EXC_* PR_TIMING_* PR_ENDIAN_* PR_TSC_* PR_MCE_KILL_[!G]* PR_SET_MM_*"
        " PR_SET_PTRACER_ANY PR_FP_MODE_* PR_CAP_AMBIENT_* PR_S[VM]E_SET_VL_ONEXEC PR_S[VM]E_VL_* PR_SPEC_*"
        " PR_PAC_AP* PR_TAGGED_ADDR_ENABLE PR_MTE_* PR_SYS_DISPATCH_* PR_SCHED_CORE_* PR_SET_VMA_ANON_NAME",
    ),
    "prctl_mm_options": enum("linux/prctl.h PR_SET_MM_*"),
    "prctl_ambient_options": enum("linux/prctl.h PR_CAP_AMBIENT_*"),
    "prctl_speculation_options": enum("linux/prctl.h PR_SPEC_STORE_BYPASS PR_SPEC_INDIRECT_BRANCH PR_SPEC_L1D_FLUSH"),
    "securebits": flags("linux/securebits.h SECBIT_*"),
    "arch_prctl_options": enum("asm/prctl.h ARCH_*"),
    "capabilities": enum("linux/capability.h CAP_*", less="CAP_LAST_CAP"),
    "capability_versions": enum("linux/capability.h _LINUX_CAPABILITY_VERSION_[1-9]"),
    "futex_operations": flags(
        "linux/futex.h FUTEX_CLOCK_REALTIME",
        first={0xFF: "FUTEX_WAIT..FUTEX_PRIVATE_FLAG FUTEX_*_PRIVATE"},
    ),
    "futex_waitv_flags": flags("linux/futex.h FUTEX_32 FUTEX_PRIVATE_FLAG"),
    "futex_wake_operations": enum("linux/futex.h FUTEX_OP_SET..FUTEX_OP_OPARG_SHIFT"),
    "rlimits": enum("asm/resource.h RLIMIT_*"),
    "rlimit_values": enum("asm/resource.h RLIM_INFINITY"),
    "rusage_who": enum("linux/resource.h RUSAGE_*"),
    "priority_which": enum("linux/resource.h PRIO_PROCESS PRIO_PGRP PRIO_USER"),
    "ioprio_which": enum("linux/ioprio.h IOPRIO_WHO_*"),
    "ioprio_classes": enum("linux/ioprio.h IOPRIO_CLASS_NONE IOPRIO_CLASS_RT IOPRIO_CLASS_BE IOPRIO_CLASS_IDLE"),
    "scheduling_policies": flags("linux/sched.h SCHED_RESET_ON_FORK", first={0xFF: _make_policies}),
    "scheduling_flags": flags(
        "linux/sched.h SCHED_FLAG_*", less="SCHED_FLAG_KEEP_ALL SCHED_FLAG_UTIL_CLAMP SCHED_FLAG_ALL"
    ),
    "ptrace_requests": enum(
        "linux/ptrace.h PTRACE_*",
        less="PTRACE_O_* PTRACE_EVENT_* PTRACE_EVENTMSG_* PTRACE_SYSCALL_INFO_* PTRACE_PEEKSIGINFO_SHARED",
    ),
    "ptrace_options": flags("linux/ptrace.h PTRACE_O_*", less="PTRACE_O_MASK"),
    "ptrace_events": enum("linux/ptrace.h PTRACE_EVENT_*"),
    "kcmp_types": enum("linux/kcmp.h KCMP_*", less="KCMP_TYPES"),
    "keyctl_commands": enum("linux/keyctl.h KEYCTL_*", less="KEYCTL_SUPPORTS_* KEYCTL_CAPS[01]_* KEYCTL_MOVE_EXCL"),
    "keyrings": enum("linux/keyctl.h KEY_SPEC_*"),
    "seccomp_operations": enum("linux/seccomp.h SECCOMP_SET_MODE_* SECCOMP_GET_*"),
    "seccomp_modes": enum("linux/seccomp.h SECCOMP_MODE_*"),
    "seccomp_filter_flags": flags("linux/seccomp.h SECCOMP_FILTER_FLAG_*"),
    "landlock_create_flags": flags("linux/landlock.h LANDLOCK_CREATE_*"),
    "landlock_rule_types": enum("linux/landlock.h LANDLOCK_RULE_*"),
    "landlock_fs_access": flags("linux/landlock.h LANDLOCK_ACCESS_FS_*"),
    "landlock_net_access": flags("linux/landlock.h LANDLOCK_ACCESS_NET_*"),
    "rseq_flags": flags("linux/rseq.h RSEQ_FLAG_*"),
    "personalities": flags(
        "linux/personality.h UNAME26..PER_CLEAR_ON_SETID",
        first={"PER_MASK": "PER_LINUX PER_BSD PER_LINUX32 PER_RISCOS PER_OSF4 PER_HPUX"},
    ),
    "bpf_commands": enum("linux/bpf.h BPF_MAP_CREATE..BPF_MAP_TYPE_UNSPEC"),
    "bpf_map_types": enum("linux/bpf.h BPF_MAP_TYPE_*"),
    "bpf_program_types": enum("linux/bpf.h BPF_PROG_TYPE_*"),
    "perf_flags": flags("linux/perf_event.h PERF_FLAG_*"),
    "perf_types": enum("linux/perf_event.h PERF_TYPE_*", less="PERF_TYPE_MAX"),
    "reboot_magics": enum("linux/reboot.h LINUX_REBOOT_MAGIC*"),
    "reboot_commands": enum("linux/reboot.h LINUX_REBOOT_CMD_*"),
    "module_init_flags": flags("linux/module.h MODULE_INIT_*"),
    "delete_module_flags": flags("linux/fcntl.h O_NONBLOCK O_TRUNC"),
    "kexec_flags": flags(
        "linux/kexec.h KEXEC_ON_CRASH KEXEC_PRESERVE_CONTEXT",
        first={"KEXEC_ARCH_MASK": "KEXEC_ARCH_*_* KEXEC_ARCH_[!M]*"},
    ),
    "kexec_file_flags": flags("linux/kexec.h KEXEC_FILE_*"),
    "getrandom_flags": flags("linux/random.h GRND_*"),
    "syslog_actions": enum(more={f"SYSLOG_ACTION_{name}": number for number, name in enumerate(_SYSLOG_ACTIONS)}),
    "errors": enum("asm/errno.h E*", more=_INTERNAL_ERRORS),
}
_TIME_AND_EVENTS: dict[str, Maker] = {
    "clocks": enum("linux/time.h CLOCK_*"),
    "itimers": enum("linux/time.h ITIMER_*"),
    "timer_flags": flags("linux/time.h TIMER_ABSTIME"),
    "adjtimex_modes": flags("linux/timex.h ADJ_*"),
    "adjtimex_status": flags("linux/timex.h STA_*", less="STA_RONLY"),
    "clock_states": enum("linux/timex.h TIME_*"),
    "timerfd_flags": flags("linux/timerfd.h TFD_CLOEXEC TFD_NONBLOCK"),
    "timerfd_settime_flags": flags("linux/timerfd.h TFD_TIMER_*"),
    "signalfd_flags": flags("linux/signalfd.h SFD_*"),
    "eventfd_flags": flags("sys/eventfd.h EFD_*"),
    "epoll_create_flags": flags("linux/eventpoll.h EPOLL_CLOEXEC"),
    "epoll_operations": enum("linux/eventpoll.h EPOLL_CTL_*"),
    "epoll_events": flags("linux/eventpoll.h EPOLL[!_]*"),
    "poll_events": flags("asm/poll.h POLL*"),
}
_SOCKETS: dict[str, Maker] = {
    "address_families": enum("sys/socket.h AF_UNIX AF_NETLINK AF_*", less="AF_MAX"),
    "socket_types": flags(
        "sys/socket.h SOCK_CLOEXEC SOCK_NONBLOCK",
        # SOCK_TYPE_MASK of include/linux/net.h
        first={0xF: "SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_RDM SOCK_SEQPACKET SOCK_DCCP SOCK_PACKET"},
    ),
    "socket_flags": flags("sys/socket.h SOCK_CLOEXEC SOCK_NONBLOCK"),
    "ip_protocols": enum("linux/in.h IPPROTO_*", "linux/in6.h IPPROTO_*", less="IPPROTO_MAX"),
    "netlink_protocols": enum("linux/netlink.h NETLINK_ROUTE..MAX_LINKS"),
    "ethernet_protocols": enum("linux/if_ether.h ETH_P_*"),
    "can_protocols": enum("linux/can.h CAN_RAW..CAN_NPROTO"),
    "message_flags": flags("sys/socket.h MSG_*", less="MSG_TRYHARD"),
    "shutdown_how": enum("sys/socket.h SHUT_*"),
    "control_message_types": enum(
        "sys/socket.h SCM_RIGHTS SCM_CREDENTIALS SO_WIFI_STATUS SO_TXTIME SO_TIMESTAMP*_OLD SO_TIMESTAMP*_NEW SCM_*",
        more={"SCM_SECURITY": 3},  # include/linux/socket.h
    ),
    "socket_levels": enum(
        *("sys/socket.h SOL_*", "netinet/in.h SOL_*", "netinet/tcp.h SOL_*", "netinet/udp.h SOL_*"),
        *("linux/vm_sockets.h SOL_*", "linux/can.h SOL_*"),
    ),
    "socket_options": enum("sys/socket.h SO_*"),
    "ip_options": enum("linux/in.h IP_* MCAST_*", less="IP_PMTUDISC_* IP_DEFAULT_* MCAST_*CLUDE"),
    "ipv6_options": enum(
        "linux/in6.h IPV6_*",
        less="IPV6_FL_* IPV6_FLOWINFO_[FP]* IPV6_PRIORITY_* IPV6_TLV_* IPV6_PMTUDISC_* IPV6_PREFER_*",
    ),
    "tcp_options": enum("linux/tcp.h TCP_NODELAY..TCP_REPAIR_ON"),
    "udp_options": enum("linux/udp.h UDP_CORK..UDP_ENCAP_ESPINUDP_NON_IKE"),
    "netlink_options": enum("linux/netlink.h NETLINK_ADD_MEMBERSHIP..NL_MMAP_STATUS_UNUSED"),
    "packet_options": enum("linux/if_packet.h PACKET_ADD_MEMBERSHIP..PACKET_FANOUT_HASH"),
    "vsock_options": enum("linux/vm_sockets.h SO_VM_*"),
    "xdp_options": enum("linux/if_xdp.h XDP_MMAP_OFFSETS..XDP_OPTIONS_ZEROCOPY"),
    "tls_options": enum("linux/tls.h TLS_TX..TLS_1_2_VERSION_MAJOR"),
    "netlink_message_flags": flags("linux/netlink.h NLM_F_REQUEST..NLM_F_ROOT"),
}
_MAKERS = {**_FILES, **_MEMORY, **_PROCESSES, **_TIME_AND_EVENTS, **_SOCKETS, **OPTIONS}


class FlagSets(Mapping[str, FlagSet | EnumSet]):
    """All sets by name, each made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, FlagSet | EnumSet] = {}

    def __getitem__(self, name: str) -> FlagSet | EnumSet:
        if name not in self._made:
            self._made[name] = _MAKERS[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_MAKERS)

    def __len__(self) -> int:
        return len(_MAKERS)

    def __contains__(self, name: object) -> bool:
        return name in _MAKERS


FLAGSETS = FlagSets()
