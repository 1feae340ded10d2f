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

/* arch/x86/entry/syscalls/syscall_64.tbl: kernels 6.11 and 6.18 */
#define URETPROBE 335
#define UPROBE 336

/* Whether the kernel makes the thread call this where somebody has a probe on what it
 * runs: no program does. That a filter answered it is told all the same. */
static __always_inline bool is_probes_own(const struct call_record *call)
{
#if defined(__TARGET_ARCH_x86)
	return call->abi == CALL_NATIVE && (call->number == URETPROBE || call->number == UPROBE);
#else
	return false;
#endif
}

static __always_inline bool is_wanted(const struct control *control, const struct member *member)
{
	const struct call_record *call = &member->call.record;
	__u32 number = call->number, word;

	/* What a ring set up outside a window does in a later one is no call. */
	if (number == IO_URING_SETUP)
		return true;
	if (!control->calls || !call->header.window)
		return false;
	if (member->own &&
	    (control->flags & CONTROL_CHILDREN_ONLY || is_muted(control, member->tid)))
		return false;
	if (number >= CALL_NUMBERS || (number >= IO_URING_SETUP && number <= IO_URING_REGISTER))
		return true;
	word = call->abi * (CALL_NUMBERS / 64) + number / 64;
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
static __always_inline void start_call(struct member *member)
{
	struct pending_call *call = &member->call;
	struct call_record *record = &call->record;

	record->header.type = RECORD_CALL;
	record->header.start_ns = member->start_ns;
	record->header.host_pid = member->host_pid;
	record->header.host_tid = member->host_tid;
	record->files[0] = 0;
	record->files[1] = 0;
	record->flags = 0;
	record->length = 0;
	call->again = 0;
	call->late = 0;
	call->opens = 0;
	call->moves = 0;
	call->absolute = 0;
	record->entered_ns = bpf_ktime_get_ns();
}

static __always_inline void emit_call(struct session *session, struct member *member)
{
	struct call_record *record = &member->call.record;
	__u64 length = record->length;

	barrier_var(length);
	if (length > PIECES_SPACE)
		length = PIECES_SPACE;
	record_copy(session, record, sizeof(*record) + length, waking(session));
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
	read_call(&member->call.record, was_compat(task), registers, number_at_exit(registers));
	member->call.record.header.window = session->control->window;
	if (!is_wanted(session->control, member))
		return false;
	start_call(member);
	member->call.record.flags = CALL_DENIED | CALL_TRAPPED;
	return true;
}

/* At the end of the thread: a call that it dies in is unfinished, and so is one
 * that it had left for the signal that killed it: no caller saw a result. */
static __always_inline void finish_call(struct session *session, struct member *member,
					struct task_struct *task)
{
	struct call_record *record = &member->call.record;
	__u32 state = member->call.state;

	member->call.state = CALL_NONE;
	if (state != CALL_PENDING && state != CALL_HELD &&
	    (state != CALL_NONE || !find_killed(session, member, task)))
		return;
	record->header.time_ns = bpf_ktime_get_ns();
	record->result = 0;
	record->flags |= CALL_UNFINISHED;
	emit_call(session, member);
}

#endif
