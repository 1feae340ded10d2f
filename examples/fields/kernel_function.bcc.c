/* What a function of the kernel is passed and returns, by a BCC program: the prefixes of the names say where. */
#include <uapi/linux/ptrace.h>
#include <linux/fs.h>

struct kprobe_entry {
	char path[64];
	int dfd;
	int parm1;
};

struct kprobe_return {
	int rc; /* as the function is declared: the upper half of the register means nothing */
};

BPF_PERF_OUTPUT(kprobe_entry);
BPF_PERF_OUTPUT(kprobe_return);

int kprobe__do_unlinkat(struct pt_regs *ctx, int dfd, struct filename *name)
{
	struct kprobe_entry event = {};

	if (!ebpf_traced())
		return 0;
	event.dfd = dfd;
	event.parm1 = PT_REGS_PARM1(ctx);
	bpf_probe_read_kernel_str(event.path, sizeof(event.path), name->name);
	kprobe_entry.perf_submit(ctx, &event, sizeof(event));
	return 0;
}

int kretprobe__do_unlinkat(struct pt_regs *ctx)
{
	struct kprobe_return event = { .rc = PT_REGS_RC(ctx) };

	if (ebpf_traced())
		kprobe_return.perf_submit(ctx, &event, sizeof(event));
	return 0;
}
