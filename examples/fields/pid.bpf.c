/* task->pid in the ways that move with the kernel (CO-RE). */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "pytest_ebpf.bpf.h"

struct typed {
	__s32 direct;
};

struct untyped {
	__s32 bpf_core_read;
	__s32 bpf_core_read_macro;
};

/* The verifier is told by the kernel that the argument is a task_struct: it is read like any C structure. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(typed_exec, struct task_struct *task)
{
	struct typed event = {};

	if (!ebpf_traced())
		return 0;
	event.direct = task->pid;
	ebpf_emit(&event);
	return 0;
}

/* The same tracepoint without types. To the verifier the task is a number, and task->pid an access that it refuses:
 * a helper must read it. */
SEC("raw_tp/sched_process_exec")
int untyped_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct untyped event = {};

	if (!ebpf_traced())
		return 0;
	bpf_core_read(&event.bpf_core_read, sizeof(event.bpf_core_read), &task->pid);
	event.bpf_core_read_macro = BPF_CORE_READ(task, pid);
	ebpf_emit(&event);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
