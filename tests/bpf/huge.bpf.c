/* Asks for 64 GiB. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct large {
	char data[65536];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 20);
	__type(key, __u32);
	__type(value, struct large);
} huge SEC(".maps");

SEC("raw_tp/sched_process_exec")
int on_exec(void *ctx)
{
	__u32 key = 0;

	return !bpf_map_lookup_elem(&huge, &key);
}

char LICENSE[] SEC("license") = "GPL";
