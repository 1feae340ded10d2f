/* The same fields of a task, read by a BCC program. BCC rewrites its text: where a pointer into the kernel is
 * followed, it puts the helper's call. The offsets are those of the headers it is compiled with. */
#include <linux/sched.h>
#include <linux/fs.h>
#include <linux/mm_types.h>

struct pid_ways {
	int plain;
	int helper;
};

struct executable {
	u64 inode;
	char comm[16];
	char file[64];
};

struct identity {
	u32 pid;
	u32 ppid;
	u32 own_pid;
	u32 own_ppid;
	char comm[16];
};

struct namespaces {
	u32 of_pid;
	u32 cgroup;
	u32 ipc;
	u32 mnt;
	u32 net;
	u32 pid;
	u32 pid_for_children;
	u32 time;
	u32 time_for_children;
	u32 user;
	u32 uts;
};

BPF_PERF_OUTPUT(pids);
BPF_PERF_OUTPUT(executables);
BPF_PERF_OUTPUT(identity);
BPF_PERF_OUTPUT(namespaces);

static void read_pid(void *ctx, struct task_struct *task)
{
	struct pid_ways event = {};

	event.plain = task->pid;
	/* What BCC makes of it. */
	bpf_probe_read_kernel(&event.helper, sizeof(event.helper), &task->pid);
	pids.perf_submit(ctx, &event, sizeof(event));
}

static void read_executable(void *ctx, struct task_struct *task)
{
	struct executable event = {};

	event.inode = task->mm->exe_file->f_inode->i_ino;
	bpf_probe_read_kernel_str(event.comm, sizeof(event.comm), task->comm);
	bpf_probe_read_kernel_str(event.file, sizeof(event.file), task->mm->exe_file->f_path.dentry->d_name.name);
	executables.perf_submit(ctx, &event, sizeof(event));
}

static void read_identity(void *ctx, struct task_struct *task)
{
	struct identity event = {};

	event.pid = bpf_get_current_pid_tgid() >> 32;
	event.ppid = task->real_parent->tgid;
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	/* Not task->thread_pid->numbers[level].nr: whatever the level, BCC makes a read of the first number of it, without
	 * a word. These are functions that pytest-ebpf includes. */
	event.own_pid = ebpf_namespace_pid(task);
	event.own_ppid = ebpf_namespace_ppid(task);
	identity.perf_submit(ctx, &event, sizeof(event));
}

RAW_TRACEPOINT_PROBE(sched_process_exec)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	if (!ebpf_traced())
		return 0;
	read_pid(ctx, task);
	read_executable(ctx, task);
	read_identity(ctx, task);
	return 0;
}

static void read_namespaces(void *ctx, struct task_struct *task)
{
	struct nsproxy *nsproxy = task->nsproxy;
	struct namespaces event = {};

	event.of_pid = task->tgid;
	event.cgroup = nsproxy->cgroup_ns->ns.inum;
	event.ipc = nsproxy->ipc_ns->ns.inum;
	event.mnt = nsproxy->mnt_ns->ns.inum;
	event.net = nsproxy->net_ns->ns.inum;
	event.uts = nsproxy->uts_ns->ns.inum;
	event.time = nsproxy->time_ns->ns.inum;
	event.user = task->cred->user_ns->ns.inum;
	event.pid_for_children = nsproxy->pid_ns_for_children->ns.inum;
	event.time_for_children = nsproxy->time_ns_for_children->ns.inum;
	/* Its own is found with its number, which again is one of an array. */
	event.pid = ebpf_ns_pid(task);
	namespaces.perf_submit(ctx, &event, sizeof(event));
}

RAW_TRACEPOINT_PROBE(sched_process_fork)
{
	/* BCC tells by what a variable is set to that it points into the kernel. */
	struct task_struct *parent = (struct task_struct *)ctx->args[0];
	struct task_struct *child = (struct task_struct *)ctx->args[1];

	if (!ebpf_traced())
		return 0;
	read_namespaces(ctx, parent);
	read_namespaces(ctx, child);
	return 0;
}
