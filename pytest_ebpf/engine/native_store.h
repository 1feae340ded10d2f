/* What the store of system calls holds, for those of the native_*.c files that look
 * into it. */
#ifndef PYTEST_EBPF_NATIVE_STORE_H
#define PYTEST_EBPF_NATIVE_STORE_H

#include <linux/types.h>

#include "../../bpf/events.h"
#include "native_arena.h"
#include "native_calls.h"

#define SUPERSEDED 0x80 /* in flags of what is stored: a later record tells of the same call */

/* Long pieces whose call has not returned yet: one chain a thread. */
struct pending {
	uint64_t entered_ns;
	uint32_t tid; /* 0: free */
	uint32_t first;
	uint32_t last;
	uint32_t unused;
};

struct pe_calls {
	struct arena arena;
	uint32_t *calls; /* their places, in the order in which they came */
	uint64_t count;
	uint64_t room;
	struct pending *pending; /* open addressing, a power of two */
	uint64_t pending_count;
	uint64_t pending_room;
	uint32_t *files; /* likewise: their places, by their ids */
	uint64_t file_count;
	uint64_t file_room;
	uint32_t *snapshots; /* indexes of calls that have not returned, as far as is known */
	uint64_t snapshot_count;
	uint64_t snapshot_room;
	uint64_t skipped; /* records that were none */
};

/* The type of what is stored is known; in its stead stands the place of the next
 * piece of the same call: of a call, the first that did not travel with it. */
static inline struct call_record *call_at(const struct pe_calls *calls, uint64_t index)
{
	return arena_at(&calls->arena, calls->calls[index]);
}

/* With what follows it. */
static inline uint32_t file_size(const struct file_record *file)
{
	return sizeof(*file) + (file->bits & FILE_SOCKET ? sizeof(struct socket_names) : file->length);
}

uint32_t *pe_file_slot(const struct pe_calls *calls, uint64_t id);

#endif
