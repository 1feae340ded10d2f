/* Memory that only grows, in blocks that never move. */
#ifndef PYTEST_EBPF_NATIVE_ARENA_H
#define PYTEST_EBPF_NATIVE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NONE 0 /* no place */
#define BLOCK_SHIFT 17 /* units of 8 bytes: 1 MiB */
#define BLOCK_SIZE (8u << BLOCK_SHIFT)

/* Items are padded to 8 bytes. A place is block and offset in units of 8 bytes; the
 * first one is nobody's. */
struct arena {
	uint8_t **blocks;
	uint64_t count;
	uint64_t room;
	uint32_t used; /* bytes of the last block */
};

static inline void *arena_at(const struct arena *arena, uint32_t place)
{
	return arena->blocks[place >> BLOCK_SHIFT] + (place & ((1u << BLOCK_SHIFT) - 1)) * 8;
}

bool pe_grow(void **items, uint64_t *room, uint64_t count, size_t size);
uint32_t pe_arena_add(struct arena *arena, const void *item, uint32_t size);
void pe_arena_free(struct arena *arena);
uint64_t pe_arena_memory(const struct arena *arena);

#endif
