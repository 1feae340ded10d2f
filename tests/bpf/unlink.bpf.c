/* Notes each call of do_unlinkat() by a process, as each kind of program that can be on a function sees it. */
#include <linux/bpf.h>
#include <linux/ptrace.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct filename {
	const char *name;
} __attribute__((preserve_access_index));

enum how { KPROBE = 1, KRETPROBE, FENTRY, FEXIT };

struct unlink_call {
	enum how how;
	int dfd; /* of a kretprobe: 0 */
	int result; /* at the entry: 0 */
	char path[128]; /* at the entry: the kernel frees it before it returns */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct unlink_call);
} calls SEC(".maps");

const volatile __u32 caller;
__u32 count;

static __always_inline int note(enum how how, int dfd, struct filename *name, int result)
{
	struct unlink_call *call;
	__u32 place;

	if (bpf_get_current_pid_tgid() >> 32 != caller)
		return 0;
	place = count++; /* one thread calls */
	call = bpf_map_lookup_elem(&calls, &place);
	if (!call)
		return 0;
	call->how = how;
	call->dfd = dfd;
	call->result = result;
	if (name)
		bpf_probe_read_kernel_str(call->path, sizeof(call->path), BPF_CORE_READ(name, name));
	return 0;
}

SEC("kprobe/do_unlinkat")
int BPF_KPROBE(unlink__kprobe, int dfd, struct filename *name)
{
	return note(KPROBE, dfd, name, 0);
}

SEC("kretprobe/do_unlinkat")
int BPF_KRETPROBE(unlink__kretprobe, int result)
{
	return note(KRETPROBE, 0, NULL, result);
}

SEC("fentry/do_unlinkat")
int BPF_PROG(unlink__fentry, int dfd, struct filename *name)
{
	return note(FENTRY, dfd, name, 0);
}

SEC("fexit/do_unlinkat")
int BPF_PROG(unlink__fexit, int dfd, struct filename *name, int result)
{
	return note(FEXIT, dfd, NULL, result);
}

char LICENSE[] SEC("license") = "GPL";
