// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* At each getpriority(2): an event of a few bytes, and one as large as there can be. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "pytest_ebpf.bpf.h"

struct small {
	__u32 number;
};

struct large {
	__u64 words[EBPF_EVENT_MOST / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct large);
} scratch SEC(".maps");

__u64 written, refused;

SEC("tracepoint/syscalls/sys_enter_getpriority")
int on_getpriority(struct trace_event_raw_sys_enter *ctx)
{
	struct small small = { .number = ctx->args[1] };
	struct large *large;
	__u32 zero = 0;

	large = bpf_map_lookup_elem(&scratch, &zero);
	if (!large || !ebpf_traced())
		return 0;
	ebpf_emit(&small);
	large->words[0] = small.number;
	large->words[EBPF_EVENT_MOST / 8 - 1] = ~(__u64)small.number;
	if (ebpf_emit(large))
		__sync_fetch_and_add(&written, 1);
	else
		__sync_fetch_and_add(&refused, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
