/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What lists of struct iovec point to, and messages, which are made of them. */
#ifndef PYTEST_EBPF_MESSAGES_H
#define PYTEST_EBPF_MESSAGES_H

#include "pieces.h"

#define MAX_VECTORS 64
#define MAX_MESSAGES 32
#define ROOM_UNKNOWN 0xffffffff
#define CALL_NAME 128 /* sizeof(struct sockaddr_storage) */

static __always_inline __u64 argument(const struct pending_call *call, __u8 index)
{
	__u64 at = index;

	barrier_var(at);
	return at < 6 ? call->record.args[at] : 0;
}

/* Of a piece that there is not. */
static __always_inline void forget_cut(struct piece *piece)
{
	piece->record.piece.flags &= DATA_AT_EXIT;
}

/* What one struct iovec points to, as far as bytes were transferred; 0 at the end. */
__noinline int emit_content(struct pending_call *call, __u32 index)
{
	struct piece *piece = the_piece();

	if (!call || !piece || index >= piece->count || !piece->transferred)
		return 0;
	/* The list is a piece of its own, which says that it is not there. */
	if (bpf_probe_read_user(piece->word, sizeof(piece->word),
				(void *)(piece->list + index * sizeof(piece->word))))
		return 0;
	piece->address = piece->word[0];
	piece->length = piece->word[1];
	if (piece->length > piece->transferred)
		piece->length = piece->transferred;
	piece->transferred -= piece->length;
	piece->limit = piece->left;
	piece->left -= piece->length < piece->left ? piece->length : piece->left;
	if (index + 1 == MAX_VECTORS && piece->count > MAX_VECTORS)
		piece->record.piece.flags |= DATA_CUT;
	if (piece->length)
		emit_piece(call, piece->first + index);
	else
		forget_cut(piece);
	return 1;
}

/* A few of them; 0 at the end. */
__noinline int emit_few_contents(struct pending_call *call, __u32 first)
{
	for (__u32 i = 0; i < FEW_TURNS; i++)
		if (!emit_content(call, first + i))
			return 0;
	return 1;
}

static __always_inline void emit_contents(struct pending_call *call)
{
	for (__u32 i = 0; i < MAX_VECTORS; i += FEW_TURNS)
		if (!emit_few_contents(call, i))
			break;
}

static __always_inline void emit_struct(struct piece *piece, struct pending_call *call,
					__u64 address, __u64 length, __u32 part)
{
	piece->address = address;
	piece->length = length;
	piece->limit = CALL_STRUCT;
	if (address && length)
		emit_piece(call, part);
	else
		forget_cut(piece);
}

/* In struct msghdr (socket.h), in words of eight bytes. */
enum {
	MSG_NAME,
	MSG_NAMELEN,
	MSG_IOV,
	MSG_IOVLEN,
	MSG_CONTROL,
	MSG_CONTROLLEN,
	MSG_FLAGS,
	MSG_WORDS,
};

/* The message at piece->address; `room`: bytes for its name. */
static __always_inline void emit_message(struct piece *piece, struct pending_call *call,
					 __u32 room)
{
	__u64 *header = piece->header, named;
	__u32 base = piece->base;

	emit_struct(piece, call, piece->address, sizeof(piece->header), base);
	if (bpf_probe_read_user(header, sizeof(piece->header), (void *)piece->address))
		return;
	named = (__u32)header[MSG_NAMELEN];
	/* The kernel says how long the name is, and writes what there is room for. */
	if (named > room) {
		named = room;
		piece->record.piece.flags |= DATA_CUT;
	}
	emit_struct(piece, call, header[MSG_NAME], named, base + 1);
	emit_struct(piece, call, header[MSG_IOV], header[MSG_IOVLEN] * sizeof(piece->word), base + 2);
	emit_struct(piece, call, header[MSG_CONTROL], header[MSG_CONTROLLEN], base + 3);
	piece->list = header[MSG_IOV];
	piece->count = header[MSG_IOVLEN];
	piece->first = base + 4;
	emit_contents(call);
}

/* The header alone, before the kernel fills it in. */
static __always_inline void note_message(struct piece *piece, struct pending_call *call)
{
	__u64 *header = piece->header;

	emit_struct(piece, call, piece->address, sizeof(piece->header), 0);
	call->room = ROOM_UNKNOWN;
	if (!bpf_probe_read_user(header, sizeof(piece->header), (void *)piece->address))
		call->room = (__u32)header[MSG_NAMELEN];
}

/* One struct mmsghdr of a list: a header, and how many bytes were transferred; 0 at the
 * end. */
__noinline int emit_message_of(struct pending_call *call, __u32 index)
{
	struct piece *piece = the_piece();
	__u32 length;

	if (!call || !piece || index >= piece->message_count)
		return 0;
	piece->address = piece->messages + index * (sizeof(piece->header) + sizeof(__u64));
	piece->base = index * MESSAGE_PARTS;
	if (piece->left && piece->capture.flags & CAPTURE_AT_EXIT) {
		if (bpf_probe_read_user(&length, sizeof(length),
					(void *)piece->address + sizeof(piece->header)))
			length = 0;
		piece->transferred = length;
	}
	if (index + 1 == MAX_MESSAGES && piece->message_count > MAX_MESSAGES)
		piece->record.piece.flags |= DATA_CUT;
	/* What room there was for each name, nobody noted: the caller's structure says it. */
	emit_message(piece, call, CALL_NAME);
	return 1;
}

static __always_inline void emit_messages(struct piece *piece, struct pending_call *call)
{
	piece->messages = piece->address;
	piece->message_count = argument(call, piece->capture.length_arg);
	if (piece->capture.length == LENGTH_RESULT)
		piece->message_count = call->record.result;
	for (__u32 i = 0; i < MAX_MESSAGES; i++)
		if (!emit_message_of(call, i))
			break;
}

#endif
