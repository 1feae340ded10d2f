/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* unshare(2), setns(2), setuid(2), capset(2) and whatever else replaces a
 * thread's nsproxy or credentials: found by the pointers, whatever the call's
 * number and ABI. A new object is always made before the old one is freed, so
 * that one call cannot bring the same address back. */
#ifndef PYTEST_EBPF_CHANGES_H
#define PYTEST_EBPF_CHANGES_H

#include "identity.h"
#include "ring.h"

static __always_inline void emit_identity(struct session *session, __u32 type,
					  struct task_struct *task, const struct member *member)
{
	struct identity_record *record = record_reserve(session, sizeof(*record));

	if (!record)
		return;
	fill_header(&record->header, type, bpf_ktime_get_ns(), task, session->control);
	fill_identity(&record->identity, task, member);
	record_submit(session, record);
}

/* The rule ptrace(2) has: what runs with other ids than its tracer's is none of
 * the tracer's business. */
static __always_inline void leave(struct session *session, struct task_struct *task,
				  const struct member *member)
{
	__sync_fetch_and_add(&session->control->left_members, 1);
	emit_identity(session, RECORD_LEFT, task, member);
	bpf_task_storage_delete(&members, task);
}

/* Both are read at once, as they lie close to each other, unless somebody built the
 * kernel otherwise (CONFIG_RANDSTRUCT). A function of its own, so that its stack is not
 * that of all else that its caller calls: all together may have 512 bytes. */
static __noinline bool has_changed(const struct member *member, struct task_struct *task)
{
	const __u32 nsproxy = bpf_core_field_offset(struct task_struct, nsproxy);
	const __u32 cred = bpf_core_field_offset(struct task_struct, cred);
	const __u32 first = nsproxy < cred ? nsproxy : cred;
	const __u32 size = nsproxy + cred - 2 * first + sizeof(__u64);
	__u64 both[16];

	if (size > sizeof(both))
		return member->nsproxy != (__u64)BPF_CORE_READ(task, nsproxy) ||
		       member->cred != (__u64)BPF_CORE_READ(task, cred);
	bpf_probe_read_kernel(both, size, (void *)task + first);
	return member->nsproxy != *(__u64 *)((void *)both + (nsproxy - first)) ||
	       member->cred != *(__u64 *)((void *)both + (cred - first));
}

/* At the end of each system call. */
static __always_inline void note_change(struct member *member, struct task_struct *task)
{
	struct session session;

	remember(member, task);
	if (!session_of(member, &session))
		return;
	if (member->confined && !may_hold(member->uid, task))
		leave(&session, task, member);
	else
		emit_identity(&session, RECORD_IDENTITY, task, member);
}

#endif
