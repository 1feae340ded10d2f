/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where a probe's hit is put together, and what the programs know of the probes. */
#ifndef PYTEST_EBPF_PROBE_WORK_H
#define PYTEST_EBPF_PROBE_WORK_H

#include "session.h"
#include "probes.h"

#if defined(__TARGET_ARCH_x86)

/* Of struct pt_regs, arch/x86/include/asm/ptrace.h. */
enum word {
	WORD_RESULT = 10,
	WORD_IP = 16,
	WORD_CS = 17,
	WORD_SP = 19,
	WORDS = 21,
};

#define RETURN_POPS 8 /* bytes */

#elif defined(__TARGET_ARCH_arm64)

/* Of struct user_pt_regs, arch/arm64/include/uapi/asm/ptrace.h. */
enum word {
	WORD_RESULT = 0,
	WORD_LINK = 30,
	WORD_SP = 31,
	WORD_IP = 32,
	WORDS = 34,
};

#define RETURN_POPS 0 /* the address is in a register */

#endif

#define PIECE_STARTS 8192 /* bytes of pieces after which none begins */
#define PIECE_ROOM (PIECE_STARTS + sizeof(struct probe_piece) + PIECE_MOST)
#define MAX_FRAMES 64 /* MAX_URETPROBE_DEPTH, include/linux/uprobes.h */

/* A hit, from its registers to its record. */
struct probe_work {
	__u64 registers[WORDS];
	__u64 context; /* BASE_CONTEXT */
	__u64 stack; /* BASE_STACK */
	__u64 kept[MAX_KEPT];
	__u64 values[MAX_FETCHES]; /* of those fetched so far: the value, or the first eight bytes */
	__u32 unread; /* 1 << fetch: there is no value */
	__u32 refused; /* 1: a filter does not hold */
	struct probe_record record;
	__u8 pieces[PIECE_ROOM + 8]; /* the last one is padded */
};

/* An entry that was told, and whose return is to be. */
struct probe_frame {
	__u64 cookie; /* 0: it has returned */
	__u64 sp;
	__u64 entered_ns;
	__u64 kept[MAX_KEPT];
	__u32 session;
	__u32 window;
};

/* What a thread carries that came to a uprobe. A uprobe's program can be preempted,
 * and sleeps while a page is brought in, so nothing of the CPU's can be its scratch
 * memory; in one thread it never nests. */
struct probe_thread {
	__u32 depth;
	__u32 unused;
	struct probe_frame frames[MAX_FRAMES];
	struct probe_work work;
};

/* Goes with its thread. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct probe_thread);
} probe_threads SEC(".maps");

/* By id % MAX_PROBES. The broker writes, before it attaches; an element is another's
 * only after all that was attached for the first is gone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PROBES);
	__type(key, __u32);
	__type(value, struct probe_spec);
} specs SEC(".maps");

/* Kernels since 6.13 give a program of this type whose stack is not tiny a stack a
 * CPU (PRIV_STACK_ADAPTIVE, kernel/bpf/verifier.c), though one that sleeps in a uprobe
 * can be preempted by itself, in another thread: the two would share their variables.
 * A program with a tail call has none. This one is never made: the type is in no
 * kernel, and what the verifier finds dead it takes out. */
struct pytest_ebpf_no_such_type {
	int nothing;
};

static __always_inline void keep_own_stack(void *ctx)
{
	if (bpf_core_type_exists(struct pytest_ebpf_no_such_type))
		bpf_tail_call(ctx, NULL, 0);
}

/* The control page of a session that lives, for programs that can sleep. The owner
 * of the slot is looked at last: what was found before it was that one's then, as
 * nobody owns a slot twice. */
static __always_inline struct control *control_awake(__u32 session)
{
	__u32 slot = session % MAX_SESSIONS;
	struct control *control = control_at(slot);
	const struct session_slot *owner = bpf_map_lookup_elem(&slots, &slot);

	return owner && *(volatile __u32 *)&owner->session == session ? control : NULL;
}

/* The same with its ring. */
static __always_inline bool session_awake(__u32 id, struct session *session)
{
	__u32 slot = id % MAX_SESSIONS;
	const struct session_slot *owner;

	session->control = control_at(slot);
	session->ring = bpf_map_lookup_elem(&rings, &slot);
	owner = bpf_map_lookup_elem(&slots, &slot);
	if (!session->control || !session->ring || !owner)
		return false;
	session->wake_at = owner->wake_at;
	return *(volatile __u32 *)&owner->session == id;
}

#endif
