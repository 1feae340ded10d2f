/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The record of a system call, and the end of one that never returned. */
#ifndef PYTEST_EBPF_CALLS_H
#define PYTEST_EBPF_CALLS_H

#include "ring.h"

/* The kernel's own errors for a call that a signal interrupted: -ERESTARTSYS,
 * -ERESTARTNOINTR, -ERESTARTNOHAND, -ERESTART_RESTARTBLOCK (linux/errno.h). The
 * thread calls again, or sees EINTR, or dies. */
static __always_inline bool is_restart(__s64 result)
{
	return result <= -512 && result >= -516 && result != -515;
}

static __always_inline void emit_call(struct session *session, const struct member *member,
				      const struct pending_call *call, __u64 time_ns, __s64 result,
				      __u32 flags)
{
	struct call_record *record = record_reserve(session, sizeof(*record));

	if (!record)
		return;
	record->header.type = RECORD_CALL;
	record->header.window = call->window;
	record->header.time_ns = time_ns;
	record->header.start_ns = member->start_ns;
	record->header.host_pid = call->pid_tgid >> 32;
	record->header.host_tid = call->pid_tgid;
	record->entered_ns = call->entered_ns;
	record->args[0] = call->args[0];
	record->args[1] = call->args[1];
	record->args[2] = call->args[2];
	record->args[3] = call->args[3];
	record->args[4] = call->args[4];
	record->args[5] = call->args[5];
	record->result = result;
	record->files[0] = call->files[0];
	record->files[1] = call->files[1];
	record->number = call->number;
	record->abi = call->abi;
	record->flags = call->flags | flags;
	record->unused = 0;
	record_submit(session, record);
}

/* At the end of the thread: a call that it dies in is unfinished, and so is one
 * that it had left for the signal that killed it: no caller saw a result. */
static __always_inline void finish_call(struct session *session, struct member *member)
{
	__u32 state = member->call.state;

	member->call.state = CALL_NONE;
	if (state == CALL_PENDING || state == CALL_HELD)
		emit_call(session, member, &member->call, bpf_ktime_get_ns(), 0, CALL_UNFINISHED);
}

#endif
