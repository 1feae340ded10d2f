/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A piece of the task's memory, of any length, into the ring. */
#ifndef PYTEST_EBPF_PIECES_H
#define PYTEST_EBPF_PIECES_H

#include "ring.h"

#define CALL_STRING 4096 /* PATH_MAX, without the NUL: what is longer the kernel refuses */
#define CALL_STRUCT 4096
#define CALL_DATA_SPACE 16384

struct piece {
	/* What to read. In memory and not in registers: what the verifier knows
	 * nothing of cannot differ between two turns of a loop, and so it follows each
	 * turn once. */
	__u64 address;
	__u64 length; /* of bytes; those that there are */
	__u32 limit; /* of bytes; those that are copied */
	__u32 string; /* 1: up to its NUL, whatever the length */
	__u32 absent; /* 1: what leads there could not be read */
	__u32 unreadable; /* pieces that could not be read since it was set to 0 */
	__u32 session;
	__u32 data_limit;
	/* Where a list is read. */
	__u64 list;
	__u64 count; /* items */
	__u64 transferred; /* bytes that the items hold, all together */
	__u32 left; /* bytes of them that may still be copied */
	__u32 first; /* part that the first item is */
	__u32 base; /* part that a message's header is */
	__u64 messages; /* where a list of them is */
	__u64 message_count;
	__u64 word[2]; /* an item */
	__u64 header[7]; /* struct msghdr */
	struct capture capture;

	struct call_data_record record;
	char data[CALL_DATA_SPACE];
};

/* The one being put together. The programs on sys_enter and sys_exit alone use it:
 * they are not preempted, and no program nests on a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct piece);
} pieces SEC(".maps");

static __always_inline struct piece *the_piece(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&pieces, &zero);
}

/* Copies to piece->data; says how many bytes, or that they could not be read. */
static __always_inline long read_piece(struct piece *piece)
{
	__u64 length = piece->length;
	__u32 limit = piece->limit;
	long got;

	if (piece->absent)
		return -1;
	if (piece->string) {
		/* One more than a whole one has, so that a longer one shows. */
		got = bpf_probe_read_user_str(piece->data, CALL_STRING + 1, (void *)piece->address);
		if (got <= 0)
			return -1;
		if (got <= CALL_STRING)
			return got - 1;
		piece->record.flags |= DATA_CUT;
		return CALL_STRING;
	}
	if (length > limit) {
		length = limit;
		piece->record.flags |= DATA_CUT;
	}
	barrier_var(length);
	if (length > CALL_DATA_SPACE)
		length = CALL_DATA_SPACE;
	if (bpf_probe_read_user(piece->data, length, (void *)piece->address))
		return -1;
	return length;
}

/* Writes what piece says; the record's names of call and capture are filled in. */
__noinline int emit_piece(__u32 part)
{
	struct piece *piece = the_piece();
	struct session session;
	__u64 size;
	long length;

	if (!piece || !session_by_id(piece->session, &session))
		return 0;
	piece->record.part = part;
	piece->record.address = piece->address;
	length = read_piece(piece);
	if (length < 0) {
		length = 0;
		piece->record.flags |= DATA_UNREADABLE;
		piece->unreadable++;
	}
	piece->record.length = length;
	size = length;
	barrier_var(size);
	if (size > CALL_DATA_SPACE)
		size = CALL_DATA_SPACE;
	record_copy(&session, &piece->record, sizeof(piece->record) + size);
	piece->record.flags &= DATA_AT_EXIT;
	return 0;
}

#endif
