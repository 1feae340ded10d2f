/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who and where a thread is: pids three ways, namespaces, credentials. */
#ifndef PYTEST_EBPF_IDENTITY_H
#define PYTEST_EBPF_IDENTITY_H

#include "session.h"

/* numbers[level] of a struct pid, read through the helper: the verifier of no
 * supported kernel lets a BTF pointer be indexed by a variable. */
static __always_inline void read_number(struct pid *pid, __u32 level, struct upid *number)
{
	__u64 at = (__u64)pid + bpf_core_field_offset(struct pid, numbers) +
		   (__u64)level * bpf_core_type_size(struct upid);

	number->nr = 0;
	number->ns = NULL;
	bpf_probe_read_kernel(number, sizeof(*number), (void *)at);
}

/* The number of a pid in the namespace at that level, 0 if it has none there. */
static __always_inline __u32 number_at(struct pid *pid, __u32 level)
{
	struct upid number;

	if (!pid || BPF_CORE_READ(pid, level) < level)
		return 0;
	read_number(pid, level, &number);
	return number.nr;
}

/* Fields are read through the helper and not by plain access: for each plain
 * access to a pointer the verifier looks a name up in the whole of the kernel's
 * BTF (6.2 to 6.18), and a program with fifty takes 50 ms to load. */
static __always_inline struct pid *process_pid(struct task_struct *task)
{
	return BPF_CORE_READ(task, signal, pids[PIDTYPE_TGID]);
}

static __always_inline void fill_pids(struct identity *to, struct task_struct *task, __u32 level)
{
	struct task_struct *real_parent = BPF_CORE_READ(task, real_parent);
	struct pid *thread = BPF_CORE_READ(task, thread_pid);
	struct pid *process = process_pid(task);
	struct pid *parent = process_pid(real_parent);
	__u32 own_level = BPF_CORE_READ(process, level);
	struct upid own, parents;

	to->host_pid = BPF_CORE_READ(task, tgid);
	to->host_tid = BPF_CORE_READ(task, pid);
	to->host_ppid = BPF_CORE_READ(real_parent, tgid);
	to->pid = number_at(process, level);
	to->tid = number_at(thread, level);
	to->ppid = number_at(parent, level);
	read_number(process, own_level, &own);
	to->namespace_pid = own.nr;
	to->namespace_tid = number_at(thread, own_level);
	to->pid_level = own_level;
	/* The task's own pid namespace; nsproxy has that of its children to be
	 * (pid_namespaces(7)). */
	to->ns_pid = BPF_CORE_READ(own.ns, ns.inum);
	/* getppid(2) answers 0 where the parent is in another namespace. */
	to->namespace_ppid = 0;
	if (BPF_CORE_READ(parent, level) >= own_level) {
		read_number(parent, own_level, &parents);
		if (parents.ns == own.ns)
			to->namespace_ppid = parents.nr;
	}
}

static __always_inline void fill_namespaces(struct identity *to, struct task_struct *task)
{
	struct nsproxy *nsproxy = BPF_CORE_READ(task, nsproxy);

	to->ns_mnt = BPF_CORE_READ(nsproxy, mnt_ns, ns.inum);
	to->ns_pid_for_children = BPF_CORE_READ(nsproxy, pid_ns_for_children, ns.inum);
	to->ns_net = BPF_CORE_READ(nsproxy, net_ns, ns.inum);
	to->ns_uts = BPF_CORE_READ(nsproxy, uts_ns, ns.inum);
	to->ns_ipc = BPF_CORE_READ(nsproxy, ipc_ns, ns.inum);
	to->ns_cgroup = BPF_CORE_READ(nsproxy, cgroup_ns, ns.inum);
	to->ns_time = BPF_CORE_READ(nsproxy, time_ns, ns.inum);
	to->ns_time_for_children = BPF_CORE_READ(nsproxy, time_ns_for_children, ns.inum);
	to->ns_user = BPF_CORE_READ(task, cred, user_ns, ns.inum);
}

static __always_inline void fill_credentials(struct identity *to, struct task_struct *task)
{
	const struct cred *cred = BPF_CORE_READ(task, cred);

	to->uid = BPF_CORE_READ(cred, uid.val);
	to->gid = BPF_CORE_READ(cred, gid.val);
	to->euid = BPF_CORE_READ(cred, euid.val);
	to->egid = BPF_CORE_READ(cred, egid.val);
	to->suid = BPF_CORE_READ(cred, suid.val);
	to->sgid = BPF_CORE_READ(cred, sgid.val);
	to->fsuid = BPF_CORE_READ(cred, fsuid.val);
	to->fsgid = BPF_CORE_READ(cred, fsgid.val);
	bpf_core_read(&to->cap_inheritable, sizeof(__u64), &cred->cap_inheritable);
	bpf_core_read(&to->cap_permitted, sizeof(__u64), &cred->cap_permitted);
	bpf_core_read(&to->cap_effective, sizeof(__u64), &cred->cap_effective);
	bpf_core_read(&to->cap_bounding, sizeof(__u64), &cred->cap_bset);
	bpf_core_read(&to->cap_ambient, sizeof(__u64), &cred->cap_ambient);
}

static __always_inline void fill_identity(struct identity *to, struct task_struct *task,
					  const struct member *member)
{
	to->start_ns = BPF_CORE_READ(task, group_leader, start_time);
	to->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	fill_pids(to, task, member->level);
	fill_namespaces(to, task);
	fill_credentials(to, task);
	bpf_core_read(to->comm, sizeof(to->comm), &task->comm);
}

/* What to compare with, to notice a change. */
static __always_inline void remember(struct member *member, struct task_struct *task)
{
	member->nsproxy = (__u64)BPF_CORE_READ(task, nsproxy);
	member->cred = (__u64)BPF_CORE_READ(task, cred);
}

/* What a call's record says of its thread, read once and not at each call: an
 * exec by a thread that is not the leader changes it, nothing else. */
static __always_inline void recognise(struct member *member, struct task_struct *task)
{
	remember(member, task);
	member->start_ns = BPF_CORE_READ(task, group_leader, start_time);
	member->host_pid = BPF_CORE_READ(task, tgid);
	member->host_tid = BPF_CORE_READ(task, pid);
	member->tid = number_at(BPF_CORE_READ(task, thread_pid), member->level);
}

#endif
