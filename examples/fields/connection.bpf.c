/* A bit-field of a TCP connection, when the process that made it closes it. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "pytest_ebpf.bpf.h"

struct closed {
	__u16 local_port;
	__u8 bitfield;
	__u8 bitfield_probed;
};

/* TCP_ESTABLISHED and IPPROTO_TCP have no types of their own in every kernel: vmlinux.h has no macros. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(closed, const struct sock *sk, int old_state, int new_state)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock((void *)sk); /* NULL if it is none */
	struct closed event = {};

	if (!ebpf_traced() || !tcp || old_state != TCP_ESTABLISHED)
		return 0;
	event.local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	/* From a pointer whose type the verifier knows. */
	event.bitfield = BPF_CORE_READ_BITFIELD(tcp, is_cwnd_limited);
	/* From any pointer. */
	event.bitfield_probed = BPF_CORE_READ_BITFIELD_PROBED(tcp, is_cwnd_limited);
	ebpf_emit(&event);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
