// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Programs on functions of the kernel, which not every kernel has, or lets be loaded. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "pytest_ebpf.bpf.h"

struct forked {
	__u32 flags;
	char by[8];
};

static __always_inline int tell(__u32 flags, const char *by)
{
	struct forked event = { .flags = flags };

	bpf_probe_read_kernel_str(event.by, sizeof(event.by), by);
	ebpf_emit(&event);
	return 0;
}

SEC("fentry/kernel_clone")
int BPF_PROG(on_fentry, struct kernel_clone_args *args)
{
	return tell(1, "fentry");
}

SEC("fexit/kernel_clone")
int BPF_PROG(on_fexit, struct kernel_clone_args *args, int pid)
{
	return tell(2, "fexit");
}

SEC("kprobe/kernel_clone")
int on_kprobe(struct pt_regs *ctx)
{
	return tell(3, "kprobe");
}

SEC("kretprobe/kernel_clone")
int on_kretprobe(struct pt_regs *ctx)
{
	return tell(4, "kret");
}

char LICENSE[] SEC("license") = "GPL";
