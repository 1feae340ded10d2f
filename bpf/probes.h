/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a probe does at each hit, as data: the contract with Python, which packs it
 * (pytest_ebpf/engine/specs.py) by the layouts in the BTF of the compiled object.
 * What it tells is in events.h. */
#ifndef PYTEST_EBPF_PROBES_H
#define PYTEST_EBPF_PROBES_H

enum probe_limit {
	MAX_FETCHES = 24,
	MAX_FILTERS = 4,
	MAX_STEPS = 5, /* dereferences before a value */
	MAX_KEPT = 4, /* values of registers kept from an entry for its return */
	MAX_STACK = 127, /* frames: PERF_MAX_STACK_DEPTH, linux/perf_event.h */
	NO_INDEX = 255, /* of a register, or a fetch */
	PIECE_MOST = 16384, /* bytes of one piece; of a string two less */
};

enum fetch_base {
	BASE_REGISTER, /* word of struct pt_regs (x86-64) or struct user_pt_regs (arm64) */
	BASE_STACK, /* the address in the stack pointer; at a return: what it was at the entry */
	BASE_CONSTANT,
	BASE_RESULT, /* reg as it is at the return; NO_INDEX: the one that results are in */
	BASE_CONTEXT, /* address of a tracepoint's record, or of its arguments */
};

enum fetch_kind {
	FETCH_VALUE, /* what is reached, itself: 8 bytes */
	FETCH_BYTES, /* size bytes there */
	FETCH_STRING, /* the bytes up to a NUL, size at most */
	FETCH_BUFFER, /* the value of fetch length_fetch, times size bytes; limit at most */
};

enum fetch_flag {
	FETCH_AT_RETURN = 1,
	FETCH_KERNEL = 2, /* the kernel's memory */
	FETCH_QUIET = 4, /* for a filter or a length: it is not told */
	FETCH_WORD32 = 8, /* pointers have four bytes */
	FETCH_IN_RECORD = 16, /* the first step's pointer is a __data_loc: where in the record
			       * it lies, and above that its length */
};

/* Reaches base + register index * scale + offsets[0], then for each step the pointer
 * there + the next offset. */
struct fetch {
	__u8 kind; /* enum fetch_kind */
	__u8 base; /* enum fetch_base */
	__u8 reg;
	__u8 index; /* NO_INDEX: none */
	__u8 scale;
	__u8 steps;
	__u8 flags; /* enum fetch_flag */
	__u8 length_fetch; /* NO_INDEX: none */
	__u8 length_width; /* bytes of its value that count */
	__u8 kept; /* with FETCH_AT_RETURN and BASE_REGISTER: which of probe_spec.kept it is */
	__u8 filters; /* 1 << each filter that compares it */
	__u8 unused;
	__u32 size;
	__u32 limit;
	__s32 offsets[MAX_STEPS + 1];
	__u64 constant;
};

enum filter_op {
	OP_EQUAL,
	OP_NOT_EQUAL,
	OP_LESS,
	OP_LESS_EQUAL,
	OP_GREATER,
	OP_GREATER_EQUAL,
	OP_BITS, /* at least one of them is set */
};

struct probe_filter {
	__u64 value;
	__u8 op; /* enum filter_op */
	__u8 width; /* bytes that count */
	__u8 is_signed;
	__u8 unused[5];
};

enum spec_flag {
	SPEC_RETURNS = 1, /* returns are told */
	SPEC_ROOT = 2, /* it reads what only root may see: confined sessions are told nothing */
};

struct probe_spec {
	__u32 id; /* never used twice; its remainder by MAX_PROBES is where it lies */
	__u32 flags; /* enum spec_flag */
	__u32 every; /* one in so many is told */
	__u32 fetch_count;
	__u32 filter_count;
	__u32 stack; /* frames to tell */
	__u64 cap; /* told in a window at most; 0: all */
	__u8 kept[MAX_KEPT + 4]; /* which fetches; NO_INDEX: none */
	struct probe_filter filters[MAX_FILTERS];
	struct fetch fetches[MAX_FETCHES];
};

#endif
