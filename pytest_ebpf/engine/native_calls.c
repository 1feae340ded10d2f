/* Finds system calls in the store: some of them in their order, their pieces and
 * files, how many there are of each. */
#include <errno.h>
#include <stdlib.h>

#include "native_store.h"

#define PE_CALL_NUMBERS 1024 /* of an ABI, in a filter; the kernel's table is shorter */

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
	return pe_arena_memory(&calls->arena) + calls->room * sizeof(*calls->calls) +
	       calls->pending_room * sizeof(*calls->pending) + calls->file_room * sizeof(*calls->files) +
	       calls->snapshot_room * sizeof(*calls->snapshots);
}

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
		uint64_t time = call_at(calls, indexes[i])->entered_ns;

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
		from[i] = (struct place){ call_at(calls, indexes[i])->entered_ns - least, indexes[i] };
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
		if (is_of_windows(filter, call_at(calls, i)) && passes(filter, call_at(calls, i)))
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
		if (places[i] < calls->count && passes(filter, call_at(calls, places[i])))
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
		const struct call_record *call = call_at(calls, i);

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
		if (places[i] < calls->count && !count_call(&tally, call_at(calls, places[i])))
			return -E2BIG;
	return tally.found;
}

const uint8_t *pe_calls_record(const struct pe_calls *calls, uint64_t index)
{
	return index < calls->count ? (const uint8_t *)call_at(calls, index) : NULL;
}

/* What is written of a call's pieces. */
struct listing {
	struct pe_piece *out;
	uint64_t count;
	uint64_t max;
	bool at_exit; /* of those that were read then, or before */
};

static void list_piece(struct listing *listing, const struct call_piece *piece)
{
	if (!(piece->flags & DATA_AT_EXIT) == listing->at_exit)
		return;
	if (listing->count < listing->max)
		listing->out[listing->count] = (struct pe_piece){
			.address = piece->address,
			.data = (const uint8_t *)(piece + 1),
			.length = piece->length,
			.part = piece->part,
			.capture = piece->capture,
			.flags = piece->flags,
		};
	listing->count++;
}

static void list_pieces(const struct pe_calls *calls, uint64_t index, struct listing *listing)
{
	const struct call_record *call = call_at(calls, index);
	const uint8_t *at = (const uint8_t *)(call + 1), *end = at + call->length;
	const struct call_data_record *record;
	const struct call_piece *piece;

	for (uint32_t place = call->header.type; place != NONE; place = record->type) {
		record = arena_at(&calls->arena, place);
		list_piece(listing, &record->piece);
	}
	while (end - at >= (ptrdiff_t)sizeof(*piece)) {
		piece = (const struct call_piece *)at;
		at += sizeof(*piece);
		if (piece->length > end - at)
			break;
		list_piece(listing, piece);
		at += (piece->length + 7) / 8 * 8;
	}
}

/* Writes the pieces of a call, those that were read at its end last: they are the
 * ones that count. Returns how many there are, also those beyond max. */
uint64_t pe_calls_pieces(const struct pe_calls *calls, uint64_t index, struct pe_piece *out, uint64_t max)
{
	struct listing listing = { .out = out, .max = max };

	if (index >= calls->count)
		return 0;
	list_pieces(calls, index, &listing);
	listing.at_exit = true;
	list_pieces(calls, index, &listing);
	return listing.count;
}

/* Returns the record of a file and its size with what follows it; NULL: unknown. */
const uint8_t *pe_calls_file(const struct pe_calls *calls, uint64_t id, uint32_t *size)
{
	const uint32_t *slot = id ? pe_file_slot(calls, id) : NULL;
	const struct file_record *file;

	if (!slot || *slot == NONE)
		return NULL;
	file = arena_at(&calls->arena, *slot);
	*size = file_size(file);
	return (const uint8_t *)file;
}
