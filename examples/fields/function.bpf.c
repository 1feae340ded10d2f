/* What a function of a program is passed, and the registers at its entry and at its return. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "pytest_ebpf.bpf.h"

/* libbpf has it since 1.2. The sixth is the last that x86-64 passes in a register. */
#ifndef PT_REGS_PARM6
#define PT_REGS_PARM6(ctx) ((ctx)->r9)
#define PT_REGS_PARM6_CORE(ctx) BPF_CORE_READ(ctx, r9)
#endif

struct entered {
	long parm1, parm2, parm3, parm4, parm5, parm6;
	__u64 sp, fp, ip;
	__u64 return_address;
};

struct returned {
	long rc, rc_core;
	__u64 sp, fp, ip;
};

struct accepted {
	int num;
	char name[35];
	char name_by_declaration[35];
};

/* The registers that a probe is passed are its context: read like any structure. */
static void read_plain(struct entered *to, struct pt_regs *ctx)
{
	to->parm1 = PT_REGS_PARM1(ctx);
	to->parm2 = PT_REGS_PARM2(ctx);
	to->parm3 = PT_REGS_PARM3(ctx);
	to->parm4 = PT_REGS_PARM4(ctx);
	to->parm5 = PT_REGS_PARM5(ctx);
	to->parm6 = PT_REGS_PARM6(ctx);
	to->sp = PT_REGS_SP(ctx);
	to->fp = PT_REGS_FP(ctx);
	to->ip = PT_REGS_IP(ctx);
	/* Not the value that is returned (RC): on x86-64 where the return address lies, on arm64 that address. */
	bpf_probe_read_user(&to->return_address, sizeof(to->return_address), (void *)PT_REGS_RET(ctx));
}

/* The same through the helper: for registers that are not the context, as in system_call.bpf.c. */
static void read_core(struct entered *to, struct pt_regs *regs)
{
	to->parm1 = PT_REGS_PARM1_CORE(regs);
	to->parm2 = PT_REGS_PARM2_CORE(regs);
	to->parm3 = PT_REGS_PARM3_CORE(regs);
	to->parm4 = PT_REGS_PARM4_CORE(regs);
	to->parm5 = PT_REGS_PARM5_CORE(regs);
	to->parm6 = PT_REGS_PARM6_CORE(regs);
	to->sp = PT_REGS_SP_CORE(regs);
	to->fp = PT_REGS_FP_CORE(regs);
	to->ip = PT_REGS_IP_CORE(regs);
	bpf_probe_read_user(&to->return_address, sizeof(to->return_address), (void *)PT_REGS_RET_CORE(regs));
}

SEC("uprobe")
int at_entry(struct pt_regs *ctx)
{
	struct entered plain = {}, core = {};

	if (!ebpf_traced())
		return 0;
	read_plain(&plain, ctx);
	ebpf_emit(&plain);
	read_core(&core, ctx);
	ebpf_emit(&core);
	return 0;
}

SEC("uretprobe")
int at_return(struct pt_regs *ctx)
{
	struct returned event = {};

	if (!ebpf_traced())
		return 0;
	event.rc = PT_REGS_RC(ctx);
	event.rc_core = PT_REGS_RC_CORE(ctx);
	event.sp = PT_REGS_SP(ctx);
	event.fp = PT_REGS_FP(ctx);
	event.ip = PT_REGS_IP(ctx);
	ebpf_emit(&event);
	return 0;
}

/* The structure as this program declares it: any that describes the same bytes. */
struct declared {
	int num;
	char name[35];
};

/* BPF_KPROBE names the arguments, of functions of programs too. */
SEC("uprobe")
int BPF_KPROBE(at_accept_exp, const char *exp)
{
	const struct declared *declared = (const struct declared *)exp;
	struct accepted event = {};

	if (!ebpf_traced())
		return 0;
	/* By the offset. What a program has in its memory is read by the helpers for user space. */
	bpf_probe_read_user_str(event.name, sizeof(event.name), exp + 4);
	/* By the declaration, which says the same. */
	bpf_probe_read_user_str(event.name_by_declaration, sizeof(event.name_by_declaration), &declared->name);
	bpf_probe_read_user(&event.num, sizeof(event.num), &declared->num);
	ebpf_emit(&event);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
