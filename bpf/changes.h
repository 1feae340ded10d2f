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

static __always_inline bool has_changed(const struct member *member, struct task_struct *task)
{
	return member->nsproxy != (__u64)BPF_CORE_READ(task, nsproxy) ||
	       member->cred != (__u64)BPF_CORE_READ(task, cred);
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
