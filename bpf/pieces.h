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

/* What read_piece() says that is no length. */
#define UNREADABLE -1
#define LONG -2 /* longer than there is room for */

/* Copies what piece says to where there is room for it; of a string that is too long,
 * as much as there is room for. */
static __always_inline long read_piece(const struct piece *piece, void *to, const __u64 room)
{
	__u64 length = piece->length;
	long got;

	if (piece->absent)
		return UNREADABLE;
	if (piece->string) {
		got = bpf_probe_read_user_str(to, room, (void *)piece->address);
		if (got < 0)
			return UNREADABLE;
		/* 6.1 and 6.12 say 0 of an empty one: strncpy_from_user_nofault(), mm/maccess.c. */
		if (!got)
			got = 1;
		return got < room ? got - 1 : LONG;
	}
	if (length > piece->limit)
		length = piece->limit;
	barrier_var(length);
	if (length > room)
		return LONG;
	return bpf_probe_read_user(to, length, (void *)piece->address) ? UNREADABLE : length;
}

/* What the piece is, now that it was read. */
static __always_inline void note_length(struct piece *piece, long length)
{
	struct call_piece *head = &piece->record.piece;

	if (length == UNREADABLE) {
		length = 0;
		head->flags |= DATA_UNREADABLE;
		piece->unreadable++;
	} else if (length == LONG) {
		length = CALL_STRING;
		head->flags |= DATA_CUT;
	} else if (!piece->string && piece->length > piece->limit) {
		head->flags |= DATA_CUT;
	}
	head->length = length;
}

/* A path from the root starts from no directory. */
static __always_inline void note_start(struct pending_call *call, const struct piece *piece,
				       const char *string)
{
	if (piece->capture.kind == CAPTURE_STRING && *string == '/')
		call->absolute |= 1 << (piece->capture.arg & 7);
}

/* A record of its own. */
static __always_inline void emit_long(struct piece *piece)
{
	struct session session;
	__u64 room, size;

	if (!session_by_id(piece->session, &session))
		return;
	/* One more than a whole string has, so that a longer one shows. */
	room = piece->string ? CALL_STRING + 1 : CALL_DATA_SPACE;
	note_length(piece, read_piece(piece, piece->data, room));
	size = piece->record.piece.length;
	barrier_var(size);
	if (size > CALL_DATA_SPACE)
		size = CALL_DATA_SPACE;
	record_copy(&session, &piece->record, sizeof(piece->record) + size, BPF_RB_NO_WAKEUP);
}

/* Copies what piece says, to travel with the call if there is room for it; the
 * record's names of call and capture are filled in. */
__noinline int emit_piece(struct pending_call *call, __u32 part)
{
	struct piece *piece = the_piece();
	struct call_piece *head, *kept;
	long length = LONG;
	__u64 at;

	if (!call || !piece)
		return 0;
	head = &piece->record.piece;
	head->part = part;
	head->address = piece->address;
	at = call->record.length;
	barrier_var(at);
	if (at <= PIECES_SPACE - sizeof(*kept) - PIECE_SMALL) {
		kept = (void *)&call->pieces[at];
		length = read_piece(piece, kept + 1, PIECE_SMALL);
		if (length != LONG) {
			note_length(piece, length);
			note_start(call, piece, (const char *)(kept + 1));
			*kept = *head;
			call->record.length = at + sizeof(*kept) + (head->length + 7) / 8 * 8;
		}
	}
	if (length == LONG) {
		emit_long(piece);
		note_start(call, piece, piece->data);
	}
	head->flags &= DATA_AT_EXIT;
	return 0;
}

#endif
