/* What a loader has to say more of: sizes of maps, which of two ways, and when. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct event {
	__u32 pid;
};

struct event *anchor;

__u32 entered = 0, optional = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32);
	__type(value, __u32);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__type(key, __u32);
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, struct event);
} events SEC(".maps");

SEC("perf_event")
int on_sample(void *ctx)
{
	struct event event = { .pid = bpf_get_current_pid_tgid() >> 32 };
	__u32 one = 1, *count = bpf_map_lookup_elem(&counts, &event.pid);

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&counts, &event.pid, &one, BPF_ANY);
	bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return 0;
}

SEC("fentry/a_function_of_no_kernel")
int on_function(void *ctx)
{
	__sync_fetch_and_add(&entered, 1);
	return 0;
}

SEC("?tp/sched/sched_process_exec")
int on_exec(void *ctx)
{
	__sync_fetch_and_add(&optional, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
