/* task->pid with types that do not move by themselves, as those of headers other than vmlinux.h. */
#define BPF_NO_PRESERVE_ACCESS_INDEX
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "pytest_ebpf.bpf.h"

struct fixed {
	__s32 without_co_re;
	__s32 preserve_access_index;
};

SEC("raw_tp/sched_process_exec")
int fixed_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct fixed event = {};

	if (!ebpf_traced())
		return 0;
	/* Where the field was when this was compiled: right on that kernel, and a wrong number without a word on one that
	 * has it elsewhere. */
	bpf_probe_read_kernel(&event.without_co_re, sizeof(event.without_co_re), &task->pid);
	/* This one access moves: libbpf writes the running kernel's offset into the program when it loads it. */
	bpf_probe_read_kernel(&event.preserve_access_index, sizeof(event.preserve_access_index),
			      __builtin_preserve_access_index(&task->pid));
	ebpf_emit(&event);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
