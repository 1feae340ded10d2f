/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which system calls are recorded, their record, and the end of one that never
 * returned. */
#ifndef PYTEST_EBPF_CALLS_H
#define PYTEST_EBPF_CALLS_H

#include "registers.h"
#include "ring.h"

/* The same number in every ABI: all calls added since Linux 5.1 have. */
#define IO_URING_SETUP 425
#define IO_URING_REGISTER 427

#define SECCOMP_MODE_DEAD 3 /* include/linux/seccomp.h, kernel 5.17 (495ac3069a66) */

/* Whether the client does this itself, for us. */
static __always_inline bool is_muted(const struct control *control, __u32 tid)
{
	const __u32 *muted = control->muted;

	return muted[0] == tid || muted[1] == tid || muted[2] == tid || muted[3] == tid ||
	       muted[4] == tid || muted[5] == tid || muted[6] == tid || muted[7] == tid;
}

static __always_inline bool is_wanted(const struct control *control, const struct member *member)
{
	__u32 number = member->call.number, word;

	/* What a ring set up outside a window does in a later one is no call. */
	if (number == IO_URING_SETUP)
		return true;
	if (!control->calls || !member->call.window)
		return false;
	if (member->own &&
	    (control->flags & CONTROL_CHILDREN_ONLY || is_muted(control, member->tid)))
		return false;
	if (number >= CALL_NUMBERS || (number >= IO_URING_SETUP && number <= IO_URING_REGISTER))
		return true;
	word = member->call.abi * (CALL_NUMBERS / 64) + number / 64;
	barrier_var(word);
	if (word >= CALL_ABIS * (CALL_NUMBERS / 64))
		return false;
	return control->wanted[0][word] >> number % 64 & 1;
}

/* The kernel's own errors for a call that a signal interrupted: -ERESTARTSYS,
 * -ERESTARTNOINTR, -ERESTARTNOHAND, -ERESTART_RESTARTBLOCK (linux/errno.h). The
 * thread calls again, or sees EINTR, or dies. */
static __always_inline bool is_restart(__s64 result)
{
	return result <= -512 && result >= -516 && result != -515;
}

/* What there is of every call that is recorded. */
static __always_inline void start_call(struct pending_call *call)
{
	call->pid_tgid = bpf_get_current_pid_tgid();
	call->files[0] = 0;
	call->files[1] = 0;
	call->flags = 0;
	call->again = 0;
	call->late = 0;
	call->opens = 0;
	call->moves = 0;
	call->entered_ns = bpf_ktime_get_ns();
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

/* The call for which seccomp ended the thread on the spot (do_exit() in
 * __seccomp_filter(), kernel/seccomp.c): neither sys_enter nor sys_exit saw it. */
static __always_inline bool find_killed(const struct session *session, struct member *member,
					struct task_struct *task)
{
	const struct pt_regs *registers;

	if (!bpf_core_field_exists(task->seccomp) ||
	    BPF_CORE_READ(task, seccomp.mode) != SECCOMP_MODE_DEAD)
		return false;
	registers = (const void *)bpf_task_pt_regs(task);
	read_call(&member->call, was_compat(task), registers, number_at_exit(registers));
	member->call.window = session->control->window;
	if (!is_wanted(session->control, member))
		return false;
	start_call(&member->call);
	member->call.flags = CALL_DENIED | CALL_TRAPPED;
	return true;
}

/* At the end of the thread: a call that it dies in is unfinished, and so is one
 * that it had left for the signal that killed it: no caller saw a result. */
static __always_inline void finish_call(struct session *session, struct member *member,
					struct task_struct *task)
{
	__u32 state = member->call.state;

	member->call.state = CALL_NONE;
	if (state == CALL_PENDING || state == CALL_HELD ||
	    (state == CALL_NONE && find_killed(session, member, task)))
		emit_call(session, member, &member->call, bpf_ktime_get_ns(), 0, CALL_UNFINISHED);
}

#endif
