/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the arguments of a call point to, as the call's table says. Read when the
 * call is entered; what was on a page that was not there then, and what the
 * kernel fills in, when it returns. */
#ifndef PYTEST_EBPF_CAPTURES_H
#define PYTEST_EBPF_CAPTURES_H

#include "calls.h"
#include "messages.h"

#define MAX_STRINGS 32

/* call_specs[], and the place there by ABI and number; 0: nothing to do. */
#include "call_table.h"

static __always_inline const struct call_spec *spec_of(const struct pending_call *call)
{
	__u64 abi = call->record.abi, number = call->record.number, place;

	barrier_var(abi);
	barrier_var(number);
	if (abi >= CALL_ABIS || number >= CALL_NUMBERS)
		return NULL;
	place = call_spec_places[abi][number];
	barrier_var(place);
	if (!place || place >= sizeof(call_specs) / sizeof(*call_specs))
		return NULL;
	return &call_specs[place];
}

/* What one pointer of a list points to, such as a string of argv; 0 at the end. */
__noinline int emit_item(struct pending_call *call, __u32 index)
{
	struct piece *piece = the_piece();
	__u64 at;

	if (!call || !piece || index >= piece->count)
		return 0;
	at = piece->list + index * sizeof(__u64);
	if (bpf_probe_read_user(piece->word, sizeof(piece->word[0]), (void *)at)) {
		piece->absent = 1;
		piece->address = at;
		emit_piece(call, index);
		return 0;
	}
	piece->address = piece->word[0];
	if (!piece->address)
		return 0;
	/* The last one that is copied says whether it was the list's last. */
	if (index + 1 == MAX_STRINGS && index + 1 < piece->count) {
		piece->word[0] = 1;
		bpf_probe_read_user(piece->word, sizeof(piece->word[0]), (void *)(at + sizeof(__u64)));
		if (piece->word[0])
			piece->record.piece.flags |= DATA_CUT;
	}
	emit_piece(call, index);
	return 1;
}

/* One item after the other: of argv, until NULL. */
static __always_inline void emit_items(struct piece *piece, struct pending_call *call)
{
	piece->list = piece->address;
	if (piece->capture.kind == CAPTURE_STRINGS) {
		piece->string = 1;
		piece->count = ~0ULL;
	} else {
		piece->length = piece->capture.size;
		piece->limit = CALL_STRUCT;
		piece->count = argument(call, piece->capture.length_arg);
	}
	for (__u32 i = 0; i < MAX_STRINGS; i++)
		if (!emit_item(call, i))
			break;
}

static __always_inline void emit_vector(struct piece *piece, struct pending_call *call,
					bool list, bool contents)
{
	piece->list = piece->address;
	piece->count = argument(call, piece->capture.length_arg);
	piece->first = 1;
	if (list)
		emit_struct(piece, call, piece->list, piece->count * sizeof(piece->word), 0);
	if (contents)
		emit_contents(call);
}

static __always_inline void emit_bytes(struct piece *piece, struct pending_call *call,
				       bool at_exit)
{
	const struct capture *capture = &piece->capture;
	__u32 written = 0;
	__u64 room;

	piece->limit = CALL_STRUCT;
	if (capture->flags & CAPTURE_DATA)
		piece->limit = piece->data_limit;
	piece->length = capture->size;
	if (capture->length == LENGTH_ARG) {
		piece->length *= argument(call, capture->length_arg);
	} else if (capture->length == LENGTH_BITS) {
		piece->length = (argument(call, capture->length_arg) + 63) / 64 * sizeof(__u64);
	} else if (capture->length == LENGTH_RESULT || capture->length == LENGTH_FILLED) {
		room = argument(call, capture->length_arg);
		if (capture->length == LENGTH_RESULT || room > (__u64)call->record.result)
			room = call->record.result;
		piece->length *= room;
	} else if (capture->length == LENGTH_AT_POINTER) {
		if (bpf_probe_read_user(&written, sizeof(written),
					(void *)argument(call, capture->length_arg)))
			piece->absent = 1;
		piece->length = written;
		if (at_exit && capture->flags & CAPTURE_AT_EXIT && written > call->room) {
			piece->length = call->room;
			piece->record.piece.flags |= DATA_CUT;
		}
	}
	emit_piece(call, 0);
}

/* The room for what the kernel will write, before it says there how much it was. */
static __always_inline void note_room(struct piece *piece, struct pending_call *call)
{
	__u32 room = 0;

	if (piece->capture.length != LENGTH_AT_POINTER)
		return;
	if (bpf_probe_read_user(&room, sizeof(room),
				(void *)argument(call, piece->capture.length_arg)))
		room = ROOM_UNKNOWN;
	call->room = room;
}

/* Whether the call is of the kind that has this argument. */
static __always_inline bool is_meant(const struct capture *capture, const struct pending_call *call)
{
	__u32 value = argument(call, capture->when_arg) & capture->when_mask;

	value -= capture->when_base;
	return !capture->when || (value < 64 && capture->when >> value & 1);
}

/* From a pointer's address to what it says. */
static __always_inline void follow(struct piece *piece)
{
	__u64 to;

	if (bpf_probe_read_user(&to, sizeof(to), (void *)piece->address))
		piece->absent = 1;
	else
		piece->address = to;
}

/* One capture of the table. Not static, as all bodies of loops here: the verifier walks
 * it once, and not once a turn. */
__noinline int capture_one(struct pending_call *call, __u32 index, __u32 at_exit)
{
	struct piece *piece = the_piece();
	__u16 bit = 1 << (index & 15);
	bool late, again, list, contents, filled;

	if (!call || !piece || !is_meant(&piece->capture, call))
		return 0;
	late = piece->capture.flags & CAPTURE_AT_EXIT;
	again = at_exit && call->again & bit;
	list = again || !at_exit; /* what there is from the start */
	filled = piece->capture.flags & CAPTURE_INTERRUPTED ? is_restart(call->record.result) :
							       call->record.result >= 0;
	contents = late ? at_exit && filled : list; /* what the kernel fills in, too */
	if (!list && !contents)
		return 0;
	piece->absent = 0;
	piece->address = argument(call, piece->capture.arg);
	if (!piece->address)
		return 0;
	piece->address += piece->capture.skip;
	if (piece->capture.flags & CAPTURE_INDIRECT)
		follow(piece);
	if (!piece->address)
		return 0;
	piece->record.piece.capture = index;
	piece->record.piece.flags = at_exit ? DATA_AT_EXIT : 0;
	piece->string = 0;
	piece->unreadable = 0;
	piece->left = piece->capture.flags & CAPTURE_DATA ? piece->data_limit : 0;
	piece->transferred = !piece->left ? 0 : late ? call->record.result : ~0ULL;
	switch (piece->capture.kind) {
	case CAPTURE_STRING:
		piece->string = 1;
		if (contents)
			emit_piece(call, 0);
		break;
	case CAPTURE_STRINGS:
	case CAPTURE_POINTERS:
		if (contents)
			emit_items(piece, call);
		break;
	case CAPTURE_BYTES:
		if (contents)
			emit_bytes(piece, call, at_exit);
		else
			note_room(piece, call);
		break;
	case CAPTURE_VECTOR:
		emit_vector(piece, call, list, contents);
		break;
	case CAPTURE_MESSAGE:
		piece->base = 0;
		if (!contents)
			note_message(piece, call);
		else
			emit_message(piece, call, late ? call->room : ROOM_UNKNOWN);
		break;
	case CAPTURE_MESSAGES:
		if (contents)
			emit_messages(piece, call);
		break;
	}
	if (!at_exit && piece->unreadable)
		call->again |= bit;
	return 0;
}

/* All captures of the call that a thread is in. Its result is set at exit. */
__noinline int run_captures(struct member *member, __u32 data_limit, __u32 at_exit)
{
	const struct call_spec *spec;
	struct piece *piece = the_piece();
	struct pending_call *call;

	if (!member || !piece)
		return 0;
	call = &member->call;
	spec = spec_of(call);
	if (!spec)
		return 0;
	piece->session = member->session;
	piece->data_limit = data_limit;
	if (piece->data_limit > CALL_DATA_SPACE)
		piece->data_limit = CALL_DATA_SPACE;
	piece->record.type = RECORD_CALL_DATA;
	piece->record.host_tid = call->record.header.host_tid;
	piece->record.entered_ns = call->record.entered_ns;
	/* One condition, and it is at the end that a turn is over: to the verifier of 6.1
	 * what only falls through to a loop's beginning is no loop. */
	for (__u32 i = 0; i < CALL_CAPTURES; i++) {
		const struct capture *capture = &spec->captures[i];

		if (!capture->kind)
			break;
		if (capture->kind == CAPTURE_BYTES && capture->flags & CAPTURE_DATA && !data_limit)
			continue;
		piece->capture = *capture;
		capture_one(call, i, at_exit);
	}
	return 0;
}

#endif
