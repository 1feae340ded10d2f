/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which entry a return belongs to. The kernel tells a program neither: it is found
 * by the stack pointer, which at the return is where it was at the entry. */
#ifndef PYTEST_EBPF_PROBE_FRAMES_H
#define PYTEST_EBPF_PROBE_FRAMES_H

#include "probe_fetch.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct xol_area {
	unsigned long vaddr;
};

struct uprobes_state {
	struct xol_area *xol_area;
};

struct mm_struct___uprobes {
	struct uprobes_state uprobes_state;
};

struct uprobe_task {
	unsigned int depth;
};

struct task_struct___uprobes {
	struct uprobe_task *utask;
};

#pragma clang attribute pop

#if defined(__TARGET_ARCH_x86)

#define USER32_CS 0x23 /* arch/x86/include/asm/segment.h */

/* ret pops the address, and in 32-bit programs that of a returned structure too. */
static __always_inline bool is_return_of(const struct probe_work *work, __u64 entry_sp)
{
	__u64 popped = work->registers[WORD_SP] - entry_sp;

	return work->registers[WORD_CS] == USER32_CS ? popped == 4 || popped == 8 : popped == 8;
}

/* Frames below are of functions that the returning one called: they are gone. */
static __always_inline bool is_below(const struct probe_work *work, __u64 entry_sp)
{
	return entry_sp < work->registers[WORD_SP] && !is_return_of(work, entry_sp);
}

#elif defined(__TARGET_ARCH_arm64)

static __always_inline bool is_return_of(const struct probe_work *work, __u64 entry_sp)
{
	return work->registers[WORD_SP] == entry_sp;
}

static __always_inline bool is_below(const struct probe_work *work, __u64 entry_sp)
{
	return entry_sp < work->registers[WORD_SP];
}

#endif

/* Whether the kernel will see the return of the function that is entered:
 * prepare_uretprobe(), kernel/events/uprobes.c. */
static __always_inline bool will_return(struct task_struct *task)
{
	struct task_struct___uprobes *of = (void *)task;

	return BPF_CORE_READ(of, utask, depth) < MAX_FRAMES;
}

/* Whether a function was entered by a jump from the end of another whose return is
 * awaited: it returns to the kernel's trampoline. */
static __always_inline bool is_chained(struct task_struct *task, const struct probe_work *work)
{
	struct mm_struct___uprobes *mm = (void *)BPF_CORE_READ(task, mm);
	__u64 trampoline = BPF_CORE_READ(mm, uprobes_state.xol_area, vaddr), to = 0;

#if defined(__TARGET_ARCH_x86)
	bpf_probe_read_user(&to, work->registers[WORD_CS] == USER32_CS ? 4 : 8,
			    (void *)work->registers[WORD_SP]);
#else
	to = work->registers[WORD_LINK];
#endif
	return to == trampoline;
}

static __always_inline struct probe_frame *frame_at(struct probe_thread *thread, __u32 index)
{
	barrier_var(index);
	if (index >= MAX_FRAMES)
		return NULL;
	/* The compiler may compute the address before it tests. */
	barrier_var(index);
	return &thread->frames[index % MAX_FRAMES];
}

/* At an entry: what was entered at a deeper place was left without a return, by
 * longjmp(3) or an exception. */
static __always_inline void drop_deeper(struct probe_thread *thread, __u64 sp)
{
	struct probe_frame *frame;

	for (__u32 i = 0; i < MAX_FRAMES; i++) {
		frame = frame_at(thread, thread->depth - 1);
		if (!frame || frame->sp >= sp)
			break;
		thread->depth--;
	}
}

/* The same call at the same place of the stack: the former was left likewise, if
 * this one is not its continuation. */
static __always_inline void drop_same(struct probe_thread *thread, struct task_struct *task,
				      __u64 cookie, __u64 sp)
{
	struct probe_frame *frame;
	__u32 at = thread->depth;

	for (__u32 i = 0; i < MAX_FRAMES; i++) {
		frame = frame_at(thread, --at);
		if (!frame || frame->sp != sp)
			break;
		if (frame->cookie != cookie)
			continue;
		if (!is_chained(task, &thread->work))
			thread->depth = at;
		break;
	}
}

/* Notes an entry whose return will be told; 0: it will not. A function of its own, as
 * fetch_sleeping() is. */
__noinline int push_frame(struct probe_thread *thread, const struct probe_spec *spec, __u64 cookie,
			  __u32 session)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct probe_work *work = &thread->work;
	struct probe_frame *frame;
	__u64 sp;
	__u32 of;

	if (!thread || !spec)
		return 0;
	sp = work->registers[WORD_SP];
	drop_deeper(thread, sp);
	drop_same(thread, task, cookie, sp);
	if (!will_return(task))
		return 0;
	frame = frame_at(thread, thread->depth);
	if (!frame)
		return 0;
	frame->cookie = cookie;
	frame->sp = sp;
	frame->entered_ns = work->record.header.time_ns;
	frame->session = session;
	frame->window = work->record.header.window;
	for (__u32 i = 0; i < MAX_KEPT; i++) {
		of = spec->kept[i];
		barrier_var(of);
		if (of >= MAX_FETCHES)
			break;
		frame->kept[i] = indexed(work, &spec->fetches[of],
					 word_of(work, spec->fetches[of].reg));
	}
	thread->depth++;
	return 1;
}

/* Takes the frame of the call that returns; work->kept and work->stack are then what
 * they were. 0: its entry was not told. */
__noinline int pop_frame(struct probe_thread *thread, __u64 cookie, __u32 session)
{
	struct probe_work *work = &thread->work;
	struct probe_frame *frame;
	int found = 0;
	__u32 at;

	if (!thread)
		return 0;
	for (__u32 i = 0; i < MAX_FRAMES; i++) {
		frame = frame_at(thread, thread->depth - 1);
		if (!frame || (frame->cookie && !is_below(work, frame->sp)))
			break;
		thread->depth--;
	}
	at = thread->depth;
	for (__u32 i = 0; i < MAX_FRAMES; i++) {
		frame = frame_at(thread, --at);
		if (!frame || !is_return_of(work, frame->sp))
			break;
		if (frame->cookie != cookie)
			continue;
		work->record.entered_ns = frame->entered_ns;
		work->record.header.window = frame->window;
		work->stack = frame->sp;
		__builtin_memcpy(work->kept, frame->kept, sizeof(work->kept));
		found = frame->session == session;
		/* Others that are above it, of the same call, return after it. */
		frame->cookie = 0;
		if (at + 1 == thread->depth)
			thread->depth = at;
		break;
	}
	return found;
}

#endif
