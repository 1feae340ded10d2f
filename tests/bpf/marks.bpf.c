// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Programs of each type that tell of tests/programs/marks.c. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "pytest_ebpf.bpf.h"

#if defined(__TARGET_ARCH_x86)
#define GETPRIORITY 140
#else
#define GETPRIORITY 141
#endif

struct marked {
	__u32 number;
	__u32 tgid;
	__u32 tid;
	char by[12];
};

struct woken {
	__u32 pid;
};

/* How often one of them ran for a task that is not traced, with one of a hundred numbers from this on; 0: with any. */
__u64 untraced;
__u32 least;

static __always_inline int tell(__u32 number, const char *by)
{
	struct marked event = { .number = number };
	__u64 ids = bpf_get_current_pid_tgid();

	event.tgid = ids >> 32;
	event.tid = ids;
	bpf_probe_read_kernel_str(event.by, sizeof(event.by), by);
	if ((!least || number - least < 100) && !ebpf_traced())
		__sync_fetch_and_add(&untraced, 1);
	/* Not only if it is: nobody else's may come through. */
	ebpf_emit(&event);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getpriority")
int on_tracepoint(struct trace_event_raw_sys_enter *ctx)
{
	return tell(ctx->args[1], "tracepoint");
}

SEC("raw_tp/sys_enter")
int on_raw_tp(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (void *)ctx->args[0];

	return ctx->args[1] == GETPRIORITY ? tell(PT_REGS_PARM2_CORE_SYSCALL(regs), "raw_tp") : 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(on_tp_btf, struct pt_regs *regs, long id)
{
	return id == GETPRIORITY ? tell(PT_REGS_PARM2_CORE_SYSCALL(regs), "tp_btf") : 0;
}

SEC("uprobe")
int BPF_KPROBE(on_uprobe, int number)
{
	return tell(number, "uprobe");
}

SEC("uprobe.s")
int BPF_KPROBE(on_uprobe_s, int number)
{
	return tell(number, "uprobe.s");
}

/* Attached nowhere, as a test has no such thing. That it loads says that all it calls is there. */
SEC("perf_event")
int on_perf_event(struct bpf_perf_event_data *ctx)
{
	return tell(0, "perf_event");
}

/* What the tracer itself does when it is asked a question, it does not tell of. */
SEC("tracepoint/syscalls/sys_enter_flock")
int on_flock(struct trace_event_raw_sys_enter *ctx)
{
	return tell(ctx->args[0], "flock");
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	struct woken event = { .pid = BPF_CORE_READ(task, pid) };

	if (ebpf_traced_task(task))
		ebpf_emit_of(task, &event);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
