"""The flags and enumerations of one option or operation of a call: of prctl(2), of keys, of addresses of sockets."""

from __future__ import annotations

from pytest_ebpf.syscalls.definitions import Maker, choose, enum, flags
from pytest_ebpf.syscalls.flags import FlagSet

__all__ = ["OPTIONS"]


def _make_capability_sets() -> FlagSet:
    """Return capabilities as the bits of a set, and not as numbers."""
    numbers = choose(("linux/capability.h CAP_*",), "CAP_LAST_CAP")
    return FlagSet({name: 1 << number for name, number in numbers.items()})


def _make_key_permissions() -> FlagSet:
    """Return the permissions of keys, of which no exported header has the names (include/linux/key.h)."""
    values = {
        f"KEY_{who}_{what}": bit << shift
        for shift, who in ((24, "POS"), (16, "USR"), (8, "GRP"), (0, "OTH"))
        for what, bit in (
            *(("VIEW", 1), ("READ", 2), ("WRITE", 4), ("SEARCH", 8), ("LINK", 16)),
            ("SETATTR", 32),
        )
    }
    return FlagSet(values)


def _make_cpu_features() -> FlagSet:
    """Return the parts of the extended state of x86 processors (arch/x86/include/asm/fpu/types.h)."""
    bits = {name: 1 << number for number, name in enumerate(_CPU_FEATURES) if name}
    together = {
        "XFEATURE_MASK_FPSSE": bits["FP"] | bits["SSE"],
        "XFEATURE_MASK_AVX512": bits["OPMASK"] | bits["ZMM_Hi256"] | bits["Hi16_ZMM"],
        "XFEATURE_MASK_XTILE": bits["XTILE_CFG"] | bits["XTILE_DATA"],
    }
    return FlagSet({**{f"XFEATURE_MASK_{name}": bit for name, bit in bits.items()}, **together})


_CPU_FEATURES = (
    *("FP", "SSE", "YMM", "BNDREGS", "BNDCSR", "OPMASK", "ZMM_Hi256", "Hi16_ZMM", "PT", "PKRU", "PASID"),
    *("", "", "", "", "LBR", "", "XTILE_CFG", "XTILE_DATA"),
)
OPTIONS: dict[str, Maker] = {
    # Options of prctl(2) and arch_prctl(2)
    "dumpable": enum(more={"SUID_DUMP_DISABLE": 0, "SUID_DUMP_USER": 1, "SUID_DUMP_ROOT": 2}),
    "machine_check_commands": enum("linux/prctl.h PR_MCE_KILL_CLEAR PR_MCE_KILL_SET"),
    "machine_check_policies": enum("linux/prctl.h PR_MCE_KILL_LATE PR_MCE_KILL_EARLY PR_MCE_KILL_DEFAULT"),
    "tsc_modes": enum("linux/prctl.h PR_TSC_*"),
    "unaligned_access": flags("linux/prctl.h PR_UNALIGN_*"),
    "speculation_states": flags(
        "linux/prctl.h PR_SPEC_NOT_AFFECTED PR_SPEC_PRCTL PR_SPEC_ENABLE PR_SPEC_DISABLE PR_SPEC_FORCE_DISABLE"
        " PR_SPEC_DISABLE_NOEXEC"
    ),
    "speculation_settings": flags(
        "linux/prctl.h PR_SPEC_ENABLE PR_SPEC_DISABLE PR_SPEC_FORCE_DISABLE PR_SPEC_DISABLE_NOEXEC"
    ),
    "syscall_dispatch": enum("linux/prctl.h PR_SYS_DISPATCH_OFF PR_SYS_DISPATCH_ON"),
    "core_scheduling": enum("linux/prctl.h PR_SCHED_CORE_GET..PR_SCHED_CORE_MAX"),
    "anonymous_memory": enum("linux/prctl.h PR_SET_VMA_*"),
    "cpu_features": _make_cpu_features,
    # Credentials
    "capability_sets": _make_capability_sets,
    "key_permissions": _make_key_permissions,
    "key_request_keyrings": enum("linux/keyctl.h KEY_REQKEY_*"),
    "key_move_flags": flags("linux/keyctl.h KEYCTL_MOVE_EXCL"),
    "key_capabilities_0": flags("linux/keyctl.h KEYCTL_CAPS0_*"),
    "key_capabilities_1": flags("linux/keyctl.h KEYCTL_CAPS1_*"),
    "seccomp_actions": enum(
        "linux/seccomp.h SECCOMP_RET_*", less="SECCOMP_RET_KILL SECCOMP_RET_ACTION* SECCOMP_RET_DATA"
    ),
    "landlock_scopes": flags("linux/landlock.h LANDLOCK_SCOPE_*"),
    # Signals: what si_code says, by signal
    "sigill_codes": enum("asm/siginfo.h ILL_*"),
    "sigfpe_codes": enum("asm/siginfo.h FPE_*"),
    "sigsegv_codes": enum("asm/siginfo.h SEGV_*"),
    "sigbus_codes": enum("asm/siginfo.h BUS_*"),
    "sigtrap_codes": enum("asm/siginfo.h TRAP_*", less="TRAP_PERF_*"),
    "sigpoll_codes": enum("asm/siginfo.h POLL_*"),
    "sigsys_codes": enum("asm/siginfo.h SYS_*"),
    "audit_architectures": enum("linux/audit.h AUDIT_ARCH_*"),
    # Futexes, memory, messages
    "futex_bitsets": enum("linux/futex.h FUTEX_BITSET_MATCH_ANY", more={"FUTEX_BITSET_MATCH_ANY": 0xFFFFFFFF}),
    "futex_wake_commands": enum("linux/futex.h FUTEX_OP_SET FUTEX_OP_ADD FUTEX_OP_OR FUTEX_OP_ANDN FUTEX_OP_XOR"),
    "futex_wake_comparisons": enum("linux/futex.h FUTEX_OP_CMP_*"),
    "move_pages_flags": flags("linux/mempolicy.h MPOL_MF_MOVE MPOL_MF_MOVE_ALL"),
    "mq_flags": flags("linux/fcntl.h O_NONBLOCK"),
    # Counters
    "perf_hardware_events": enum("linux/perf_event.h PERF_COUNT_HW_*", less="PERF_COUNT_HW_CACHE_* PERF_COUNT_HW_MAX"),
    "perf_software_events": enum("linux/perf_event.h PERF_COUNT_SW_*", less="PERF_COUNT_SW_MAX"),
    "perf_sizes": enum("linux/perf_event.h PERF_ATTR_SIZE_VER*"),
    "perf_sample_types": flags(
        "linux/perf_event.h PERF_SAMPLE_IP..PERF_SAMPLE_MAX", "linux/perf_event.h PERF_SAMPLE_WEIGHT_STRUCT"
    ),
    "perf_read_formats": flags("linux/perf_event.h PERF_FORMAT_*", less="PERF_FORMAT_MAX"),
    # Addresses and control messages of sockets
    "arp_hardware_types": enum("linux/if_arp.h ARPHRD_*"),
    "interface_flags": flags("linux/if.h IFF_*", less="IFF_VOLATILE"),
    "packet_types": enum("linux/if_packet.h PACKET_HOST..PACKET_ADD_MEMBERSHIP"),
    "vsock_cids": enum(
        "linux/vm_sockets.h VMADDR_CID_HYPERVISOR VMADDR_CID_LOCAL VMADDR_CID_HOST", more={"VMADDR_CID_ANY": 0xFFFFFFFF}
    ),
    "vsock_ports": enum(more={"VMADDR_PORT_ANY": 0xFFFFFFFF}),
    "vsock_flags": flags("linux/vm_sockets.h VMADDR_FLAG_*"),
    "ip_control_message_types": enum(
        "linux/in.h IP_TOS IP_TTL IP_RECVOPTS IP_RETOPTS IP_PKTINFO IP_RECVERR IP_ORIGDSTADDR IP_CHECKSUM",
        "sys/socket.h SCM_SECURITY",
    ),
}
