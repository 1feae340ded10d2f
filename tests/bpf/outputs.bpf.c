/* Tells of every execve in all the ways that a program has: maps, variables, a ring, a perf buffer. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum color { RED = 3, GREEN };

struct place {
	__u32 pid;
	__u32 parity;
};

struct seen {
	__u64 count;
	enum color color;
	unsigned int low : 3, high : 5;
	char comm[16];
};

struct event {
	__u32 pid;
	char comm[16];
};

struct event *anchor; /* or its type, which only a local variable has, would not be described */

const volatile __u32 only = 0; /* 0: all */
const volatile struct place from = {};
__u64 execs = 0;
int level = 7;
enum color color = GREEN;
char greeting[8] = "hello";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, struct place);
	__type(value, struct seen);
} places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __s32);
} numbers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} each_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} hash_each_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 8);
	__type(value, __u32);
} waiting SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 2);
} untyped SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} perf SEC(".maps");

SEC("raw_tp/sched_process_exec")
int on_exec(void *ctx)
{
	struct event event = { .pid = bpf_get_current_pid_tgid() >> 32 };
	struct place place = { .pid = event.pid, .parity = event.pid % 2 };
	struct seen seen = { .count = 1, .color = RED, .low = 5, .high = 17 };
	__u32 zero = 0, *cell;
	__u64 one = 1;

	if (only && event.pid != only)
		return 0;
	__sync_fetch_and_add(&execs, 1);
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	bpf_get_current_comm(seen.comm, sizeof(seen.comm));
	bpf_map_update_elem(&counts, &event.pid, &one, BPF_ANY);
	bpf_map_update_elem(&places, &place, &seen, BPF_ANY);
	bpf_map_update_elem(&hash_each_cpu, &zero, &one, BPF_ANY);
	cell = bpf_map_lookup_elem(&each_cpu, &zero);
	if (cell)
		*cell += 1;
	bpf_ringbuf_output(&ring, &event, sizeof(event), 0);
	bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
