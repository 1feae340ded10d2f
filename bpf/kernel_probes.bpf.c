// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The same for what the kernel itself does: its tracepoints and functions. They cannot
 * sleep, so what is not in memory is told as unreadable. */
#include "probe_hit.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct llist_node {
	struct llist_node *next;
};

struct llist_head {
	struct llist_node *first;
};

struct rethook_node {
	struct llist_node llist;
	unsigned long frame;
};

struct task_struct___rethooks {
	struct llist_head rethooks;
};

struct rethook;

struct fprobe___rethook {
	struct rethook *rethook;
};

#pragma clang attribute pop

/* Where a hit is put together. No task can take the CPU away meanwhile; an interrupt
 * can. */
struct kernel_scratch {
	__u32 busy;
	__u32 unused;
	struct probe_work work;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kernel_scratch);
} kernel_scratch SEC(".maps");

/* Entries whose return is to be told. Functions of the kernel all return, in any
 * order, on more than one stack. */
struct kernel_frame_key {
	__u64 cookie;
	__u64 sp;
};

struct kernel_frame {
	__u64 entered_ns;
	__u64 kept[MAX_KEPT];
	__u32 session;
	__u32 window;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct kernel_frame_key);
	__type(value, struct kernel_frame);
} kernel_frames SEC(".maps");

static __always_inline struct kernel_scratch *take_scratch(struct control *control)
{
	struct kernel_scratch *scratch;
	__u32 zero = 0;

	scratch = bpf_map_lookup_elem(&kernel_scratch, &zero);
	if (!scratch)
		return NULL;
	if (__sync_fetch_and_add(&scratch->busy, 1)) {
		__sync_fetch_and_add(&scratch->busy, -1);
		__sync_fetch_and_add(&control->lost_records, 1);
		return NULL;
	}
	return scratch;
}

static __always_inline void give_scratch(struct kernel_scratch *scratch)
{
	__sync_fetch_and_add(&scratch->busy, -1);
}

static __always_inline bool note_frame(struct probe_work *work, const struct hit *hit)
{
	struct kernel_frame_key key = { hit->cookie, work->registers[WORD_SP] };
	struct kernel_frame frame = {
		.entered_ns = work->record.header.time_ns,
		.session = hit->member->session,
		.window = hit->window,
	};
	__u32 of;

	for (__u32 i = 0; i < MAX_KEPT; i++) {
		of = hit->spec->kept[i];
		barrier_var(of);
		if (of >= MAX_FETCHES)
			break;
		frame.kept[i] = indexed(work, &hit->spec->fetches[of],
					word_of(work, hit->spec->fetches[of].reg));
	}
	return !bpf_map_update_elem(&kernel_frames, &key, &frame, BPF_ANY);
}

/* What a program is attached to. */
enum attachment {
	AT_TRACEPOINT, /* its context is no struct pt_regs */
	AT_FUNCTION,
	AT_FUNCTIONS, /* many at once */
};

/* Whether the kernel will see the return: it follows a few at once of each function
 * (register_kretprobe(), kernel/kprobes.c), and has just noted this one, or not. Where
 * it notes them elsewhere (before 6.0; of many functions since 6.14, 4346ba160409), or
 * not by the stack pointer, that is not known. */
static __always_inline bool will_return(struct task_struct *task, __u64 sp,
					const enum attachment at)
{
#if defined(__TARGET_ARCH_x86)
	struct task_struct___rethooks *of = (void *)task;
	struct llist_node *first;
	struct rethook_node *hook;

	if (!bpf_core_field_exists(of->rethooks))
		return true;
	if (at == AT_FUNCTIONS && !bpf_core_field_exists(struct fprobe___rethook, rethook))
		return true;
	first = BPF_CORE_READ(of, rethooks.first);
	hook = (void *)first - bpf_core_field_offset(struct rethook_node, llist);
	return first && BPF_CORE_READ(hook, frame) == sp;
#else
	return true;
#endif
}

static __always_inline void fire(void *ctx, struct member *member, const enum attachment at)
{
	struct hit hit = { .member = member };
	struct kernel_scratch *scratch;
	struct probe_work *work;

	if (!member || !is_hit(&hit, ctx))
		return;
	scratch = take_scratch(hit.control);
	if (!scratch)
		return;
	work = &scratch->work;
	if (!hit.spec->filter_count && !count_hit(&hit))
		goto out;
	if (at != AT_TRACEPOINT) {
		note_registers(work, ctx);
		work->stack = work->registers[WORD_SP];
	} else {
		work->record.ip = 0;
		work->record.sp = 0;
	}
	work->context = (__u64)ctx;
	head(&work->record, hit.member, hit.cookie);
	work->record.header.window = hit.window;
	work->record.entered_ns = work->record.header.time_ns;
	if (!run_fetches(work, hit.spec, 0, READ_AT_ONCE))
		goto out;
	if (hit.spec->filter_count && !count_hit(&hit))
		goto out;
	if (hit.spec->stack) {
		add_stack(work, ctx, hit.spec->stack, PROBE_KERNEL_STACK);
		add_stack(work, ctx, hit.spec->stack, PROBE_STACK);
	}
	if (at != AT_TRACEPOINT && hit.spec->flags & SPEC_RETURNS &&
	    !(will_return(bpf_get_current_task_btf(), work->registers[WORD_SP], at) &&
	      note_frame(work, &hit)))
		work->record.flags |= PROBE_NO_FRAME;
	tell(work, hit.member->session);
out:
	give_scratch(scratch);
}

SEC("tp")
int probe__tracepoint(void *ctx)
{
	fire(ctx, member_calling(bpf_get_current_task_btf()), AT_TRACEPOINT);
	return 0;
}

SEC("raw_tp")
int probe__raw(void *ctx)
{
	fire(ctx, member_calling(bpf_get_current_task_btf()), AT_TRACEPOINT);
	return 0;
}

/* Of the task that an argument is, whichever happens to run: the one that is woken up. */
#define OF_TASK(number)                                                                        \
	SEC("tp_btf")                                                                          \
	int probe__of_task##number(__u64 *ctx)                                                 \
	{                                                                                      \
		struct task_struct *task = (struct task_struct *)ctx[number];                  \
                                                                                               \
		if (task)                                                                      \
			fire(ctx, member_of(task), AT_TRACEPOINT);                             \
		return 0;                                                                      \
	}

OF_TASK(0)
OF_TASK(1)
OF_TASK(2)
OF_TASK(3)

SEC("kprobe")
int probe__kernel_enter(struct pt_regs *ctx)
{
	fire(ctx, member_calling(bpf_get_current_task_btf()), AT_FUNCTION);
	return 0;
}

SEC("kprobe.multi")
int probe__kernel_enter_many(struct pt_regs *ctx)
{
	fire(ctx, member_calling(bpf_get_current_task_btf()), AT_FUNCTIONS);
	return 0;
}

static __always_inline void leave(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct member *member = member_calling(task);
	struct kernel_frame_key key = {};
	const struct probe_spec *spec;
	struct kernel_scratch *scratch;
	struct kernel_frame *frame;
	struct control *control;
	struct probe_work *work;

	if (!member)
		return;
	key.cookie = bpf_get_attach_cookie(ctx);
	key.sp = ((__u64 *)ctx)[WORD_SP] - RETURN_POPS;
	frame = bpf_map_lookup_elem(&kernel_frames, &key);
	if (!frame)
		return;
	control = control_awake(member->session);
	spec = spec_of(key.cookie);
	if (!control || !spec || frame->session != member->session)
		goto out;
	scratch = take_scratch(control);
	if (!scratch)
		goto out;
	work = &scratch->work;
	note_registers(work, ctx);
	work->stack = key.sp;
	__builtin_memcpy(work->kept, frame->kept, sizeof(work->kept));
	head(&work->record, member, key.cookie);
	work->record.header.window = frame->window;
	work->record.entered_ns = frame->entered_ns;
	run_fetches(work, spec, FETCH_AT_RETURN, READ_AT_ONCE);
	tell(work, member->session);
	give_scratch(scratch);
out:
	bpf_map_delete_elem(&kernel_frames, &key);
}

SEC("kretprobe")
int probe__kernel_leave(struct pt_regs *ctx)
{
	leave(ctx);
	return 0;
}

SEC("kretprobe.multi")
int probe__kernel_leave_many(struct pt_regs *ctx)
{
	leave(ctx);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
