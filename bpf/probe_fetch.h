/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Fetches one value, as the probe's table says, from wherever it is. */
#ifndef PYTEST_EBPF_PROBE_FETCH_H
#define PYTEST_EBPF_PROBE_FETCH_H

#include "probe_work.h"

#define PAGE 4096 /* the least that any machine has */
#define STRING_PAGES (PIECE_MOST / PAGE + 2)

/* How a program may read. The kernel's own programs sleep nowhere. */
enum reading {
	READ_SLEEPING, /* a page that is not there is waited for: uprobes */
	READ_AT_ONCE,
};

static __always_inline long read_bytes(void *to, __u64 size, __u64 from, __u8 flags,
				       const enum reading reading)
{
	if (flags & FETCH_KERNEL)
		return bpf_probe_read_kernel(to, size, (void *)from);
	if (!bpf_probe_read_user(to, size, (void *)from))
		return 0;
	if (reading == READ_SLEEPING)
		return bpf_copy_from_user(to, size, (void *)from);
	return -1;
}

/* Returns the length with the NUL, or an error. 6.1 and 6.12 say 0 of an empty one:
 * strncpy_from_user_nofault(), mm/maccess.c. */
static __always_inline long read_user_string(void *to, __u64 room, __u64 from)
{
	long got = bpf_probe_read_user_str(to, room, (void *)from);

	return got ?: 1;
}

/* Returns the same. What is longer than most has two more than that: one that it may
 * not have, and its NUL. */
static __always_inline long read_string(void *to, __u64 most, __u64 from, __u8 flags,
					const enum reading reading)
{
	__u64 at = from, room = most + 2;
	__u8 byte;
	long got;

	if (flags & FETCH_KERNEL)
		return bpf_probe_read_kernel_str(to, room, (void *)from);
	got = read_user_string(to, room, from);
	if (got > 0 || reading != READ_SLEEPING)
		return got;
	/* One page after the other, as far as the string goes: what comes after its
	 * end may not be there at all. */
	for (__u32 i = 0; i < STRING_PAGES; i++) {
		if (bpf_copy_from_user(&byte, sizeof(byte), (void *)at)) {
			/* As many as it may have can be there all the same. */
			if (at - from >= most && !bpf_probe_read_user(to, most, (void *)from))
				return room;
			break;
		}
		got = read_user_string(to, room, from);
		if (got > 0)
			break;
		at = (at | (PAGE - 1)) + 1;
	}
	return got;
}

static __always_inline __u64 word_of(const struct probe_work *work, __u32 word)
{
	barrier_var(word);
	return word < WORDS ? work->registers[word] : 0;
}

static __always_inline __u64 indexed(const struct probe_work *work, const struct fetch *fetch,
				     __u64 start)
{
	if (fetch->index == NO_INDEX)
		return start;
	return start + word_of(work, fetch->index) * fetch->scale;
}

/* Where a fetch begins. What was in registers at the entry is kept from there. */
static __always_inline __u64 start_of(const struct probe_work *work, const struct fetch *fetch)
{
	__u32 kept = fetch->kept;

	switch (fetch->base) {
	case BASE_REGISTER:
		if (!(fetch->flags & FETCH_AT_RETURN))
			return indexed(work, fetch, word_of(work, fetch->reg));
		barrier_var(kept);
		return kept < MAX_KEPT ? work->kept[kept] : 0;
	case BASE_STACK:
		return indexed(work, fetch, work->stack);
	case BASE_CONSTANT:
		return indexed(work, fetch, fetch->constant);
	case BASE_RESULT:
		return word_of(work, fetch->reg == NO_INDEX ? WORD_RESULT : fetch->reg);
	default:
		return work->context;
	}
}

/* Follows the pointers; returns the step that failed, or MAX_STEPS + 1. */
static __always_inline __u32 follow(const struct probe_work *work, const struct fetch *fetch,
				    __u64 *address, const enum reading reading)
{
	const bool half = fetch->flags & (FETCH_WORD32 | FETCH_IN_RECORD);
	__u64 at = *address + fetch->offsets[0], word;

	for (__u32 step = 0; step < MAX_STEPS; step++) {
		if (step >= fetch->steps)
			break;
		word = 0;
		*address = at;
		if (read_bytes(&word, half ? 4 : 8, at, fetch->flags, reading))
			return step;
		if (fetch->flags & FETCH_IN_RECORD)
			word = work->context + (word & 0xffff);
		at = word + fetch->offsets[step + 1];
	}
	*address = at;
	return MAX_STEPS + 1;
}

static __always_inline __u64 narrow(__u64 value, __u32 width, bool is_signed)
{
	__u32 shift = (64 - 8 * width) & 63;

	return is_signed ? (__u64)((__s64)(value << shift) >> shift) : value << shift >> shift;
}

/* The bytes that there are to read; more than PIECE_MOST: as many as that. */
static __always_inline __u64 size_of(const struct probe_work *work, const struct fetch *fetch,
				     struct probe_piece *piece)
{
	__u64 size = fetch->size, count;
	__u32 of = fetch->length_fetch;

	if (fetch->kind != FETCH_BUFFER)
		return size;
	barrier_var(of);
	if (of >= MAX_FETCHES)
		return 0;
	if (work->unread >> of & 1) {
		piece->flags |= DATA_UNREADABLE;
		piece->step = STEP_LENGTH;
		return 0;
	}
	count = narrow(work->values[of], fetch->length_width, false);
	/* An item has a byte at least, and the product fits in its word. */
	if (count > fetch->limit)
		count = fetch->limit + 1;
	size *= count;
	if (size > fetch->limit) {
		piece->flags |= DATA_CUT;
		size = fetch->limit;
	}
	return size;
}

/* Reads what is at piece->address to behind the head of the piece. */
static __always_inline void read_piece(struct probe_work *work, const struct fetch *fetch,
				       struct probe_piece *piece, const enum reading reading)
{
	__u64 size = size_of(work, fetch, piece), tail;
	__u8 *to = (void *)(piece + 1);
	long got;

	if (piece->flags & DATA_UNREADABLE)
		return;
	if (fetch->kind == FETCH_STRING) {
		barrier_var(size);
		if (size > PIECE_MOST - 2)
			size = PIECE_MOST - 2;
		got = read_string(to, size, piece->address, fetch->flags, reading) - 1;
		if (got > (long)size) {
			piece->flags |= DATA_CUT;
			got = size;
		}
	} else {
		barrier_var(size);
		if (size > PIECE_MOST)
			size = PIECE_MOST;
		got = size;
		if (read_bytes(to, size, piece->address, fetch->flags, reading))
			got = -1;
	}
	if (got < 0) {
		piece->flags = DATA_UNREADABLE;
		piece->step = fetch->steps;
		*(__u64 *)to = 0;
		return;
	}
	tail = got;
	barrier_var(tail);
	if (tail > PIECE_MOST)
		return;
	piece->length = tail;
	/* What fills the last word up was there before. */
	*(__u64 *)(to + (tail & ~7ULL)) &= (1ULL << tail % 8 * 8) - 1;
}

/* Whether a filter holds. */
static __always_inline bool holds(const struct probe_filter *filter, __u64 fetched)
{
	__u64 left = narrow(fetched, filter->width, filter->is_signed);
	__u64 right = filter->value;

	switch (filter->op) {
	case OP_EQUAL:
		return left == right;
	case OP_NOT_EQUAL:
		return left != right;
	case OP_BITS:
		return left & right;
	}
	if (filter->is_signed) {
		/* The order of signed numbers is that of unsigned ones with the sign turned. */
		left ^= 1ULL << 63;
		right ^= 1ULL << 63;
	}
	switch (filter->op) {
	case OP_LESS:
		return left < right;
	case OP_LESS_EQUAL:
		return left <= right;
	case OP_GREATER:
		return left > right;
	default:
		return left >= right;
	}
}

/* One fetch of the table: its value, its piece, its filters. */
static __always_inline void fetch_at(struct probe_work *work, const struct probe_spec *spec,
				     __u32 index, const enum reading reading)
{
	const struct fetch *fetch;
	struct probe_piece *piece;
	__u64 address, value, at;
	__u32 failed;

	barrier_var(index);
	if (index >= MAX_FETCHES)
		return;
	fetch = &spec->fetches[index];
	at = work->record.length;
	barrier_var(at);
	if (at > PIECE_STARTS) {
		/* No room: nor is there a value. */
		if (!(fetch->flags & FETCH_QUIET))
			work->record.flags |= PROBE_CUT;
		work->unread |= 1 << (index & 31);
		return;
	}
	piece = (void *)&work->pieces[at];
	address = start_of(work, fetch);
	failed = follow(work, fetch, &address, reading);
	piece->address = address;
	piece->fetch = index;
	piece->flags = 0;
	piece->step = 0;
	piece->unused = 0;
	piece->length = 0;
	*(__u64 *)(piece + 1) = 0;
	if (failed <= MAX_STEPS) {
		piece->flags = DATA_UNREADABLE;
		piece->step = failed;
	} else if (fetch->kind == FETCH_VALUE) {
		piece->address = 0;
		piece->length = sizeof(__u64);
		*(__u64 *)(piece + 1) = address;
	} else {
		read_piece(work, fetch, piece, reading);
	}
	if (piece->flags & DATA_UNREADABLE)
		work->unread |= 1 << (index & 31);
	value = *(__u64 *)(piece + 1);
	work->values[index] = value;
	if (fetch->filters && !(piece->flags & DATA_UNREADABLE))
		for (__u32 i = 0; i < MAX_FILTERS; i++)
			if (fetch->filters >> i & 1 && !holds(&spec->filters[i], value))
				work->refused = 1;
	if (!(fetch->flags & FETCH_QUIET))
		work->record.length = at + sizeof(*piece) + (piece->length + 7) / 8 * 8;
}

/* Functions of their own, not static: the verifier walks them once, whatever the
 * place in the table. */
__noinline int fetch_sleeping(struct probe_work *work, const struct probe_spec *spec, __u32 index)
{
	if (work && spec)
		fetch_at(work, spec, index, READ_SLEEPING);
	return 0;
}

__noinline int fetch_at_once(struct probe_work *work, const struct probe_spec *spec, __u32 index)
{
	if (work && spec)
		fetch_at(work, spec, index, READ_AT_ONCE);
	return 0;
}

/* All fetches of an entry, or of a return; false: a filter does not hold. */
static __always_inline bool run_fetches(struct probe_work *work, const struct probe_spec *spec,
					const __u32 at_return, const enum reading reading)
{
	work->record.length = 0;
	work->record.flags = at_return ? PROBE_RETURN : 0;
	work->unread = 0;
	work->refused = 0;
	for (__u32 i = 0; i < MAX_FETCHES; i++) {
		if (i >= spec->fetch_count)
			break;
		if ((spec->fetches[i].flags & FETCH_AT_RETURN) != at_return)
			continue;
		if (reading == READ_SLEEPING)
			fetch_sleeping(work, spec, i);
		else
			fetch_at_once(work, spec, i);
		if (work->refused)
			return false;
	}
	return true;
}

#endif
