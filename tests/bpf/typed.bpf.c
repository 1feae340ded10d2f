/* Its buffers say by their value types what is written to them, and its ring is one that nobody is woken for. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct pair {
	__u32 pid;
	__u32 twice;
};

const volatile int ring_only = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 12);
	__type(value, struct pair);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(value, struct pair);
} perf SEC(".maps");

SEC("raw_tp/sched_process_exec")
int on_exec(void *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct pair pair = { .pid = pid, .twice = 2 * pid };

	bpf_ringbuf_output(&ring, &pair, sizeof(pair), BPF_RB_NO_WAKEUP);
	if (!ring_only)
		bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, &pair, sizeof(pair));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
