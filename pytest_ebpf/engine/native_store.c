/* The store of system calls: takes their records out of what a ring held, keeps
 * them packed, and forgets them. A million of them are a test's daily bread, and
 * a Python object each would be a gigabyte. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>

#include "native_store.h"

static uint64_t mixed(uint64_t key)
{
	key *= 0x9e3779b97f4a7c15; /* 2^64 divided by the golden ratio: Fibonacci hashing */
	return key >> 32;
}

static void free_all(struct pe_calls *calls)
{
	pe_arena_free(&calls->arena);
	free(calls->calls);
	free(calls->pending);
	free(calls->files);
	free(calls->snapshots);
}

struct pe_calls *pe_calls_new(void)
{
	return calloc(1, sizeof(struct pe_calls));
}

void pe_calls_free(struct pe_calls *calls)
{
	free_all(calls);
	free(calls);
}

/* --- pieces that wait for their call ------------------------------------------ */

static struct pending *pending_of(const struct pe_calls *calls, uint32_t tid)
{
	uint64_t at;

	if (!calls->pending_room)
		return NULL;
	for (at = mixed(tid) & (calls->pending_room - 1); calls->pending[at].tid;
	     at = (at + 1) & (calls->pending_room - 1))
		if (calls->pending[at].tid == tid)
			return &calls->pending[at];
	return &calls->pending[at]; /* free */
}

static struct pending *pending_for(struct pe_calls *calls, uint32_t tid)
{
	struct pending *found;

	if (calls->pending_count * 2 >= calls->pending_room) {
		struct pe_calls larger = { .pending_room = calls->pending_room ? calls->pending_room * 2 : 64 };

		larger.pending = calloc(larger.pending_room, sizeof(*larger.pending));
		if (!larger.pending)
			return NULL;
		for (uint64_t i = 0; i < calls->pending_room; i++)
			if (calls->pending[i].tid)
				*pending_of(&larger, calls->pending[i].tid) = calls->pending[i];
		free(calls->pending);
		calls->pending = larger.pending;
		calls->pending_room = larger.pending_room;
	}
	found = pending_of(calls, tid);
	if (!found->tid) {
		*found = (struct pending){ .tid = tid };
		calls->pending_count++;
	}
	return found;
}

static uint32_t piece_size(const struct call_data_record *record)
{
	return sizeof(*record) + record->piece.length;
}

/* Puts a piece behind those that wait; NONE: no memory. */
static uint32_t append_piece(struct arena *arena, uint32_t last, const struct call_data_record *record)
{
	uint32_t place = pe_arena_add(arena, record, piece_size(record));

	if (place == NONE)
		return NONE;
	((struct call_data_record *)arena_at(arena, place))->type = NONE;
	if (last != NONE)
		((struct call_data_record *)arena_at(arena, last))->type = place;
	return place;
}

static int keep_piece(struct pe_calls *calls, const struct call_data_record *record, uint32_t size)
{
	struct pending *pending;
	uint32_t place;

	if (record->piece.length > size - sizeof(*record) || size > BLOCK_SIZE / 2 || !record->host_tid) {
		calls->skipped++;
		return 0;
	}
	pending = pending_for(calls, record->host_tid);
	if (!pending)
		return -ENOMEM;
	/* What is left of another call of the thread: its own record was lost. */
	if (pending->entered_ns != record->entered_ns)
		pending->first = NONE;
	place = append_piece(&calls->arena, pending->first == NONE ? NONE : pending->last, record);
	if (place == NONE)
		return -ENOMEM;
	pending->entered_ns = record->entered_ns;
	if (pending->first == NONE)
		pending->first = place;
	pending->last = place;
	return 0;
}

/* --- files --------------------------------------------------------------------- */

/* Where a file's place stands, or would. */
uint32_t *pe_file_slot(const struct pe_calls *calls, uint64_t id)
{
	const struct file_record *file;
	uint64_t at;

	if (!calls->file_room)
		return NULL;
	for (at = mixed(id) & (calls->file_room - 1); calls->files[at] != NONE; at = (at + 1) & (calls->file_room - 1)) {
		file = arena_at(&calls->arena, calls->files[at]);
		if (file->id == id)
			break;
	}
	return &calls->files[at];
}

static int place_file(struct pe_calls *calls, const struct file_record *file)
{
	uint32_t place = pe_arena_add(&calls->arena, file, file_size(file)), *slot;

	if (place == NONE)
		return -ENOMEM;
	if (calls->file_count * 2 >= calls->file_room) {
		struct pe_calls larger = *calls;

		larger.file_room = calls->file_room ? calls->file_room * 2 : 64;
		larger.files = calloc(larger.file_room, sizeof(*larger.files));
		if (!larger.files)
			return -ENOMEM;
		for (uint64_t i = 0; i < calls->file_room; i++)
			if (calls->files[i] != NONE) {
				const struct file_record *each = arena_at(&calls->arena, calls->files[i]);

				*pe_file_slot(&larger, each->id) = calls->files[i];
			}
		free(calls->files);
		calls->files = larger.files;
		calls->file_room = larger.file_room;
	}
	slot = pe_file_slot(calls, file->id);
	calls->file_count += *slot == NONE;
	*slot = place;
	return 0;
}

static int keep_file(struct pe_calls *calls, const struct file_record *file, uint32_t size)
{
	if (file_size(file) > size || !file->id) {
		calls->skipped++;
		return 0;
	}
	return place_file(calls, file);
}

/* --- calls --------------------------------------------------------------------- */

static bool is_same_call(const struct call_record *one, const struct call_record *other)
{
	return one->entered_ns == other->entered_ns && one->header.host_tid == other->header.host_tid;
}

/* Marks earlier snapshots of a call of which there is a record now. */
static void supersede(struct pe_calls *calls, const struct call_record *call)
{
	for (uint64_t i = 0; i < calls->snapshot_count; i++) {
		struct call_record *earlier = call_at(calls, calls->snapshots[i]);

		if (!is_same_call(earlier, call))
			continue;
		earlier->flags |= SUPERSEDED;
		calls->snapshots[i] = calls->snapshots[--calls->snapshot_count];
		return;
	}
}

/* A snapshot may come behind the record of the return that it raced with. */
static bool has_returned(const struct pe_calls *calls, const struct call_record *call)
{
	for (uint64_t i = calls->count; i > 0; i--) {
		const struct call_record *other = call_at(calls, i - 1);

		if (is_same_call(other, call))
			return !(other->flags & CALL_IN_PROGRESS);
		/* Whatever returned before it was entered is behind us. */
		if (other->header.time_ns < call->entered_ns && !(other->flags & CALL_IN_PROGRESS))
			break;
	}
	return false;
}

/* Adds a call, with the first of its pieces that did not travel with it. */
static int place_call(struct pe_calls *calls, const struct call_record *call, uint32_t pieces)
{
	struct call_record *kept;
	uint32_t place;

	if (!pe_grow((void **)&calls->calls, &calls->room, calls->count, sizeof(*calls->calls)))
		return -ENOMEM;
	if (call->flags & CALL_IN_PROGRESS && !pe_grow((void **)&calls->snapshots, &calls->snapshot_room,
						    calls->snapshot_count, sizeof(*calls->snapshots)))
		return -ENOMEM;
	place = pe_arena_add(&calls->arena, call, sizeof(*call) + call->length);
	if (place == NONE)
		return -ENOMEM;
	kept = arena_at(&calls->arena, place);
	kept->header.type = pieces;
	kept->flags &= ~SUPERSEDED;
	if (call->flags & CALL_IN_PROGRESS)
		calls->snapshots[calls->snapshot_count++] = calls->count;
	calls->calls[calls->count++] = place;
	return 0;
}

static int keep_call(struct pe_calls *calls, const struct call_record *call, uint32_t size)
{
	struct pending *pending = pending_of(calls, call->header.host_tid);
	uint32_t pieces = NONE;

	if (call->length > size - sizeof(*call) || call->abi >= CALL_ABIS) {
		calls->skipped++;
		return 0;
	}
	if (pending && pending->entered_ns == call->entered_ns) {
		pieces = pending->first;
		/* A snapshot's pieces are the call's too, when it returns. */
		if (!(call->flags & CALL_IN_PROGRESS))
			pending->first = NONE;
	}
	if (calls->snapshot_count)
		supersede(calls, call);
	if (call->flags & CALL_IN_PROGRESS && has_returned(calls, call))
		return 0;
	return place_call(calls, call, pieces);
}

/* Keeps a record, if it is one for the store: 1; others: 0. */
static int keep(struct pe_calls *calls, const uint8_t *body, uint32_t length)
{
	uint32_t type;

	memcpy(&type, body, sizeof(type));
	if (type == RECORD_CALL && length >= sizeof(struct call_record))
		return keep_call(calls, (const void *)body, length) ?: 1;
	if (type == RECORD_CALL_DATA && length >= sizeof(struct call_data_record))
		return keep_piece(calls, (const void *)body, length) ?: 1;
	if (type == RECORD_FILE && length >= sizeof(struct file_record))
		return keep_file(calls, (const void *)body, length) ?: 1;
	if (type != RECORD_CALL && type != RECORD_CALL_DATA && type != RECORD_FILE)
		return 0;
	calls->skipped++;
	return 1;
}

/* Takes the records of calls out of whole ring records, and copies all others to
 * rest, which has as much room. Returns the bytes there, or -ENOMEM. */
int64_t pe_calls_take(struct pe_calls *calls, const uint8_t *data, uint64_t size, uint8_t *rest)
{
	uint64_t at = 0, copied = 0;

	while (size - at >= BPF_RINGBUF_HDR_SZ + sizeof(uint32_t)) {
		uint32_t length, bits;
		uint64_t whole;
		int kept;

		memcpy(&bits, data + at, sizeof(bits));
		length = bits & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		whole = BPF_RINGBUF_HDR_SZ + ((uint64_t)length + 7) / 8 * 8;
		if (length < sizeof(uint32_t) || whole > size - at) {
			calls->skipped++;
			return copied;
		}
		/* A record with that bit the kernel gave up. */
		kept = bits & BPF_RINGBUF_DISCARD_BIT ? 1 : keep(calls, data + at + BPF_RINGBUF_HDR_SZ, length);
		if (kept < 0)
			return kept;
		if (!kept) {
			memcpy(rest + copied, data + at, whole);
			copied += whole;
		}
		at += whole;
	}
	return copied;
}

/* --- forgetting ---------------------------------------------------------------- */

/* Copies a chain to another arena; returns its new place, and its end in *last. */
static uint32_t move_chain(const struct arena *from, struct arena *to, uint32_t place, uint32_t *last, bool *failed)
{
	const struct call_data_record *record;
	uint32_t first = NONE;

	*last = NONE;
	for (; place != NONE; place = record->type) {
		record = arena_at(from, place);
		*last = append_piece(to, *last, record);
		if (*last == NONE) {
			*failed = true;
			return NONE;
		}
		if (first == NONE)
			first = *last;
	}
	return first;
}

static bool move_calls(const struct pe_calls *from, struct pe_calls *to, uint32_t before)
{
	bool failed = false;
	uint32_t last;

	for (uint64_t i = 0; i < from->count && !failed; i++) {
		const struct call_record *call = call_at(from, i);

		if (call->header.window >= before && !(call->flags & SUPERSEDED))
			failed = place_call(to, call,
					    move_chain(&from->arena, &to->arena, call->header.type, &last, &failed)) ||
				 failed;
	}
	return !failed;
}

static bool move_pending(const struct pe_calls *from, struct pe_calls *to)
{
	bool failed = false;

	for (uint64_t i = 0; i < from->pending_room && !failed; i++) {
		const struct pending *old = &from->pending[i];
		struct pending *new;

		if (!old->tid || old->first == NONE)
			continue;
		new = pending_for(to, old->tid);
		if (!new)
			return false;
		new->entered_ns = old->entered_ns;
		new->first = move_chain(&from->arena, &to->arena, old->first, &new->last, &failed);
	}
	return !failed;
}

static bool move_files(const struct pe_calls *from, struct pe_calls *to, uint32_t before)
{
	for (uint64_t i = 0; i < from->file_room; i++) {
		const struct file_record *file;

		if (from->files[i] == NONE)
			continue;
		file = arena_at(&from->arena, from->files[i]);
		if (file->header.window >= before && place_file(to, file))
			return false;
	}
	return true;
}

/* Forgets the calls and files of the windows before this one; -ENOMEM: it could
 * not, and nothing is lost. A file is named anew in each window (bpf/files.h), so
 * no call refers to an earlier window's. */
int pe_calls_forget(struct pe_calls *calls, uint32_t before)
{
	struct pe_calls kept = { .skipped = calls->skipped };

	if (!move_calls(calls, &kept, before) || !move_pending(calls, &kept) || !move_files(calls, &kept, before)) {
		free_all(&kept);
		return -ENOMEM;
	}
	free_all(calls);
	*calls = kept;
	return 0;
}
