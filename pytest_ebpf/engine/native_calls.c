/* The store of system calls: takes their records out of what a ring held, keeps
 * them packed, finds them again. A million of them are a test's daily bread, and
 * a Python object each would be a gigabyte. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/types.h>

#include "../../bpf/events.h"
#include "native_calls.h"

#define PE_CALL_NUMBERS 1024 /* of an ABI, in a filter; the kernel's table is shorter */
#define SUPERSEDED 0x80 /* in flags of what is stored: a later record tells of the same call */
#define NONE UINT32_MAX

/* A call, and the first of its pieces. */
struct entry {
	struct call_record call;
	uint32_t pieces; /* place in the arena, in units of 8 bytes; NONE: none */
	uint32_t unused;
};

/* In the arena: the next piece of the same call, and the record as it came. */
struct link {
	uint32_t next;
	uint32_t size; /* of the record */
};

/* Pieces whose call has not returned yet: one chain a thread. */
struct pending {
	uint64_t entered_ns;
	uint32_t tid; /* 0: free */
	uint32_t first;
	uint32_t last;
	uint32_t unused;
};

struct file_place {
	uint64_t id; /* 0: free */
	uint32_t at; /* in the arena */
	uint32_t unused;
};

/* Pieces and files: each in a struct link and its record, padded to 8 bytes. */
struct arena {
	uint8_t *bytes;
	uint64_t used;
	uint64_t room;
};

struct pe_calls {
	struct entry *entries;
	uint64_t count;
	uint64_t room;
	struct arena arena;
	struct pending *pending; /* open addressing, a power of two */
	uint64_t pending_count;
	uint64_t pending_room;
	struct file_place *files; /* likewise */
	uint64_t file_count;
	uint64_t file_room;
	uint32_t *snapshots; /* entries of calls that have not returned, as far as is known */
	uint64_t snapshot_count;
	uint64_t snapshot_room;
	uint64_t skipped; /* records that were none */
};

/* Makes room for one more item; false: no memory. */
static bool grow(void **items, uint64_t *room, uint64_t count, size_t size)
{
	uint64_t wanted = *room ? *room + *room / 2 : 64;
	void *grown;

	if (count < *room)
		return true;
	grown = realloc(*items, wanted * size);
	if (!grown)
		return false;
	*items = grown;
	*room = wanted;
	return true;
}

static uint64_t mixed(uint64_t key)
{
	key *= 0x9e3779b97f4a7c15; /* 2^64 divided by the golden ratio: Fibonacci hashing */
	return key >> 32;
}

struct pe_calls *pe_calls_new(void)
{
	return calloc(1, sizeof(struct pe_calls));
}

void pe_calls_free(struct pe_calls *calls)
{
	free(calls->entries);
	free(calls->arena.bytes);
	free(calls->pending);
	free(calls->files);
	free(calls->snapshots);
	free(calls);
}

/* --- the arena --------------------------------------------------------------- */

static struct link *link_at(const struct arena *arena, uint32_t at)
{
	return (struct link *)(arena->bytes + (uint64_t)at * 8);
}

static const void *record_at(const struct arena *arena, uint32_t at)
{
	return link_at(arena, at) + 1;
}

/* Copies a record in; NONE: no memory, or the arena has no more addresses. */
static uint32_t arena_add(struct arena *arena, const void *record, uint32_t size)
{
	uint64_t needed = sizeof(struct link) + ((uint64_t)size + 7) / 8 * 8;
	struct link *link;
	uint64_t at = arena->used;

	if (at + needed > arena->room) {
		uint64_t room = arena->room + arena->room / 2 + needed + 4096;
		uint8_t *grown = realloc(arena->bytes, room);

		if (!grown)
			return NONE;
		arena->bytes = grown;
		arena->room = room;
	}
	if (at / 8 >= NONE)
		return NONE;
	link = (struct link *)(arena->bytes + at);
	link->next = NONE;
	link->size = size;
	memcpy(link + 1, record, size);
	arena->used += needed;
	return at / 8;
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
		*found = (struct pending){ .tid = tid, .first = NONE, .last = NONE };
		calls->pending_count++;
	}
	return found;
}

static int keep_piece(struct pe_calls *calls, const uint8_t *body, uint32_t size)
{
	struct call_data_record piece;
	struct pending *pending;
	uint32_t at;

	memcpy(&piece, body, sizeof(piece));
	if (piece.length > size - sizeof(piece) || !piece.host_tid) {
		calls->skipped++;
		return 0;
	}
	pending = pending_for(calls, piece.host_tid);
	if (!pending)
		return -ENOMEM;
	at = arena_add(&calls->arena, body, sizeof(piece) + piece.length);
	if (at == NONE)
		return -ENOMEM;
	/* What is left of another call of the thread: its own record was lost. */
	if (pending->first == NONE || pending->entered_ns != piece.entered_ns) {
		pending->entered_ns = piece.entered_ns;
		pending->first = at;
	} else {
		link_at(&calls->arena, pending->last)->next = at;
	}
	pending->last = at;
	return 0;
}

/* --- files --------------------------------------------------------------------- */

static struct file_place *file_of(const struct pe_calls *calls, uint64_t id)
{
	uint64_t at;

	if (!calls->file_room)
		return NULL;
	for (at = mixed(id) & (calls->file_room - 1); calls->files[at].id; at = (at + 1) & (calls->file_room - 1))
		if (calls->files[at].id == id)
			break;
	return &calls->files[at];
}

static int place_file(struct pe_calls *calls, uint64_t id, uint32_t at)
{
	struct file_place *place;

	if (calls->file_count * 2 >= calls->file_room) {
		struct pe_calls larger = { .file_room = calls->file_room ? calls->file_room * 2 : 64 };

		larger.files = calloc(larger.file_room, sizeof(*larger.files));
		if (!larger.files)
			return -ENOMEM;
		for (uint64_t i = 0; i < calls->file_room; i++)
			if (calls->files[i].id)
				*file_of(&larger, calls->files[i].id) = calls->files[i];
		free(calls->files);
		calls->files = larger.files;
		calls->file_room = larger.file_room;
	}
	place = file_of(calls, id);
	calls->file_count += !place->id;
	place->id = id;
	place->at = at;
	return 0;
}

static int keep_file(struct pe_calls *calls, const uint8_t *body, uint32_t size)
{
	struct file_record file;
	uint32_t at, needed;

	memcpy(&file, body, sizeof(file));
	needed = file.bits & FILE_SOCKET ? sizeof(struct socket_names) : file.length;
	if (needed > size - sizeof(file) || !file.id) {
		calls->skipped++;
		return 0;
	}
	at = arena_add(&calls->arena, body, sizeof(file) + needed);
	return at == NONE ? -ENOMEM : place_file(calls, file.id, at);
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
		struct call_record *earlier = &calls->entries[calls->snapshots[i]].call;

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
		const struct call_record *other = &calls->entries[i - 1].call;

		if (is_same_call(other, call))
			return !(other->flags & CALL_IN_PROGRESS);
		/* Whatever returned before it was entered is behind us. */
		if (other->header.time_ns < call->entered_ns && !(other->flags & CALL_IN_PROGRESS))
			break;
	}
	return false;
}

static int keep_call(struct pe_calls *calls, const uint8_t *body)
{
	struct pending *pending;
	struct entry *entry;

	if (calls->count >= NONE || !grow((void **)&calls->entries, &calls->room, calls->count, sizeof(*entry)))
		return -ENOMEM;
	entry = &calls->entries[calls->count];
	memcpy(&entry->call, body, sizeof(entry->call));
	entry->call.flags &= ~SUPERSEDED;
	entry->unused = 0;
	entry->pieces = NONE;
	pending = pending_of(calls, entry->call.header.host_tid);
	if (pending && pending->tid && pending->first != NONE &&
	    pending->entered_ns == entry->call.entered_ns) {
		entry->pieces = pending->first;
		/* A snapshot's pieces are the call's too, when it returns. */
		if (!(entry->call.flags & CALL_IN_PROGRESS))
			pending->first = NONE;
	}
	if (calls->snapshot_count)
		supersede(calls, &entry->call);
	if (entry->call.flags & CALL_IN_PROGRESS) {
		if (has_returned(calls, &entry->call))
			return 0;
		if (!grow((void **)&calls->snapshots, &calls->snapshot_room, calls->snapshot_count,
			  sizeof(*calls->snapshots)))
			return -ENOMEM;
		calls->snapshots[calls->snapshot_count++] = calls->count;
	}
	calls->count++;
	return 0;
}

/* Takes the records of calls out of whole ring records, and copies all others to
 * rest, which has as much room. Returns the bytes there, or -ENOMEM. */
int64_t pe_calls_take(struct pe_calls *calls, const uint8_t *data, uint64_t size, uint8_t *rest)
{
	uint64_t at = 0, copied = 0;

	while (size - at >= BPF_RINGBUF_HDR_SZ + sizeof(uint32_t)) {
		const uint8_t *body = data + at + BPF_RINGBUF_HDR_SZ;
		uint32_t length, type, bits;
		uint64_t whole;
		int failed = 0;

		memcpy(&bits, data + at, sizeof(bits));
		length = bits & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		whole = BPF_RINGBUF_HDR_SZ + ((uint64_t)length + 7) / 8 * 8;
		if (length < sizeof(type) || whole > size - at) {
			calls->skipped++;
			return copied;
		}
		memcpy(&type, body, sizeof(type));
		if (bits & BPF_RINGBUF_DISCARD_BIT) {
			/* the kernel gave it up */
		} else if (type == RECORD_CALL && length >= sizeof(struct call_record)) {
			failed = keep_call(calls, body);
		} else if (type == RECORD_CALL_DATA && length >= sizeof(struct call_data_record)) {
			failed = keep_piece(calls, body, length);
		} else if (type == RECORD_FILE && length >= sizeof(struct file_record)) {
			failed = keep_file(calls, body, length);
		} else if (type == RECORD_CALL || type == RECORD_CALL_DATA || type == RECORD_FILE) {
			calls->skipped++;
		} else {
			memcpy(rest + copied, data + at, whole);
			copied += whole;
		}
		if (failed)
			return failed;
		at += whole;
	}
	return copied;
}

uint64_t pe_calls_length(const struct pe_calls *calls)
{
	return calls->count;
}

uint64_t pe_calls_skipped(const struct pe_calls *calls)
{
	return calls->skipped;
}

uint64_t pe_calls_memory(const struct pe_calls *calls)
{
	return calls->room * sizeof(*calls->entries) + calls->arena.room +
	       calls->pending_room * sizeof(*calls->pending) + calls->file_room * sizeof(*calls->files) +
	       calls->snapshot_room * sizeof(*calls->snapshots);
}

/* --- finding ------------------------------------------------------------------- */

static int compare_processes(const void *left, const void *right)
{
	const struct pe_span *one = left, *other = right;

	if (one->pid != other->pid)
		return one->pid < other->pid ? -1 : 1;
	if (one->start_ns != other->start_ns)
		return one->start_ns < other->start_ns ? -1 : 1;
	return 0;
}

/* Whether one of the spans, of which a process may have several, holds a call. */
static bool is_within(const struct pe_call_filter *filter, const struct call_record *call)
{
	struct pe_span key = { .pid = call->header.host_pid, .start_ns = call->header.start_ns };
	const struct pe_span *end = filter->spans + filter->span_count;
	const struct pe_span *span = bsearch(&key, filter->spans, filter->span_count, sizeof(key), compare_processes);

	if (!span)
		return false;
	while (span > filter->spans && !compare_processes(span - 1, &key))
		span--;
	for (; span < end && !compare_processes(span, &key); span++)
		if (call->entered_ns >= span->from_ns && call->entered_ns < span->to_ns)
			return true;
	return false;
}

static bool is_wanted(const struct pe_call_filter *filter, const struct call_record *call)
{
	uint64_t bit = (uint64_t)call->abi * PE_CALL_NUMBERS + call->number;
	bool listed = call->number < PE_CALL_NUMBERS && call->abi < CALL_ABIS &&
		      filter->wanted[bit / 8] >> bit % 8 & 1;

	return listed != filter->unwanted;
}

static bool passes(const struct pe_call_filter *filter, const struct call_record *call)
{
	return (!filter->wanted || is_wanted(filter, call)) && (!filter->spans || is_within(filter, call));
}

static bool is_of_windows(const struct pe_call_filter *filter, const struct call_record *call)
{
	return !(call->flags & SUPERSEDED) && call->header.window >= filter->first &&
	       call->header.window <= filter->last;
}

/* Sorts by the time of entry: calls come in the order of their return. A radix
 * sort, a byte a pass, since a comparison a step would take ten times as long. */
static int sort_by_entry(const struct pe_calls *calls, uint32_t *indexes, uint64_t count)
{
	uint64_t least = UINT64_MAX, most = 0, before = 0;
	struct place {
		uint64_t time;
		uint64_t index;
	} *from, *to, *both;
	bool sorted = true;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t time = calls->entries[indexes[i]].call.entered_ns;

		sorted &= time >= before;
		before = time;
		least = time < least ? time : least;
		most = time > most ? time : most;
	}
	if (sorted)
		return 0;
	both = malloc(2 * count * sizeof(*both));
	if (!both)
		return -ENOMEM;
	from = both;
	to = both + count;
	for (uint64_t i = 0; i < count; i++)
		from[i] = (struct place){ calls->entries[indexes[i]].call.entered_ns - least, indexes[i] };
	for (unsigned int shift = 0; shift < 64 && (most - least) >> shift; shift += 8) {
		uint64_t starts[257] = { 0 };
		struct place *swapped = from;

		for (uint64_t i = 0; i < count; i++)
			starts[(from[i].time >> shift & 255) + 1]++;
		for (int i = 1; i < 257; i++)
			starts[i] += starts[i - 1];
		for (uint64_t i = 0; i < count; i++)
			to[starts[from[i].time >> shift & 255]++] = from[i];
		from = to;
		to = swapped;
	}
	for (uint64_t i = 0; i < count; i++)
		indexes[i] = from[i].index;
	free(both);
	return 0;
}

/* Writes the places of those that pass, by the time of entry; out has room for
 * all there are. Returns how many, or -ENOMEM. */
int64_t pe_calls_select(const struct pe_calls *calls, const struct pe_call_filter *filter, uint32_t *out)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < calls->count; i++)
		if (is_of_windows(filter, &calls->entries[i].call) && passes(filter, &calls->entries[i].call))
			out[count++] = i;
	return sort_by_entry(calls, out, count) ?: (int64_t)count;
}

/* Writes those of some places that pass, whatever their window, in the same order.
 * Also those of which more is known by now: who asked for them has them as they
 * were. Returns how many. */
uint64_t pe_calls_narrow(const struct pe_calls *calls, const struct pe_call_filter *filter, const uint32_t *places,
			 uint64_t place_count, uint32_t *out)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < place_count; i++)
		if (places[i] < calls->count && passes(filter, &calls->entries[places[i]].call))
			out[count++] = places[i];
	return count;
}

/* What was counted of so far, by ABI and number. */
struct tally {
	struct pe_call_count *counts;
	uint64_t found;
	uint64_t max;
	uint64_t last; /* where the call before was counted */
};

/* Calls that have not returned are no errors and took no time that is known. */
static bool count_call(struct tally *tally, const struct call_record *call)
{
	struct pe_call_count *counts = tally->counts;
	uint64_t at = tally->last;

	if (at >= tally->found || counts[at].abi != call->abi || counts[at].number != call->number)
		for (at = 0; at < tally->found; at++)
			if (counts[at].abi == call->abi && counts[at].number == call->number)
				break;
	if (at == tally->found) {
		if (tally->found == tally->max)
			return false;
		counts[tally->found++] = (struct pe_call_count){ .abi = call->abi, .number = call->number };
	}
	tally->last = at;
	counts[at].calls++;
	if (call->flags & (CALL_IN_PROGRESS | CALL_UNFINISHED))
		return true;
	counts[at].errors += call->result < 0 && call->result >= -4095; /* MAX_ERRNO, linux/err.h */
	counts[at].time_ns += call->header.time_ns - call->entered_ns;
	return true;
}

/* Counts by ABI and number; returns how many there are, or -E2BIG if there are
 * more than max. */
int64_t pe_calls_count(const struct pe_calls *calls, const struct pe_call_filter *filter,
		       struct pe_call_count *out, uint64_t max)
{
	struct tally tally = { .counts = out, .max = max };

	for (uint64_t i = 0; i < calls->count; i++) {
		const struct call_record *call = &calls->entries[i].call;

		if (is_of_windows(filter, call) && passes(filter, call) && !count_call(&tally, call))
			return -E2BIG;
	}
	return tally.found;
}

/* The same of some places. */
int64_t pe_calls_count_places(const struct pe_calls *calls, const uint32_t *places, uint64_t place_count,
			      struct pe_call_count *out, uint64_t max)
{
	struct tally tally = { .counts = out, .max = max };

	for (uint64_t i = 0; i < place_count; i++)
		if (places[i] < calls->count && !count_call(&tally, &calls->entries[places[i]].call))
			return -E2BIG;
	return tally.found;
}

const uint8_t *pe_calls_record(const struct pe_calls *calls, uint64_t index)
{
	return index < calls->count ? (const uint8_t *)&calls->entries[index].call : NULL;
}

/* Writes the pieces of a call, in the order in which they came; returns how many
 * there are, also those beyond max. */
uint64_t pe_calls_pieces(const struct pe_calls *calls, uint64_t index, struct pe_piece *out, uint64_t max)
{
	uint64_t count = 0;
	uint32_t at = index < calls->count ? calls->entries[index].pieces : NONE;

	for (; at != NONE; at = link_at(&calls->arena, at)->next, count++) {
		const struct call_data_record *piece = record_at(&calls->arena, at);

		if (count < max)
			out[count] = (struct pe_piece){
				.address = piece->address,
				.data = (const uint8_t *)(piece + 1),
				.length = piece->length,
				.part = piece->part,
				.capture = piece->capture,
				.flags = piece->flags,
			};
	}
	return count;
}

/* Returns the record of a file and its size with what follows it; NULL: unknown. */
const uint8_t *pe_calls_file(const struct pe_calls *calls, uint64_t id, uint32_t *size)
{
	const struct file_place *place = id ? file_of(calls, id) : NULL;

	if (!place || !place->id)
		return NULL;
	*size = link_at(&calls->arena, place->at)->size;
	return record_at(&calls->arena, place->at);
}

/* --- forgetting ---------------------------------------------------------------- */

/* Moves a chain to another arena; returns its new place, and its end in *last. */
static uint32_t move_chain(const struct arena *from, struct arena *to, uint32_t at, uint32_t *last, bool *failed)
{
	uint32_t first = NONE, before = NONE;

	for (; at != NONE && !*failed; at = link_at(from, at)->next) {
		uint32_t now = arena_add(to, record_at(from, at), link_at(from, at)->size);

		if (now == NONE)
			*failed = true;
		else if (before == NONE)
			first = now;
		else
			link_at(to, before)->next = now;
		before = now;
	}
	*last = before;
	return first;
}

/* Forgets the calls and files of the windows before this one; -ENOMEM: it could
 * not, and nothing is lost. A file is named anew in each window (bpf/files.h), so
 * no call refers to an earlier window's. */
int pe_calls_forget(struct pe_calls *calls, uint32_t before)
{
	struct pe_calls kept = { .skipped = calls->skipped };
	bool failed = false;
	uint32_t last;

	for (uint64_t i = 0; i < calls->count && !failed; i++) {
		const struct entry *entry = &calls->entries[i];

		if (entry->call.header.window < before || entry->call.flags & SUPERSEDED)
			continue;
		if (!grow((void **)&kept.entries, &kept.room, kept.count, sizeof(*entry))) {
			failed = true;
			break;
		}
		kept.entries[kept.count] = *entry;
		/* A snapshot shares its pieces with those that still wait: they move below. */
		if (entry->call.flags & CALL_IN_PROGRESS) {
			failed = !grow((void **)&kept.snapshots, &kept.snapshot_room, kept.snapshot_count,
				       sizeof(*kept.snapshots));
			if (!failed)
				kept.snapshots[kept.snapshot_count++] = kept.count;
		}
		kept.entries[kept.count].pieces =
			move_chain(&calls->arena, &kept.arena, entry->pieces, &last, &failed);
		kept.count++;
	}
	for (uint64_t i = 0; i < calls->pending_room && !failed; i++) {
		const struct pending *old = &calls->pending[i];
		struct pending *new;

		if (!old->tid || old->first == NONE)
			continue;
		new = pending_for(&kept, old->tid);
		if (!new) {
			failed = true;
			break;
		}
		new->entered_ns = old->entered_ns;
		new->first = move_chain(&calls->arena, &kept.arena, old->first, &new->last, &failed);
	}
	for (uint64_t i = 0; i < calls->file_room && !failed; i++) {
		const struct file_record *file;
		uint32_t at;

		if (!calls->files[i].id)
			continue;
		file = record_at(&calls->arena, calls->files[i].at);
		if (file->header.window < before)
			continue;
		at = arena_add(&kept.arena, file, link_at(&calls->arena, calls->files[i].at)->size);
		failed = at == NONE || place_file(&kept, file->id, at);
	}
	if (failed) {
		free(kept.entries);
		free(kept.arena.bytes);
		free(kept.pending);
		free(kept.files);
		free(kept.snapshots);
		return -ENOMEM;
	}
	free(calls->entries);
	free(calls->arena.bytes);
	free(calls->pending);
	free(calls->files);
	free(calls->snapshots);
	*calls = kept;
	return 0;
}
