/* Writes what nothing tells the type of. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct opened {
	__u32 pid;
};

struct closed {
	__u32 pid;
	__u32 more;
};

struct opened *one;
struct closed *other;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 14);
} ring SEC(".maps");

SEC("raw_tp/sched_process_exec")
int on_exec(void *ctx)
{
	struct opened opened = { .pid = bpf_get_current_pid_tgid() >> 32 };

	bpf_ringbuf_output(&ring, &opened, sizeof(opened), 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
