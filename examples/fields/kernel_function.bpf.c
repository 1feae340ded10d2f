/* What functions of the kernel are passed and return, by each kind of probe that there is for them. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "pytest_ebpf.bpf.h"

struct kprobe_entry {
	char path[64];
	__s32 dfd;
	__s32 parm1;
	__s32 parm1_core;
};

struct kprobe_return {
	int rc;
};

struct fentry {
	char path[64];
	__s32 pid;
};

struct fexit {
	char name[64];
	int rc;
};

/* The registers again; BPF_KPROBE takes the arguments from them, and leaves ctx for the macros. */
SEC("kprobe/do_unlinkat")
int BPF_KPROBE(kprobe_entry, int dfd, struct filename *name)
{
	struct kprobe_entry event = {};

	if (!ebpf_traced())
		return 0;
	event.dfd = dfd;
	event.parm1 = PT_REGS_PARM1(ctx);
	event.parm1_core = PT_REGS_PARM1_CORE(ctx);
	bpf_probe_read_kernel_str(event.path, sizeof(event.path), BPF_CORE_READ(name, name));
	ebpf_emit(&event);
	return 0;
}

/* The register has 64 bits, and what the function returns is an int: the upper half means nothing. */
SEC("kretprobe/do_unlinkat")
int BPF_KRETPROBE(kprobe_return, int rc)
{
	struct kprobe_return event = { .rc = rc };

	if (ebpf_traced())
		ebpf_emit(&event);
	return 0;
}

/* Typed, like tp_btf: the arguments are what the kernel's own BTF says, and are read like any C structure. */
SEC("fentry/do_unlinkat")
int BPF_PROG(fentry, int dfd, struct filename *name)
{
	struct fentry event = {};

	if (!ebpf_traced())
		return 0;
	event.pid = bpf_get_current_task_btf()->pid;
	bpf_probe_read_kernel_str(event.path, sizeof(event.path), name->name);
	ebpf_emit(&event);
	return 0;
}

/* At the return it has the arguments too. Which come before the dentry differs between kernels; none is read here. */
SEC("fexit/vfs_unlink")
int BPF_PROG(fexit, void *idmap, struct inode *dir, struct dentry *dentry, void *delegated, int rc)
{
	struct fexit event = { .rc = rc };

	if (!ebpf_traced())
		return 0;
	bpf_probe_read_kernel_str(event.name, sizeof(event.name), dentry->d_name.name);
	ebpf_emit(&event);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
