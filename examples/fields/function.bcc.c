/* What a function of a program is passed, and the registers at its entry and at its return, by a BCC program. */
#include <uapi/linux/ptrace.h>

struct entered {
	long parm1, parm2, parm3, parm4, parm5, parm6;
	u64 sp, fp, ip;
	u64 return_address;
};

struct returned {
	long rc;
	u64 sp, fp, ip;
};

struct accepted {
	int num;
	char name[35];
	char name_by_declaration[35];
};

BPF_PERF_OUTPUT(entered);
BPF_PERF_OUTPUT(returned);
BPF_PERF_OUTPUT(accepted);

int at_entry(struct pt_regs *ctx)
{
	struct entered event = {};
	u64 at = PT_REGS_RET(ctx);

	if (!ebpf_traced())
		return 0;
	event.parm1 = PT_REGS_PARM1(ctx);
	event.parm2 = PT_REGS_PARM2(ctx);
	event.parm3 = PT_REGS_PARM3(ctx);
	event.parm4 = PT_REGS_PARM4(ctx);
	event.parm5 = PT_REGS_PARM5(ctx);
	event.parm6 = PT_REGS_PARM6(ctx);
	event.sp = PT_REGS_SP(ctx);
	event.fp = PT_REGS_FP(ctx);
	event.ip = PT_REGS_IP(ctx);
	bpf_probe_read_user(&event.return_address, sizeof(event.return_address), (void *)at);
	entered.perf_submit(ctx, &event, sizeof(event));
	return 0;
}

int at_return(struct pt_regs *ctx)
{
	struct returned event = {};

	if (!ebpf_traced())
		return 0;
	event.rc = PT_REGS_RC(ctx);
	event.sp = PT_REGS_SP(ctx);
	event.fp = PT_REGS_FP(ctx);
	event.ip = PT_REGS_IP(ctx);
	returned.perf_submit(ctx, &event, sizeof(event));
	return 0;
}

struct declared {
	int num;
	char name[35];
};

/* Further arguments are those of the function. */
int at_accept_exp(struct pt_regs *ctx, const char *exp)
{
	const struct declared *declared = (const struct declared *)exp;
	struct accepted event = {};

	if (!ebpf_traced())
		return 0;
	bpf_probe_read_user_str(event.name, sizeof(event.name), exp + 4);
	bpf_probe_read_user_str(event.name_by_declaration, sizeof(event.name_by_declaration), &declared->name);
	bpf_probe_read_user(&event.num, sizeof(event.num), &declared->num);
	accepted.perf_submit(ctx, &event, sizeof(event));
	return 0;
}
