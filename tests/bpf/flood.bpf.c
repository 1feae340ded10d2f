/* Writes more than fits, for a process that does enough system calls. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct event {
	__u64 number;
	char padding[8000];
};

const volatile int to_ring = 0, to_perf = 0, quiet = 0;
__u64 written = 0;
/* Name of the program that it is for; empty: all. Others on this machine may be in it while it is detached. */
const volatile char only[16] = "";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 14);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} perf SEC(".maps");

struct event scratch = {};

SEC("raw_tp/sched_process_exec")
int on_exec(void *ctx)
{
	char comm[16] = "";

	bpf_get_current_comm(comm, sizeof(comm));
	if (only[0] && bpf_strncmp(comm, sizeof(comm), (const char *)only))
		return 0;
	for (int i = 0; i < 1000; i++) {
		if (to_ring)
			bpf_ringbuf_output(&ring, &scratch, sizeof(scratch), quiet ? BPF_RB_NO_WAKEUP : 0);
		if (to_perf)
			bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, &scratch, sizeof(scratch));
		__sync_fetch_and_add(&written, 1);
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
