// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Generic programs for probes on functions of programs: what they do at a hit is data
 * (probes.h). Loaded when the first one is asked for; members, slots, rings and controls are those of
 * tracing.bpf.o. */
#include "probe_frames.h"
#include "probe_hit.h"

static __always_inline void enter_function(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct hit hit = { .member = member_calling(task) };
	struct probe_thread *thread;
	struct probe_work *work;

	if (!hit.member || !is_hit(&hit, ctx))
		return;
	thread = bpf_task_storage_get(&probe_threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread) {
		__sync_fetch_and_add(&hit.control->lost_records, 1);
		return;
	}
	work = &thread->work;
	if (!hit.spec->filter_count && !count_hit(&hit))
		return;
	note_registers(work, ctx);
	work->stack = work->registers[WORD_SP];
	head(&work->record, hit.member, hit.cookie);
	work->record.header.window = hit.window;
	work->record.entered_ns = work->record.header.time_ns;
	if (!run_fetches(work, hit.spec, 0, READ_SLEEPING))
		return;
	if (hit.spec->filter_count && !count_hit(&hit))
		return;
	if (hit.spec->stack)
		add_stack(work, ctx, hit.spec->stack, PROBE_STACK);
	if (hit.spec->flags & SPEC_RETURNS &&
	    !push_frame(thread, hit.spec, hit.cookie, hit.member->session))
		work->record.flags |= PROBE_NO_FRAME;
	tell(work, hit.member->session);
}

static __always_inline void leave_function(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct member *member = member_calling(task);
	struct probe_thread *thread;
	const struct probe_spec *spec;
	__u64 cookie;

	if (!member)
		return;
	thread = bpf_task_storage_get(&probe_threads, task, NULL, 0);
	if (!thread || !thread->depth)
		return;
	cookie = bpf_get_attach_cookie(ctx);
	note_registers(&thread->work, ctx);
	if (!pop_frame(thread, cookie, member->session))
		return;
	spec = spec_of(cookie);
	if (!spec)
		return;
	head(&thread->work.record, member, cookie);
	run_fetches(&thread->work, spec, FETCH_AT_RETURN, READ_SLEEPING);
	tell(&thread->work, member->session);
}

/* Attached at many places at once where the kernel can (6.6), or at one. It wants to know
 * which when it loads them: whoever loads them says it. */
SEC("uprobe.s")
int probe__enter(struct pt_regs *ctx)
{
	keep_own_stack(ctx);
	enter_function(ctx);
	return 0;
}

SEC("uretprobe.s")
int probe__leave(struct pt_regs *ctx)
{
	keep_own_stack(ctx);
	leave_function(ctx);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Types that live in locals alone are missing from BTF, where Python looks. */
const enum fetch_base *_fetch_base;
const enum fetch_kind *_fetch_kind;
const enum fetch_flag *_fetch_flag;
const enum filter_op *_filter_op;
const enum spec_flag *_spec_flag;
const enum probe_limit *_probe_limit;
const enum word *_word;
