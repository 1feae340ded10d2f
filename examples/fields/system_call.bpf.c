/* The arguments of a system call. The tracepoint is passed a pointer to the registers: they are not its context, and
 * only the _CORE forms can read them. Those with _SYSCALL know that the fourth argument is in another register than
 * that of a function. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "pytest_ebpf.bpf.h"

/* libbpf has it since 1.2. */
#ifndef PT_REGS_PARM6_CORE_SYSCALL
#define PT_REGS_PARM6_CORE_SYSCALL(regs) BPF_CORE_READ(regs, r9)
#endif

const volatile long wanted = -1; /* set by the test */

struct arguments {
	long parm1, parm2, parm3, parm4, parm5, parm6;
};

SEC("raw_tp/sys_enter")
int system_call(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
	struct arguments event = {};

	if (ctx->args[1] != wanted || !ebpf_traced())
		return 0;
	event.parm1 = PT_REGS_PARM1_CORE_SYSCALL(regs);
	event.parm2 = PT_REGS_PARM2_CORE_SYSCALL(regs);
	event.parm3 = PT_REGS_PARM3_CORE_SYSCALL(regs);
	event.parm4 = PT_REGS_PARM4_CORE_SYSCALL(regs);
	event.parm5 = PT_REGS_PARM5_CORE_SYSCALL(regs);
	event.parm6 = PT_REGS_PARM6_CORE_SYSCALL(regs);
	ebpf_emit(&event);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
