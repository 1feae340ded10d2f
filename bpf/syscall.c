// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* System calls: noted when they are entered, written when they return. A call
 * without an entry in the same thread is none: sys_exit runs in a new child too,
 * for the call that made it. While no session wants system calls sys_enter is not
 * attached, and sys_exit does no more than notice changes of identity. */
#include "calls.h"
#include "captures.h"
#include "changes.h"
#include "files.h"

#define NO_CALL 0xffffffff

static __always_inline void begin_call(struct member *member, const struct control *control)
{
	struct pending_call *call = &member->call;
	const struct call_spec *spec;

	start_call(member);
	spec = spec_of(call);
	if (!spec)
		return;
	call->late = spec->late;
	call->opens = spec->opens;
	call->moves = spec->moves;
	if (spec->captures[0].kind)
		run_captures(member, control->data_limit, false);
	/* After the paths: what they start from is asked of the relative ones alone. */
	if (spec->names)
		name_files(member, spec, false);
}

/* The thread lives on: whoever called knows that the call ended so. */
static __always_inline void write_held(struct member *member)
{
	struct session session;

	if (member->call.state == CALL_HELD && session_of(member, &session))
		emit_call(&session, member);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(syscall__sys_enter, struct pt_regs *registers, long number)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct member *member = member_calling(task);
	struct pending_call *call;
	struct control *control;

	if (!member)
		return 0;
	call = &member->call;
	write_held(member);
	call->state = CALL_SKIPPED;
	control = control_of(member->session);
	if (!control)
		return 0;
	read_call(&call->record, is_compat(task), registers, number);
	call->record.header.window = control->window;
	if (is_probes_own(&call->record) || !is_wanted(control, member))
		return 0;
	begin_call(member, control);
	call->state = CALL_PENDING;
	return 0;
}

static __always_inline void leave_call(struct member *member, __s64 result)
{
	struct pending_call *call = &member->call;
	const struct call_spec *spec;
	struct session session;

	call->state = CALL_NONE;
	call->record.header.time_ns = bpf_ktime_get_ns();
	call->record.result = result;
	if (!session_of(member, &session))
		return;
	if (call->again || call->late)
		run_captures(member, session.control->data_limit, true);
	if (call->moves && result >= 0)
		note_move();
	if (call->opens && result >= 0) {
		spec = spec_of(call);
		if (spec)
			name_files(member, spec, true);
	}
	if (is_restart(result)) {
		call->state = CALL_HELD;
		return;
	}
	if (call->record.number == IO_URING_SETUP && result >= 0)
		__sync_fetch_and_add(&session.control->urings, 1);
	emit_call(&session, member);
}

/* The end of a call that has no entry: a seccomp filter or a tracer answered it
 * before sys_enter (syscall_trace_enter(), kernel/entry/common.c). */
static __always_inline void deny_call(struct member *member, struct task_struct *task,
				      const struct pt_regs *registers, __s64 result)
{
	struct control *control = control_of(member->session);
	struct pending_call *call = &member->call;
	__u32 number = number_at_exit(registers);

	write_held(member);
	call->state = CALL_NONE;
	/* -1: not a call, or one whose number the tracer took away */
	if (!control || !control->calls || number == NO_CALL)
		return;
	read_call(&call->record, is_compat(task), registers, number);
	call->record.header.window = control->window;
	if (!is_wanted(control, member))
		return;
	begin_call(member, control);
	call->record.flags = CALL_DENIED;
	if (result == before_call(registers)) {
		/* syscall_rollback(), for the SIGSYS that comes now (SECCOMP_RET_TRAP,
		 * SECCOMP_RET_KILL_*). */
		call->record.flags = CALL_DENIED | CALL_TRAPPED;
		call->record.result = result;
		call->record.header.time_ns = bpf_ktime_get_ns();
		call->state = CALL_HELD;
		return;
	}
	leave_call(member, result);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(syscall__sys_exit, struct pt_regs *registers, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct member *member = member_calling(task);
	__u32 state;

	if (!member)
		return 0;
	state = member->call.state;
	if (state == CALL_PENDING)
		leave_call(member, result);
	else if (state == CALL_NONE || state == CALL_HELD)
		deny_call(member, task, registers, result);
	else
		member->call.state = CALL_NONE;
	if (has_changed(member, task))
		note_change(member, task);
	return 0;
}

/* The session whose calls the broker wants to see before they return. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} snapshots SEC(".maps");

SEC("iter/task")
int syscall__in_progress(struct bpf_iter__task *ctx)
{
	const __u64 size = sizeof(struct call_record) + PIECES_SPACE;
	struct task_struct *task = ctx->task;
	struct call_record *record;
	struct member *member;
	struct session session;
	__u32 zero = 0, *wanted, state;
	__u64 entered_ns;

	wanted = bpf_map_lookup_elem(&snapshots, &zero);
	if (!task || !wanted)
		return 0;
	member = member_of(task);
	if (!member || member->session != *wanted)
		return 0;
	/* The thread runs on meanwhile, and may be in its next call already. If it has
	 * only left this one, its record supersedes this. */
	entered_ns = *(volatile __u64 *)&member->call.record.entered_ns;
	state = *(volatile __u32 *)&member->call.state;
	if ((state != CALL_PENDING && state != CALL_HELD) || !session_of(member, &session))
		return 0;
	record = record_reserve(&session, size);
	if (!record)
		return 0;
	bpf_probe_read_kernel(record, size, &member->call.record);
	if (*(volatile __u64 *)&member->call.record.entered_ns != entered_ns) {
		record_drop(record);
		return 0;
	}
	record->header.start_ns = member->start_ns;
	record->header.time_ns = bpf_ktime_get_ns();
	record->result = 0;
	record->flags |= CALL_IN_PROGRESS;
	record_submit(&session, record);
	return 0;
}
