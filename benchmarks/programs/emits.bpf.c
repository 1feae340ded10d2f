// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What a user's program may look like: a few hooks, a few fields of the kernel's. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "pytest_ebpf.bpf.h"

struct executed {
	__u64 inode;
	__u32 parent;
	__u32 round;
	char comm[16];
};

struct ended {
	__u64 ran_ns;
	int code;
	__u32 unused;
};

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	struct executed event = { .round = ROUND };

	if (!ebpf_traced())
		return 0;
	event.inode = BPF_CORE_READ(task, mm, exe_file, f_inode, i_ino);
	event.parent = BPF_CORE_READ(task, real_parent, tgid);
	BPF_CORE_READ_STR_INTO(&event.comm, task, comm);
	ebpf_emit(&event);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct ended event = {};

	if (!ebpf_traced())
		return 0;
	event.ran_ns = bpf_ktime_get_ns() - BPF_CORE_READ(task, start_time);
	event.code = BPF_CORE_READ(task, exit_code);
	ebpf_emit(&event);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
