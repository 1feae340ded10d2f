/* Who a process is: its pids and its parent's, as the host has them and as it sees them itself, and its namespaces. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "pytest_ebpf.bpf.h"

struct identity {
	__s32 pid;
	__s32 ppid;
	__s32 own_pid;
	__s32 own_ppid;
	char comm[16];
};

struct namespaces {
	__s32 of_pid;
	__u32 cgroup;
	__u32 ipc;
	__u32 mnt;
	__u32 net;
	__u32 pid;
	__u32 pid_for_children;
	__u32 time;
	__u32 time_for_children;
	__u32 user;
	__u32 uts;
};

/* A struct pid has a number in each namespace from the initial one (level 0) down to its own. The verifier lets no
 * typed pointer be indexed by a variable, and CO-RE moves no such access: the address is computed. */
static void read_number(struct upid *number, struct pid *pid, __u32 level)
{
	__u64 at = (__u64)pid + bpf_core_field_offset(struct pid, numbers);

	at += (__u64)level * bpf_core_type_size(struct upid);
	if (bpf_probe_read_kernel(number, sizeof(*number), (void *)at))
		number->nr = 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(identity, struct task_struct *task)
{
	struct pid *process = BPF_CORE_READ(task, signal, pids[PIDTYPE_TGID]);
	struct pid *parent = BPF_CORE_READ(task, real_parent, signal, pids[PIDTYPE_TGID]);
	__u32 level = BPF_CORE_READ(process, level);
	struct identity event = {};
	struct upid own, parents;

	if (!ebpf_traced())
		return 0;
	/* What user space calls a pid the kernel calls a tgid; its "pid" is a thread's. These are the helpers' short
	 * ways, which exist for the task that runs now. */
	event.pid = bpf_get_current_pid_tgid() >> 32;
	event.ppid = BPF_CORE_READ(task, real_parent, tgid);
	bpf_get_current_comm(event.comm, sizeof(event.comm));

	read_number(&own, process, level);
	event.own_pid = own.nr;
	/* getppid(2) is 0 where the parent is outside. */
	if (BPF_CORE_READ(parent, level) >= level) {
		read_number(&parents, parent, level);
		if (parents.ns == own.ns)
			event.own_ppid = parents.nr;
	}
	ebpf_emit(&event);
	return 0;
}

static void emit_namespaces(struct task_struct *task)
{
	struct nsproxy *nsproxy = BPF_CORE_READ(task, nsproxy);
	struct pid *thread = BPF_CORE_READ(task, thread_pid);
	struct namespaces event = {};
	struct upid number;

	event.of_pid = BPF_CORE_READ(task, tgid);
	event.cgroup = BPF_CORE_READ(nsproxy, cgroup_ns, ns.inum);
	event.ipc = BPF_CORE_READ(nsproxy, ipc_ns, ns.inum);
	event.mnt = BPF_CORE_READ(nsproxy, mnt_ns, ns.inum);
	event.net = BPF_CORE_READ(nsproxy, net_ns, ns.inum);
	event.uts = BPF_CORE_READ(nsproxy, uts_ns, ns.inum);
	event.time = BPF_CORE_READ(nsproxy, time_ns, ns.inum);
	event.user = BPF_CORE_READ(task, cred, user_ns, ns.inum);
	/* Where its children will be born. A process never moves to another pid namespace itself: which is its own, its
	 * number there tells. */
	event.pid_for_children = BPF_CORE_READ(nsproxy, pid_ns_for_children, ns.inum);
	event.time_for_children = BPF_CORE_READ(nsproxy, time_ns_for_children, ns.inum);
	read_number(&number, thread, BPF_CORE_READ(thread, level));
	event.pid = BPF_CORE_READ(number.ns, ns.inum);
	ebpf_emit(&event);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(namespaces, struct task_struct *parent, struct task_struct *child)
{
	if (!ebpf_traced())
		return 0;
	emit_namespaces(parent);
	emit_namespaces(child);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
