/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Texts of any length into the ring, in pieces of a few fixed sizes:
 * bpf_ringbuf_reserve() wants a constant, and records that take their size at
 * run time (dynptr) need kernel 5.19. */
#ifndef PYTEST_EBPF_TEXT_H
#define PYTEST_EBPF_TEXT_H

#include "ring.h"

#define TEXT_SMALL 4096
#define TEXT_PIECE 16384
#define TEXT_MAX_PIECES 128 /* 2 MiB: as much as argv_limit can ask for */

struct text {
	__u64 time_ns;
	__u64 from; /* address, in the kernel or in the task: of what is left */
	__u32 length; /* what is left */
	__u32 field; /* enum text_field */
	__u32 host_tid;
	__u32 session;
	__u32 user; /* 1: from is an address of the task */
	/* what became of it, as masks of 1 << enum text_field */
	__u32 truncated;
	__u32 unreadable;
	__u32 unused;
};

/* One piece, in a record with room for `room` bytes. */
static __always_inline void text_piece(struct session *session, struct text *text, const __u32 room)
{
	struct text_record *record = record_reserve(session, sizeof(*record) + room);
	__u32 length;
	void *from;
	long failed;

	/* Nothing between the reservation and this test: the compiler would test
	 * twice, and the verifier of 6.1 forgets the first time's answer. */
	if (!record) {
		/* What follows a hole is not read as if it followed what came before it. */
		text->truncated |= 1 << text->field;
		if (text->length > room)
			__sync_fetch_and_add(&session->control->lost_bytes, text->length - room);
		text->length = 0;
		return;
	}
	length = text->length;
	/* In one register from here on: the verifier of 6.1 does not learn of a
	 * copy what it learns of the original. */
	barrier_var(length);
	if (length > room)
		length = room;
	barrier_var(length);
	from = (void *)text->from;
	text->from += length;
	text->length -= length;
	record->type = RECORD_TEXT;
	record->host_tid = text->host_tid;
	record->time_ns = text->time_ns;
	record->field = text->field;
	record->unused = 0;
	if (text->user)
		failed = bpf_probe_read_user(record + 1, length, from);
	else
		failed = bpf_probe_read_kernel(record + 1, length, from);
	record->length = failed ? 0 : length;
	if (failed) {
		text->unreadable |= 1 << text->field;
		text->length = 0;
	}
	record_submit(session, record);
}

/* A large piece; 0 at the end of those. Not static, nor is what follows: the verifier
 * walks them once, and not once a turn or call. The place is kept in *text for the
 * reason given at struct path_buffer. */
__noinline int large_piece(struct text *text)
{
	struct session session;

	if (!text || text->length <= TEXT_SMALL || !session_by_id(text->session, &session))
		return 0;
	text_piece(&session, text, TEXT_PIECE);
	return 1;
}

__noinline int large_pieces(struct text *text)
{
	for (int i = 0; i < FEW_TURNS; i++)
		if (!large_piece(text))
			return 0;
	return 1;
}

__noinline int emit_text(struct text *text)
{
	struct session session;

	if (!text || !session_by_id(text->session, &session))
		return 0;
	for (int i = 0; i < TEXT_MAX_PIECES / FEW_TURNS; i++)
		if (!large_pieces(text))
			break;
	if (!text->length)
		return 0;
	if (text->length <= 64)
		text_piece(&session, text, 64);
	else if (text->length <= 256)
		text_piece(&session, text, 256);
	else if (text->length <= 1024)
		text_piece(&session, text, 1024);
	else
		text_piece(&session, text, TEXT_SMALL);
	return 0;
}

#endif
